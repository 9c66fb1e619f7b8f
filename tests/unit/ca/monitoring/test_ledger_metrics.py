"""A check that fails or stays away, and a ledger nobody vouches for, show in the metrics."""

from dataclasses import replace
from datetime import timedelta

import pytest

from libs.common.core.metrics import Metrics
from libs.common.testing.records import MemoryRecords
from services.ca.metrics import AuthorityMetrics
from services.ca.monitoring.ledger_metrics import LedgerMetrics, note_check
from tests.unit.ca.hierarchies import CertificationAuthority
from tests.unit.ca.ledger.test_checkpoints import Witnessed
from tests.unit.ca.office import World

HOUR = timedelta(hours=1)


@pytest.fixture
def office(world: World, authority: CertificationAuthority) -> Witnessed:
    return Witnessed(world, authority)


@pytest.fixture
def checks() -> MemoryRecords:
    return MemoryRecords()


async def shown(office: Witnessed, checks: MemoryRecords) -> tuple[float, float, float]:
    """How old the newest check is, how many errors it found, and for how long acts go unvouched for."""
    metrics, world = AuthorityMetrics(Metrics("ca")), office.world
    await LedgerMetrics(checks, world.chain, office.ledger, metrics=metrics, clock=world.clock).update()
    gauges = (metrics.ledger_check_age_seconds, metrics.ledger_check_errors, metrics.ledger_uncovered_seconds)
    age, errors, unvouched = (next(iter(each.collect())).samples[0].value for each in gauges)
    return age, errors, unvouched


async def test_where_nothing_was_ever_done_nothing_is_missing(office: Witnessed, checks: MemoryRecords) -> None:
    assert await shown(office, checks) == (0, 0, 0)


async def test_before_the_first_check_its_age_is_the_ledgers(office: Witnessed, checks: MemoryRecords) -> None:
    await office.issued()
    office.world.now += 5 * HOUR

    assert (await shown(office, checks))[0] >= HOUR.total_seconds() * 5


async def test_the_newest_check_counts_whatever_an_older_one_found(office: Witnessed, checks: MemoryRecords) -> None:
    await office.issued()
    await note_check(checks, office.world.now, errors=7, warnings=1)
    office.world.now += 24 * HOUR
    assert (await shown(office, checks))[:2] == (24 * HOUR.total_seconds(), 7)

    await note_check(checks, office.world.now, errors=0, warnings=1)

    assert (await shown(office, checks))[:2] == (0, 0)


async def test_acts_go_unvouched_for_until_a_checkpoint_covers_them_and_its_own_entry_needs_none(
    office: Witnessed, checks: MemoryRecords
) -> None:
    await office.issued()
    office.world.now += HOUR
    assert (await shown(office, checks))[2] >= HOUR.total_seconds()

    await office.checkpoints.start()
    await office.wake_due()
    office.world.now += 10 * HOUR
    unvouched = [each for each in office.world.chain.entries if each.fact.kind != "ledger.checkpointed"]
    last = office.world.chain.entries[-1]

    assert last.fact.kind == "ledger.checkpointed"
    assert last.position > max(each.position for each in unvouched)
    assert (await shown(office, checks))[2] == 0


async def test_an_act_that_slipped_in_before_the_checkpoint_was_written_is_not_covered(
    office: Witnessed, checks: MemoryRecords
) -> None:
    await office.checkpoints.start()
    await office.wake_due()
    entries = office.world.chain.entries
    checkpoint = entries.pop()
    entries.append(replace(entries[-1], position=checkpoint.position))
    entries.append(replace(checkpoint, position=checkpoint.position + 1))
    office.world.now += HOUR

    assert (await shown(office, checks))[2] >= HOUR.total_seconds()
