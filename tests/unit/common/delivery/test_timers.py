"""Timers are data: they fire once, survive whatever restarts, and drive effects until they are done."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.common.core.errors import Retryable, Unavailable
from libs.common.core.metrics import Metrics
from libs.common.core.model import evolve
from libs.common.delivery.decisions import Decision
from libs.common.delivery.document_cache import CachedDocuments
from libs.common.delivery.engine import Collection, Engine
from libs.common.delivery.timers import Timers, Wake
from libs.common.testing.broker import MemoryPublisher
from libs.common.testing.memory import MemoryDocuments
from tests.unit.common.delivery.test_aggregates import COUNTERS, Counter, Ids
from tests.unit.common.shop_harness import KEYRING, NOON
from tests.waiting import until_so

LEASE_S = 30.0


class Clockwork:
    """Rows and time, on which replicas stand; each wake counts its aggregate on and ends its timer."""

    def __init__(self) -> None:
        self.rows = MemoryDocuments()
        self.now = NOON
        self.ids = Ids()
        self.woken: list[str] = []
        self.fails: list[Exception] = []

    def replica(self, wake: Wake | None = None, lease_s: float = LEASE_S) -> tuple[Collection[Counter], Timers]:
        engine = Engine(
            source="clockwork",
            documents=lambda _name, _searched: CachedDocuments(self.rows),
            publisher=MemoryPublisher(),
            keyring=KEYRING,
            metrics=Metrics("clockwork"),
            clock=lambda: self.now,
            new_id=self.ids,
        )
        kind = engine.open(COUNTERS)

        async def count_on(key: str, now: datetime) -> None:
            assert now == self.now
            self.woken.append(key)
            await asyncio.sleep(0)
            if self.fails:
                raise self.fails.pop()
            await kind.aggregates.apply(key, lambda state: Decision(Counter(number=(state or Counter()).number + 1)))

        return kind, engine.timers(kind, wake or count_on, lease_s=lease_s)

    async def ask(self, kind: Collection[Counter], after_s: float, key: str = "a") -> None:
        wake_at = self.now + timedelta(seconds=after_s)
        await kind.aggregates.apply(key, lambda state: Decision(evolve(state or Counter(), Counter, wake_at=wake_at)))

    def pass_time(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def number(self, key: str = "a") -> object:
        return self.rows.rows[key].state["number"]


@asynccontextmanager
async def running(*timers: Timers) -> AsyncIterator[None]:
    for each in timers:
        await each.start()
    try:
        yield
    finally:
        for each in timers:
            await each.stop()


async def fire(timers: Timers, rows: MemoryDocuments, now: datetime) -> None:
    """Wake what is due, as the workers do."""
    for key, wake_at in await rows.due(int(now.timestamp() * 1000), 100):
        await timers.run_once(key, wake_at)


async def test_a_timer_fires_when_its_time_has_come_and_not_before() -> None:
    clockwork = Clockwork()
    kind, timers = clockwork.replica()
    await clockwork.ask(kind, 10)
    async with running(timers):
        clockwork.pass_time(9.999)
        await timers.sweep()
        await asyncio.sleep(0.02)
        assert clockwork.woken == []
        clockwork.pass_time(0.001)
        await timers.sweep()
        await until_so(lambda: clockwork.number() == 1)
    assert clockwork.rows.rows["a"].wake_at is None


async def test_of_several_replicas_one_fires() -> None:
    clockwork = Clockwork()
    kind, first = clockwork.replica()
    others = [clockwork.replica()[1] for _ in range(3)]
    for n in range(20):
        await clockwork.ask(kind, 0, f"key-{n}")
    async with running(first, *others):
        await asyncio.gather(*(timers.sweep() for timers in (first, *others)))
        await until_so(lambda: all(clockwork.number(f"key-{n}") == 1 for n in range(20)))
        await asyncio.sleep(0.05)
    assert sorted(clockwork.woken) == sorted(f"key-{n}" for n in range(20))


async def test_a_timer_survives_the_process_that_set_it() -> None:
    clockwork = Clockwork()
    await clockwork.ask(clockwork.replica()[0], 10)
    clockwork.pass_time(3600)
    _, timers = clockwork.replica()
    await fire(timers, clockwork.rows, clockwork.now)
    assert clockwork.number() == 1


async def test_work_that_is_due_at_once_does_not_wait_for_a_sweep() -> None:
    clockwork = Clockwork()
    kind, timers = clockwork.replica()
    timers._sweeping._every_s = 3600
    async with running(timers):
        await clockwork.ask(kind, 0, "now")
        await clockwork.ask(kind, -5, "late")
        await until_so(lambda: clockwork.number("now") == clockwork.number("late") == 1, 0.5)


async def test_a_wake_that_failed_is_repeated_when_its_lease_has_ended_and_not_before() -> None:
    clockwork = Clockwork()
    kind, timers = clockwork.replica()
    clockwork.fails = [Retryable("busy")]
    await clockwork.ask(kind, 0)
    with pytest.raises(Retryable):
        await fire(timers, clockwork.rows, clockwork.now)
    clockwork.pass_time(LEASE_S - 1)
    await fire(timers, clockwork.rows, clockwork.now)
    assert clockwork.woken == ["a"]
    clockwork.pass_time(1)
    await fire(timers, clockwork.rows, clockwork.now)
    assert clockwork.woken == ["a", "a"]
    assert clockwork.number() == 1


@pytest.mark.parametrize("error", [Retryable("busy"), Unavailable("away"), RuntimeError("boom")])
async def test_a_wake_that_fails_does_not_end_the_worker(error: Exception) -> None:
    clockwork = Clockwork()
    kind, timers = clockwork.replica()
    timers._parallel = 1
    clockwork.fails = [error]
    async with running(timers):
        await clockwork.ask(kind, 0, "bad")
        await clockwork.ask(kind, 0, "good")
        await until_so(lambda: clockwork.number("good") == 1)
    assert clockwork.number("bad") == 0


async def test_a_wake_whose_work_is_cancelled_underneath_it_does_not_end_the_worker() -> None:
    clockwork = Clockwork()
    done: list[str] = []

    async def cancelled_first(key: str, _: datetime) -> None:
        done.append(key)
        if key == "bad":
            inner = asyncio.get_running_loop().create_future()
            inner.cancel()
            await inner

    kind, timers = clockwork.replica(cancelled_first)
    timers._parallel = 1
    async with running(timers):
        await clockwork.ask(kind, 0, "bad")
        await clockwork.ask(kind, 0, "good")
        await until_so(lambda: done == ["bad", "good"])


async def test_a_wake_is_cut_off_when_its_lease_ends_because_the_next_may_begin_elsewhere() -> None:
    clockwork = Clockwork()
    began: list[str] = []

    async def stuck(key: str, _: datetime) -> None:
        began.append(key)
        await asyncio.sleep(60)

    kind, timers = clockwork.replica(stuck, lease_s=0.05)
    await clockwork.ask(kind, 0)
    with pytest.raises(TimeoutError):
        await fire(timers, clockwork.rows, clockwork.now)
    assert began == ["a"]


async def test_a_decision_without_a_time_ends_the_timer() -> None:
    clockwork = Clockwork()
    kind, timers = clockwork.replica()
    await clockwork.ask(kind, 10)
    await kind.aggregates.apply("a", lambda _: Decision(Counter()))
    clockwork.pass_time(3600)
    await fire(timers, clockwork.rows, clockwork.now)
    assert clockwork.woken == []


async def test_a_decision_during_a_wake_sets_the_next_time_anew() -> None:
    clockwork = Clockwork()
    kind, timers = clockwork.replica()
    await clockwork.ask(kind, 0)
    ((key, wake_at),) = await clockwork.rows.due(int(clockwork.now.timestamp() * 1000), 10)
    assert await clockwork.rows.claim(key, wake_at, wake_at + 30_000)
    await clockwork.ask(kind, 5)
    assert clockwork.rows.rows["a"].wake_at == wake_at + 5_000
    assert not await timers.run_once(key, wake_at)


class StubbornDocuments(MemoryDocuments):
    """Takes a claim, and does not say so."""

    async def claim(self, key: str, wake_at: int, until: int) -> bool:
        await super().claim(key, wake_at, until)
        raise Unavailable("no answer")


async def test_a_claim_whose_answer_was_lost_comes_back_with_its_lease() -> None:
    clockwork = Clockwork()
    stubborn = StubbornDocuments()
    plain, clockwork.rows = clockwork.rows, stubborn
    kind, timers = clockwork.replica()
    await clockwork.ask(kind, 0)
    with pytest.raises(Unavailable):
        await fire(timers, stubborn, clockwork.now)
    plain.rows = stubborn.rows
    clockwork.rows = plain
    _, next_life = clockwork.replica()
    clockwork.pass_time(LEASE_S)
    await fire(next_life, plain, clockwork.now)
    assert clockwork.number() == 1


class CountingDocuments(MemoryDocuments):
    """Counts the claims."""

    claims = 0

    async def claim(self, key: str, wake_at: int, until: int) -> bool:
        self.claims += 1
        return await super().claim(key, wake_at, until)


async def test_the_write_that_asks_for_a_wake_now_is_its_claim_where_a_worker_is_idle() -> None:
    clockwork = Clockwork()
    clockwork.rows = rows = CountingDocuments()
    leased: list[int | None] = []

    async def note_lease(key: str, _: datetime) -> None:
        leased.append(rows.rows[key].wake_at)
        await kind.aggregates.apply(key, lambda _state: Decision(Counter(number=1)))

    kind, timers = clockwork.replica(note_lease)
    async with running(timers):
        await asyncio.sleep(0)
        await clockwork.ask(kind, 0)
        await until_so(lambda: clockwork.number() == 1)
        await timers.sweep()
    assert leased == [int(clockwork.now.timestamp() * 1000 + LEASE_S * 1000)]
    assert rows.claims == 0
    assert rows.rows["a"].wake_at is None


async def test_no_replica_takes_a_wake_that_its_writer_holds_until_the_lease_ends() -> None:
    clockwork = Clockwork()
    hang = asyncio.Event()

    async def dies(_key: str, _: datetime) -> None:
        await hang.wait()

    kind, timers = clockwork.replica(dies)
    _, other = clockwork.replica()
    async with running(timers):
        await asyncio.sleep(0)
        await clockwork.ask(kind, 0)
        await fire(other, clockwork.rows, clockwork.now)
        assert clockwork.woken == []
    clockwork.pass_time(LEASE_S)
    kind, other = clockwork.replica()
    await fire(other, clockwork.rows, clockwork.now)
    assert clockwork.woken == ["a"], "its process died over it"


async def test_what_nobody_here_has_time_for_is_left_for_all_replicas() -> None:
    clockwork = Clockwork()
    busy = asyncio.Event()

    async def slow(_key: str, _: datetime) -> None:
        await busy.wait()

    kind, timers = clockwork.replica(slow)
    timers._parallel = 1
    _, other = clockwork.replica()
    async with running(timers):
        await asyncio.sleep(0)
        await clockwork.ask(kind, 0, "held")
        await clockwork.ask(kind, 0, "free")
        await fire(other, clockwork.rows, clockwork.now)
        assert clockwork.woken == ["free"]
        busy.set()


async def test_a_wake_begun_after_its_hold_has_ended_is_left_to_the_next_claim() -> None:
    clockwork = Clockwork()
    kind, timers = clockwork.replica()
    idle = asyncio.create_task(kind.nudges.next())
    await asyncio.sleep(0)
    await clockwork.ask(kind, 0)
    nudge = await idle
    assert nudge.held
    clockwork.pass_time(LEASE_S)
    await timers._take(nudge)
    assert clockwork.woken == []
    await fire(timers, clockwork.rows, clockwork.now)
    assert clockwork.woken == ["a"]


async def test_a_sweep_does_not_announce_again_what_waits_for_a_worker() -> None:
    clockwork = Clockwork()
    clockwork.rows = rows = CountingDocuments()
    kind, timers = clockwork.replica()
    await clockwork.ask(kind, 0)
    for _ in range(3):
        await timers.sweep()
    async with running(timers):
        await until_so(lambda: clockwork.number() == 1)
        await asyncio.sleep(0.02)
    assert rows.claims == 1


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["ask", "fire", "pass", "fail"]), st.integers(0, 2), st.integers(0, 40))))
async def test_whatever_happens_every_timer_asked_for_fires_in_the_end(steps: list[tuple[str, int, int]]) -> None:
    clockwork = Clockwork()
    replicas = [clockwork.replica() for _ in range(3)]
    for step, which, amount in steps:
        kind, timers = replicas[which]
        match step:
            case "ask":
                await clockwork.ask(kind, amount, f"key-{amount % 2}")
            case "pass":
                clockwork.pass_time(amount)
            case "fail":
                clockwork.fails = [Retryable("busy")]
            case "fire":
                await _fire_all(timers, clockwork)
    clockwork.fails = []
    for _ in range(3):
        clockwork.pass_time(LEASE_S + 41)
        await _fire_all(replicas[0][1], clockwork)
    assert all(row.wake_at is None for row in clockwork.rows.rows.values())
    asked = {f"key-{amount % 2}" for step, _, amount in steps if step == "ask"}
    assert set(clockwork.woken) == asked


async def _fire_all(timers: Timers, clockwork: Clockwork) -> None:
    for key, wake_at in await clockwork.rows.due(int(clockwork.now.timestamp() * 1000), 100):
        try:
            await timers.run_once(key, wake_at)
        except Retryable:
            continue
