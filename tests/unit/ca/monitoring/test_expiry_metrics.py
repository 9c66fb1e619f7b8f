"""What the metrics say is to be renewed, in time."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest_asyncio

from libs.common.core.metrics import Metrics
from services.ca.authority.hierarchy import ROOT_LIST
from services.ca.crl.signing import BACKDATED, LIFETIME, ROOT_LIFETIME
from services.ca.metrics import AuthorityMetrics
from services.ca.monitoring.expiry_metrics import ExpiryMetrics, of_lists, of_responders
from services.ca.timestamp.clock import QUARANTINE, WatchedClock
from tests.unit.ca.authority.test_rollover import NEXT
from tests.unit.ca.hierarchies import EC, NOW, RSA, CertificationAuthority, establish
from tests.unit.ca.ocsp_harness import OcspHost
from tests.unit.ca.office import World

TOLERANCE = timedelta(milliseconds=500)


class ShownMetrics:
    """What the metrics show of an authority at work."""

    def __init__(self, counter: OcspHost, home: Path) -> None:
        self.metrics = Metrics("ca")
        self.monotonic = 0.0
        self._clock = WatchedClock(counter.world.clock, lambda: self.monotonic, TOLERANCE)
        authority, clock = counter.issuing, counter.world.clock
        self.expiry = ExpiryMetrics(
            counter.authority.hierarchy,
            home,
            renewed={
                "lists": of_lists(counter.lists, authority, clock),
                "responders": of_responders(counter.responders, authority, clock),
            },
            doubtful=lambda: self._clock.now() is None,
            metrics=AuthorityMetrics(self.metrics),
        )

    async def now(self) -> dict[str, float]:
        await self.expiry.update()
        (family,) = (each for each in self.metrics.registry.collect() if each.name == "onboarding_valid_until_seconds")
        return {sample.labels["what"]: sample.value for sample in family.samples}

    async def clock_is_doubtful(self) -> bool:
        await self.expiry.update()
        return self.metrics.registry.get_sample_value("onboarding_clock_doubtful") == 1


def seconds(moment: datetime) -> float:
    return moment.timestamp()


@pytest_asyncio.fixture
async def counter(authority: CertificationAuthority) -> OcspHost:
    counter = await OcspHost(World(), authority).open()
    await counter.lists.start()
    await counter.wake_due()
    return counter


async def test_everything_that_ends_is_told_with_its_end(counter: OcspHost, authority: CertificationAuthority) -> None:
    hierarchy = authority.hierarchy
    issuing = {
        label: seconds(hierarchy.generation(label).certificate.not_valid_after_utc) for label in (EC.label, RSA.label)
    }

    shown = await ShownMetrics(counter, authority.directory).now()

    assert shown == {
        "root": seconds(hierarchy.root.not_valid_after_utc),
        "root_list": seconds(NOW + ROOT_LIFETIME - BACKDATED),
        "issuing_ec": issuing[EC.label],
        "issuing_rsa": issuing[RSA.label],
        "seal": seconds(hierarchy.seal.not_valid_after_utc),
        "tsa": seconds(hierarchy.tsa.not_valid_after_utc),
        "lists": seconds(NOW + LIFETIME - BACKDATED),
        "responders": shown["responders"],
    }
    assert timedelta(days=29) < timedelta(seconds=shown["responders"] - seconds(NOW)) <= timedelta(days=30)


async def test_what_is_signed_anew_is_told_anew_and_what_is_not_comes_nearer_its_end(
    counter: OcspHost, authority: CertificationAuthority
) -> None:
    shown = ShownMetrics(counter, authority.directory)
    counter.world.now += LIFETIME / 2
    assert (await shown.now())["lists"] == seconds(NOW + LIFETIME - BACKDATED)

    await counter.wake_due()
    assert (await shown.now())["lists"] == seconds(NOW + LIFETIME * 3 / 2 - BACKDATED)


async def test_a_new_generation_takes_the_place_of_the_one_that_ends(tmp_path: Path) -> None:
    establish(tmp_path)
    later = NOW + timedelta(days=2 * 365)
    authority = establish(tmp_path, later, (EC, NEXT, RSA))
    world = World()
    world.now = later

    shown = await ShownMetrics(await OcspHost(world, authority).open(), tmp_path).now()

    ends = {each.label: seconds(each.certificate.not_valid_after_utc) for each in authority.hierarchy.generations}
    assert shown["issuing_ec"] == ends[NEXT.label] > ends[EC.label]
    assert shown["issuing_rsa"] == ends[RSA.label]


async def test_what_is_missing_has_ended_long_ago(authority: CertificationAuthority, tmp_path: Path) -> None:
    """Before any list was signed, before the responder was certified, and without the root's list."""
    shown = ShownMetrics(OcspHost(World(), authority), tmp_path)
    now = await shown.now()
    assert (now["lists"], now["responders"], now["root_list"]) == (0, 0, 0)

    (tmp_path / ROOT_LIST).write_bytes(b"-----BEGIN X509 CRL-----\ndamaged")
    assert (await shown.now())["root_list"] == 0


async def test_a_list_that_a_ceremony_renewed_beside_the_service_is_told(
    counter: OcspHost, tmp_path: Path, authority: CertificationAuthority
) -> None:
    shown = ShownMetrics(counter, tmp_path)
    newer = establish(tmp_path / "newer", NOW + timedelta(days=100))
    for home in (authority.directory, newer.directory):
        (tmp_path / ROOT_LIST).write_bytes((home / ROOT_LIST).read_bytes())
        found = (await shown.now())["root_list"]
    assert found == seconds(NOW + timedelta(days=100) + ROOT_LIFETIME - BACKDATED)


async def test_a_jump_of_the_clock_is_told_though_nobody_wants_a_time_stamp(
    counter: OcspHost, authority: CertificationAuthority
) -> None:
    shown = ShownMetrics(counter, authority.directory)
    assert not await shown.clock_is_doubtful()

    counter.world.now += timedelta(seconds=2)
    assert await shown.clock_is_doubtful()

    counter.world.now += QUARANTINE
    shown.monotonic += QUARANTINE.total_seconds()
    assert not await shown.clock_is_doubtful()
