"""Revocation lists in pages: what a revocation rewrites, what expiry takes along, and how lists are fetched."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from email.utils import format_datetime
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from libs.common.core.health import Health
from libs.common.testing.faults import Crash, Faults
from libs.common.web.http import create_app
from services.ca.crl import shards, signing
from services.ca.crl.api import list_routes
from services.ca.crl.publishing import PageDamaged
from services.ca.crl.shards import RENEW_AFTER, CrlEdition, Shard
from services.ca.crl.signing import LIFETIME
from services.ca.model.ids import ShardId
from services.ca.problems import PROBLEMS
from services.ca.texts import TEXTS
from tests.unit.ca.hierarchies import NOW, CertificationAuthority
from tests.unit.ca.judges import lint_crl
from tests.unit.ca.office import LEASE, METRICS, Office, World

PLACE = ShardId("issuing", 0)
YEAR = timedelta(days=365)


def certificate(number: int, ends: datetime = NOW + YEAR) -> Any:
    """A revoked certificate, as far as lists care."""
    return SimpleNamespace(
        issuer=PLACE.issuer,
        serial=f"{(1 << 126) + number:x}",
        not_after=ends,
        crl_shard=PLACE.number,
        revoked_at=NOW,
        revoked_for="superseded",
    )


async def revoked(office: Office, *certificates: Any) -> None:
    for each in certificates:
        await office.statuses.note([each], office.world.now)
    await office.lists.mark(PLACE)
    await office.wake_due()


async def issue(office: Office) -> CrlEdition:
    found = await office.lists.current(PLACE)
    assert found is not None
    return found


async def listed(office: Office) -> set[int]:
    pieces = await office.lists.pieces(PLACE, await issue(office))
    assert pieces is not None
    der = b"".join(pieces)
    assert lint_crl(der) == []
    crl = x509.load_der_x509_crl(der)
    return {each.serial_number - (1 << 126) for each in crl}


async def test_a_revocation_rewrites_the_page_of_its_day_and_no_other(world: World, office: Office) -> None:
    await revoked(office, *(certificate(n, NOW + timedelta(days=n)) for n in range(1, 20)))
    before = await issue(office)
    world.now += timedelta(seconds=1)
    await revoked(office, certificate(77, NOW + timedelta(days=5)))
    after = await issue(office)
    assert await listed(office) == {*range(1, 20), 77}
    assert len({page.id for page in after.pages} - {page.id for page in before.pages}) == 1
    assert len(after.pages) == 19


@pytest.mark.parametrize("damage", ["an entry less", "another entry", "no entries"])
async def test_nothing_is_signed_or_served_with_a_page_that_the_store_gives_otherwise_than_it_was_stored(
    world: World, office: Office, authority: CertificationAuthority, damage: str
) -> None:
    await revoked(office, certificate(1), certificate(2))
    (page,) = (await issue(office)).pages
    first, second, other = (signing.entry((1 << 126) + number, NOW, "superseded") for number in (1, 2, 3))
    octets = {"an entry less": first, "another entry": first + other, "no entries": (first + second)[:-1]}[damage]
    row = world.records["pages"].rows[page.id]
    assert row["der"] == first + second
    world.records["pages"].rows[page.id] = {**row, "der": octets}

    restarted = Office(world, authority)
    with pytest.raises(PageDamaged):
        await restarted.lists.revocation_list(PLACE)
    await restarted.lists.mark(PLACE)
    with pytest.raises(PageDamaged):
        await restarted.lists.wake(str(PLACE), world.now)
    assert await listed(office) == {1, 2}, "who has the page in memory serves it on"


async def test_a_certificate_stays_listed_until_a_list_of_after_its_end_and_then_goes_with_its_page(
    world: World, office: Office
) -> None:
    await revoked(office, certificate(1, NOW + timedelta(hours=3)), certificate(2))
    seen = []
    for _ in range(8):
        world.now += RENEW_AFTER
        await office.wake_due()
        seen.append((1 in await listed(office), (await issue(office)).this_update))
    gone = next(at for there, at in seen if not there)
    last = max(at for there, at in seen if there)
    assert last > NOW + timedelta(hours=3), "RFC 5280, 3.3: it appeared on a list of after its end"
    assert last < gone
    assert await listed(office) == {2}
    kept = {page.id for page in (await issue(office)).pages}
    assert set(world.records["pages"].rows) == kept, "the store keeps pages that nobody needs"


async def test_a_revocation_told_again_after_a_crash_is_listed_once(world: World, office: Office) -> None:
    await revoked(office, certificate(1))
    world.records["statuses"].rows[f"issuing/{(1 << 126) + 1:x}"]["unlisted"] = str(PLACE)
    world.now += timedelta(seconds=1)
    await revoked(office, certificate(2))
    assert (await issue(office)).entries == 2
    assert await listed(office) == {1, 2}


async def test_what_another_replica_published_meanwhile_is_not_published_over(office: Office) -> None:
    await revoked(office, certificate(1))
    published = await issue(office)
    assert shards.publish(Shard(opened_at=NOW, issue=published), Shard(opened_at=NOW), published, complete=True) is None
    assert shards.publish(Shard(opened_at=NOW), Shard(opened_at=NOW), published, complete=True) is not None


def test_a_long_list_is_not_signed_for_each_revocation() -> None:
    page = shards.CrlPage(id="p", day=NOW.date(), octets=49_000_000, entries=1_000_000)
    first = CrlEdition(
        number=1,
        signed_at=NOW,
        this_update=NOW,
        next_update=NOW + LIFETIME,
        before="",
        after="",
        sha256="",
        pages=(page,),
    )
    marked = shards.mark(Shard(opened_at=NOW, issue=first), NOW + timedelta(seconds=1))
    assert shards.wake_at(marked.state) == NOW + timedelta(seconds=100)


async def test_a_crash_at_any_step_of_signing_loses_no_revocation(authority: CertificationAuthority) -> None:

    counted = Faults()
    await revoked(Office(World(), authority, counted), certificate(1))
    for step in range(1, counted.steps + 1):
        world = World()
        with pytest.raises(Crash):
            await revoked(Office(world, authority, Faults(step)), certificate(1))
        world.now += LEASE
        office = Office(world, authority)
        await revoked(office, certificate(1))
        world.now += LEASE
        await office.wake_due()
        assert await listed(office) == {1}, f"step {step}"


def http(office: Office, authority: CertificationAuthority) -> httpx.AsyncClient:
    router = list_routes(office.lists, authority.directory / "root-crl.pem", office.world.clock)
    app = create_app("ca", metrics=METRICS, problems=PROBLEMS, texts=TEXTS, health=Health(), routers=[router])
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://ca")


@pytest.mark.parametrize(
    ("path", "longest"),
    [
        ("/pki/issuing/crl/0.crl", LIFETIME),
        ("/pki/root/crl/0.crl", timedelta(hours=1)),
    ],
)
async def test_a_list_may_be_cached_until_its_next_update_and_is_not_sent_to_those_who_have_it(
    world: World, authority: CertificationAuthority, path: str, longest: timedelta
) -> None:
    office = Office(world, authority)
    await revoked(office, certificate(1))
    world.now += timedelta(minutes=10)
    async with http(office, authority) as client:
        answer = await client.get(path)
        crl = x509.load_der_x509_crl(answer.content)
        assert crl.next_update_utc is not None
        until = min(crl.next_update_utc, world.now + longest)
        left = int((until - world.now).total_seconds())
        assert answer.headers["cache-control"] == f"public, max-age={left}, no-transform"
        assert answer.headers["expires"] == format_datetime(until, usegmt=True)
        assert answer.headers["last-modified"] == format_datetime(crl.last_update_utc, usegmt=True)
        assert int(answer.headers["content-length"]) == len(answer.content)
        etag = answer.headers["etag"]
        alone = await client.head(path)
        assert (alone.status_code, alone.content) == (200, b"")
        assert {name for name, value in answer.headers.items() if alone.headers.get(name) != value} == {"x-request-id"}
        known: Sequence[dict[str, str]] = (
            {"if-none-match": etag},
            {"if-none-match": f'"other", W/{etag}'},
            {"if-modified-since": answer.headers["last-modified"]},
        )
        for headers in known:
            again = await client.get(path, headers=headers)
            assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
        unknown: Sequence[dict[str, str]] = (
            {"if-none-match": '"other"', "if-modified-since": answer.headers["last-modified"]},
            {"if-modified-since": "yesterday"},
            {"if-modified-since": format_datetime(crl.last_update_utc - timedelta(seconds=1), usegmt=True)},
        )
        for headers in unknown:
            assert (await client.get(path, headers=headers)).status_code == 200


async def test_the_list_as_pem_is_the_same_list(office: Office, authority: CertificationAuthority) -> None:
    await revoked(office, certificate(1))
    async with http(office, authority) as client:
        crl = x509.load_der_x509_crl((await client.get("/pki/issuing/crl/0.crl")).content)
        text = await client.get("/v1/crl/issuing/0.pem")
        unknown = await client.get("/pki/issuing/crl/7.crl")
    assert x509.load_pem_x509_crl(text.content).public_bytes(Encoding.DER) == crl.public_bytes(Encoding.DER)
    assert unknown.json()["key"] == "crl.unknown"
