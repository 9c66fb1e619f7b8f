"""What was decided is published: at least once, in order, whoever fails in between."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typing_extensions import override

from libs.common.core.errors import Unavailable
from libs.common.core.metrics import Metrics
from libs.common.delivery.decisions import Decision
from libs.common.delivery.document_cache import CachedDocuments
from libs.common.delivery.documents import Document, Documents, Outgoing
from libs.common.delivery.engine import Collection, Engine
from libs.common.testing.broker import MemoryPublisher
from libs.common.testing.memory import MemoryDocuments
from tests.unit.common.delivery.test_aggregates import COUNTERS, Counted, Counter, Ids
from tests.unit.common.shop_harness import GRACE_S, KEYRING, NOON


class Now:
    def __init__(self) -> None:
        self.moment = NOON

    def __call__(self) -> object:
        return self.moment

    def pass_time(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


class UnsteadyPublisher(MemoryPublisher):
    """Takes events one by one, with others getting a turn between them, until it is told to fail."""

    def __init__(self) -> None:
        super().__init__()
        self.takes: int | None = None
        self.calls = 0

    @override
    async def publish(self, events: Sequence[Outgoing]) -> None:
        self.calls += 1
        for event in events:
            await asyncio.sleep(0)
            if self.takes == 0:
                raise Unavailable("the broker is away")
            if self.takes is not None:
                self.takes -= 1
            self.published.append(event)
        await asyncio.sleep(0)


def make_kind(documents: Documents, publisher: MemoryPublisher, clock: Now, ids: Ids) -> Collection[Counter]:
    engine = Engine(
        source="counter",
        documents=lambda _name, _searched: documents,
        publisher=publisher,
        keyring=KEYRING,
        metrics=Metrics("counter"),
        clock=clock,  # type: ignore[arg-type]  # a moment, moved by hand
        new_id=ids,
        outbox_grace_s=GRACE_S,
    )
    return engine.open(COUNTERS)


async def emit(kind: Collection[Counter], events: int = 1, key: str = "a") -> None:
    """Count on, with so many events from one decision."""

    def decide(state: Counter | None) -> Decision[Counter]:
        first = (state.number if state else 0) + 1
        counted = tuple(Counted(number=number) for number in range(first, first + events))
        return Decision(Counter(number=first + events - 1), counted)

    await kind.aggregates.apply(key, decide)


def firsts(publisher: MemoryPublisher) -> list[int]:
    """The numbers in the order in which each was seen first."""
    return list(dict.fromkeys(int(event.value.strip("{}").split(":")[1]) for event in publisher.published))


class Bench:
    def __init__(self) -> None:
        self.rows = MemoryDocuments()
        self.publisher = UnsteadyPublisher()
        self.clock = Now()
        self.ids = Ids()

    def replica(self) -> Collection[Counter]:
        return make_kind(CachedDocuments(self.rows), self.publisher, self.clock, self.ids)

    def waiting(self) -> list[str]:
        return [entry.value for row in self.rows.rows.values() for entry in row.outbox]


async def test_entries_are_published_in_the_order_of_the_decisions() -> None:
    bench = Bench()
    kind = bench.replica()
    for events in (1, 3, 2):
        await emit(kind, events)
    assert firsts(bench.publisher) == [1, 2, 3, 4, 5, 6]
    assert len(bench.publisher.published) == 6


async def test_a_publish_that_fails_in_the_middle_is_made_good_in_order_by_the_sweeper() -> None:
    bench = Bench()
    kind = bench.replica()
    bench.publisher.takes = 1
    await emit(kind, 3)
    assert firsts(bench.publisher) == [1]
    bench.publisher.takes = None
    bench.clock.pass_time(GRACE_S + 1)
    await kind.outbox.sweep()
    assert firsts(bench.publisher) == [1, 2, 3]
    assert len({event.meta.id for event in bench.publisher.published}) == 3
    await kind.outbox.trim()
    assert bench.waiting() == []


async def test_what_could_not_be_published_goes_before_what_is_decided_next() -> None:
    bench = Bench()
    kind = bench.replica()
    bench.publisher.takes = 0
    await emit(kind, 2)
    bench.publisher.takes = None
    await emit(kind, 1)
    assert firsts(bench.publisher) == [1, 2, 3]


class Gate:
    """Holds up the first publish until it is told how to end."""

    def __init__(self, publisher: UnsteadyPublisher) -> None:
        self.reached, self._open = asyncio.Event(), asyncio.Event()
        self._fails = False
        self._publish = publisher.publish
        publisher.publish = self._held_up  # type: ignore[method-assign]  # once

    async def _held_up(self, events: Sequence[Outgoing]) -> None:
        if not self._open.is_set():
            self.reached.set()
            await self._open.wait()
            if self._fails:
                raise Unavailable("the broker is away")
        await self._publish(events)

    def open(self, *, fails: bool) -> None:
        self._fails = fails
        self._open.set()


async def two_at_once(bench: Bench, kind: Collection[Counter], *, first_fails: bool) -> None:
    """Decide a second time while what follows from the first decision is on its way."""
    gate = Gate(bench.publisher)
    first = asyncio.create_task(emit(kind))
    await gate.reached.wait()
    second = asyncio.create_task(emit(kind))
    await asyncio.sleep(0.01)
    assert bench.rows.rows["a"].version == 2, "the second decision need not wait for the first one's publish"
    gate.open(fails=first_fails)
    await asyncio.gather(first, second)


async def test_an_event_that_fails_is_not_overtaken_by_one_decided_while_it_was_on_its_way() -> None:
    bench = Bench()
    kind = bench.replica()
    await two_at_once(bench, kind, first_fails=True)
    bench.clock.pass_time(GRACE_S + 1)
    await kind.outbox.sweep()
    assert firsts(bench.publisher) == [1, 2]


async def test_an_event_on_its_way_is_not_published_once_more_with_the_next() -> None:
    bench = Bench()
    await two_at_once(bench, bench.replica(), first_fails=False)
    assert [event.value for event in bench.publisher.published] == ['{"number":1}', '{"number":2}']


async def test_an_event_on_its_way_is_not_trimmed() -> None:
    bench = Bench()
    kind = bench.replica()
    gate = Gate(bench.publisher)
    emitting = asyncio.create_task(emit(kind))
    await gate.reached.wait()
    await kind.outbox.trim()
    assert bench.waiting() == ['{"number":1}']
    gate.open(fails=True)
    await emitting
    bench.clock.pass_time(GRACE_S + 1)
    await kind.outbox.sweep()
    assert firsts(bench.publisher) == [1]


async def test_only_what_the_broker_took_is_counted_as_published() -> None:
    bench = Bench()
    kind = bench.replica()
    bench.publisher.takes = 0
    await emit(kind, 2)
    assert kind.outbox._metrics.registry.get_sample_value("onboarding_outbox_published_total") == 0
    bench.publisher.takes = None
    await emit(kind)
    assert kind.outbox._metrics.registry.get_sample_value("onboarding_outbox_published_total") == 3


async def test_the_sweeper_leaves_alone_what_is_younger_than_the_grace() -> None:
    bench = Bench()
    bench.publisher.takes = 0
    await emit(bench.replica())
    bench.publisher.takes = None
    other = bench.replica()
    bench.clock.pass_time(GRACE_S - 1)
    await other.outbox.sweep()
    assert firsts(bench.publisher) == []
    bench.clock.pass_time(2)
    await other.outbox.sweep()
    assert firsts(bench.publisher) == [1]


async def test_what_one_replica_left_another_publishes_under_the_same_id_and_trims() -> None:
    bench = Bench()
    dead = bench.replica()
    bench.publisher.takes = 1
    await emit(dead, 2)
    bench.publisher.takes = None
    living = bench.replica()
    bench.clock.pass_time(GRACE_S + 1)
    await living.outbox.sweep()
    await living.outbox.trim()
    assert firsts(bench.publisher) == [1, 2]
    assert len({event.meta.id for event in bench.publisher.published}) == 2
    assert bench.waiting() == []
    await emit(dead)
    assert firsts(bench.publisher) == [1, 2, 3]


async def test_published_entries_leave_with_the_next_write() -> None:
    bench = Bench()
    kind = bench.replica()
    await emit(kind, 2)
    assert len(bench.waiting()) == 2
    await emit(kind)
    assert bench.waiting() == ['{"number":3}']


async def test_a_resting_document_is_trimmed_and_swept_no_more() -> None:
    bench = Bench()
    kind = bench.replica()
    await emit(kind, 2)
    await kind.outbox.trim()
    assert bench.waiting() == []
    assert bench.rows.rows["a"].outbox_at is None
    bench.clock.pass_time(GRACE_S + 1)
    await bench.replica().outbox.sweep()
    assert len(bench.publisher.published) == 2


async def test_an_entry_that_was_not_published_is_never_trimmed() -> None:
    bench = Bench()
    kind = bench.replica()
    await emit(kind)
    bench.publisher.takes = 0
    await emit(kind)
    await kind.outbox.trim()
    assert bench.waiting() == ['{"number":2}']


async def test_trimming_loses_to_a_write_of_another_replica_in_between() -> None:
    bench = Bench()
    ours, theirs = bench.replica(), bench.replica()
    await emit(ours)
    bench.publisher.takes = 0
    await emit(theirs)
    await ours.outbox.trim()
    assert '{"number":2}' in bench.waiting()


async def test_a_publish_that_is_cut_off_leaves_its_entries_to_the_sweeper() -> None:
    bench = Bench()
    kind = bench.replica()
    stuck = asyncio.Event()

    async def never(events: Sequence[Outgoing]) -> None:
        del events
        stuck.set()
        await asyncio.sleep(60)

    publish, bench.publisher.publish = bench.publisher.publish, never  # type: ignore[method-assign]  # hangs, once
    task = asyncio.create_task(emit(kind))
    await stuck.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    bench.publisher.publish = publish  # type: ignore[method-assign]
    bench.clock.pass_time(GRACE_S + 1)
    await kind.outbox.sweep()
    assert firsts(bench.publisher) == [1]


async def test_a_process_remembers_nothing_of_what_it_could_not_publish() -> None:
    bench = Bench()
    kind = bench.replica()
    bench.publisher.takes = 0
    for n in range(10):
        await emit(kind, key=f"key-{n}")
    assert not kind.outbox._progress
    assert not kind.outbox._turns


async def act(bench: Bench, replicas: list[Collection[Counter]], chance: Random) -> None:
    """Do one of the things that happen in a service, perhaps with the broker failing after a few events."""
    kind = replicas[chance.randrange(len(replicas))]
    for _ in range(chance.randrange(4)):
        await asyncio.sleep(0)
    match chance.randrange(6):
        case 0 | 1 | 2:
            await emit(kind, chance.randrange(3))
        case 3:
            await kind.outbox.trim()
        case 4:
            await kind.outbox.sweep()
        case 5:
            bench.publisher.takes = chance.choice([None, 0, 1, 2])


@settings(max_examples=200, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(1, 3))
async def test_however_writes_publishes_trims_sweeps_and_failures_interleave_nothing_is_lost_or_overtaken(
    chance: Random, replicas: int
) -> None:
    bench = Bench()
    bench.rows = YieldingDocuments()
    kinds = [bench.replica() for _ in range(replicas)]
    for _ in range(4):
        await asyncio.gather(*(act(bench, kinds, chance) for _ in range(8)))
        bench.clock.pass_time(chance.choice([0, GRACE_S + 1]))
    bench.publisher.takes = None
    bench.clock.pass_time(GRACE_S + 1)
    for kind in kinds:
        await kind.outbox.sweep()
        await kind.outbox.trim()
    state = await kinds[0].aggregates.get("a")
    total = state.number if state else 0
    assert firsts(bench.publisher) == list(range(1, total + 1))
    assert len({event.meta.id for event in bench.publisher.published}) == total
    assert bench.waiting() == []


class YieldingDocuments(MemoryDocuments):
    """Others get a turn before and after every operation takes effect."""

    @override
    async def load(self, key: str, *, fresh: bool = True) -> Document | None:
        await asyncio.sleep(0)
        found = await super().load(key, fresh=fresh)
        await asyncio.sleep(0)
        return found

    @override
    async def store(self, document: Document) -> bool:
        await asyncio.sleep(0)
        won = await super().store(document)
        await asyncio.sleep(0)
        return won

    @override
    async def trim(self, key: str, version: int) -> bool:
        await asyncio.sleep(0)
        done = await super().trim(key, version)
        await asyncio.sleep(0)
        return done

    @override
    async def unpublished(self, before: int, limit: int) -> Sequence[Document]:
        found = await super().unpublished(before, limit)
        await asyncio.sleep(0)
        return found
