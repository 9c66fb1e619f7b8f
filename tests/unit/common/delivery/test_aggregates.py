"""One aggregate, one document, one conditional write: races, refusals, duplicates, and what stands at rest."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typing_extensions import override

from libs.common.contracts.events import Event, Meta
from libs.common.core.errors import Refused, Retryable, Unavailable
from libs.common.core.metrics import Metrics
from libs.common.core.model import Model
from libs.common.core.sealing import Sealed
from libs.common.core.values import from_millis
from libs.common.delivery.aggregates import INBOX_LIMIT, MAX_RACES, Aggregates, LostRaces
from libs.common.delivery.decisions import Decision
from libs.common.delivery.document_cache import CachedDocuments
from libs.common.delivery.documents import Document, Documents
from libs.common.delivery.engine import Collection, Engine, Kind
from libs.common.testing.broker import MemoryPublisher
from libs.common.testing.memory import MemoryDocuments
from tests.unit.common.refusals import ExampleRefusal
from tests.unit.common.shop_harness import KEYRING, NOON, Buyer


class Counted(Event):
    topic: ClassVar[str] = "number.counted"

    number: int


class Counter(Model):
    number: int = 0
    wake_at: datetime | None = None
    buyer: Sealed[Buyer] | None = None


COUNTERS: Kind[Counter] = Kind("counters", Counter, wake_at=lambda counter: counter.wake_at)


class SlowDocuments(MemoryDocuments):
    """Gives others a turn in the middle of every read and write, as a store does."""

    @override
    async def load(self, key: str, *, fresh: bool = True) -> Document | None:
        await asyncio.sleep(0)
        found = await super().load(key)
        await asyncio.sleep(0)
        return found

    @override
    async def store(self, document: Document) -> bool:
        await asyncio.sleep(0)
        won = await super().store(document)
        await asyncio.sleep(0)
        return won


class Ids:
    def __init__(self) -> None:
        self.given = 0

    def __call__(self) -> str:
        self.given += 1
        return f"id-{self.given}"


def make_engine(
    documents: Documents, publisher: MemoryPublisher, ids: Ids | None = None, now: datetime = NOON
) -> Engine:
    return Engine(
        source="counter",
        documents=lambda _name, _searched: documents,
        publisher=publisher,
        keyring=KEYRING,
        metrics=Metrics("counter"),
        clock=lambda: now,
        new_id=ids or Ids(),
    )


def make_kind(
    documents: Documents, publisher: MemoryPublisher, ids: Ids | None = None, now: datetime = NOON
) -> Collection[Counter]:
    return make_engine(documents, publisher, ids, now).open(COUNTERS)


def count(state: Counter | None) -> Decision[Counter]:
    number = (state.number if state else 0) + 1
    return Decision(Counter(number=number), (Counted(number=number),))


def message(id_: str) -> Meta:
    return Meta(id_, "asked.v1", "test", NOON, "a", "journey", "earlier", "00-trace")


def numbers(publisher: MemoryPublisher) -> list[str]:
    return [event.value for event in publisher.published]


async def test_a_decision_is_stored_and_what_follows_is_published() -> None:
    documents, publisher = MemoryDocuments(), MemoryPublisher()
    kind = make_kind(documents, publisher)
    assert await kind.aggregates.apply("a", count) == Counter(number=1)
    assert await kind.aggregates.get("a") == Counter(number=1)
    (event,) = publisher.published
    assert (event.topic, event.value) == ("number.counted", '{"number":1}')
    assert event.meta.subject == "a"
    assert event.meta.correlation_id == "a"
    assert event.meta.causation_id is None


async def test_what_follows_from_a_message_names_it_and_carries_on_its_correlation_and_trace() -> None:
    publisher = MemoryPublisher()
    await make_kind(MemoryDocuments(), publisher).aggregates.apply("a", count, cause=message("m1"))
    (event,) = publisher.published
    assert event.meta.causation_id == "m1"
    assert event.meta.correlation_id == "journey"
    assert event.meta.traceparent == "00-trace"


async def test_a_message_that_comes_again_is_not_decided_again() -> None:
    documents, publisher = MemoryDocuments(), MemoryPublisher()
    for _ in range(3):  # each time a process that remembers nothing
        kind = make_kind(documents, publisher)
        assert await kind.aggregates.apply("a", count, cause=message("m1")) == Counter(number=1)
    assert documents.rows["a"].version == 1
    assert len({event.meta.id for event in publisher.published}) == 1


async def test_the_inbox_knows_a_thousand_messages_and_forgets_the_oldest_first() -> None:
    documents = MemoryDocuments()
    kind = make_kind(documents, MemoryPublisher())
    for n in range(INBOX_LIMIT + 2):
        await kind.aggregates.apply("a", count, cause=message(f"m{n}"))
    assert documents.rows["a"].handled == tuple(f"m{n}" for n in range(2, INBOX_LIMIT + 2))


@pytest.mark.parametrize("remembering", [False, True])
async def test_nothing_is_written_where_nothing_is_to_do_or_the_rules_refuse(remembering: bool) -> None:
    rows, publisher = MemoryDocuments(), MemoryPublisher()
    kind = make_kind(CachedDocuments(rows) if remembering else rows, publisher)
    await kind.aggregates.apply("a", count)
    before = dict(rows.rows)

    def refuse(_: Counter | None) -> Decision[Counter]:
        raise Refused(ExampleRefusal.FROZEN)

    assert await kind.aggregates.apply("a", lambda _: None, cause=message("m1")) == Counter(number=1)
    with pytest.raises(Refused):
        await kind.aggregates.apply("a", refuse, cause=message("m2"))
    assert rows.rows == before
    assert len(publisher.published) == 1


async def test_a_process_that_remembers_an_old_state_neither_refuses_nor_rests_nor_writes_on_it() -> None:
    rows, publisher = MemoryDocuments(), MemoryPublisher()
    ids = Ids()
    ours = make_kind(CachedDocuments(rows), publisher, ids).aggregates
    theirs = make_kind(CachedDocuments(rows), publisher, ids).aggregates

    def at_least(number: int, state: Counter | None) -> Counter:
        if state is None or state.number < number:
            raise Refused(ExampleRefusal.WRONG_CODE)
        return state

    await ours.apply("a", count)
    await theirs.apply("a", count)
    assert await ours.get("a") == Counter(number=2)
    await ours.apply("a", lambda state: Decision(at_least(2, state)))
    await theirs.apply("a", count)
    assert await ours.apply("a", lambda state: None if state and state.number < 3 else count(state)) == Counter(
        number=4
    )
    await theirs.apply("a", count)
    assert await ours.apply("a", count) == Counter(number=6)


@pytest.mark.parametrize("remembering", [False, True])
@pytest.mark.parametrize("replicas", [1, 2, 3])
async def test_none_of_many_decisions_taken_at_once_is_lost(replicas: int, remembering: bool) -> None:
    documents, publisher, ids = SlowDocuments(), MemoryPublisher(), Ids()
    kinds = [
        make_kind(CachedDocuments(documents) if remembering else documents, publisher, ids) for _ in range(replicas)
    ]
    async with asyncio.TaskGroup() as group:
        for n in range(12):
            group.create_task(kinds[n % replicas].aggregates.apply("a", count, cause=message(f"m{n}")))
    assert documents.rows["a"].version == 12
    assert await kinds[0].aggregates.get("a") == Counter(number=12)
    assert set(numbers(publisher)) == {f'{{"number":{n}}}' for n in range(1, 13)}
    assert len({event.meta.id for event in publisher.published}) == 12


@pytest.mark.parametrize("replicas", [1, 2])
async def test_one_message_delivered_to_two_at_once_is_taken_in_once(replicas: int) -> None:
    documents, publisher, ids = SlowDocuments(), MemoryPublisher(), Ids()
    kinds = [make_kind(documents, publisher, ids) for _ in range(replicas)]
    await asyncio.gather(*(kinds[n % replicas].aggregates.apply("a", count, cause=message("m")) for n in range(4)))
    assert await kinds[0].aggregates.get("a") == Counter(number=1)
    assert len({event.meta.id for event in publisher.published}) == 1


class ContestedDocuments(MemoryDocuments):
    """Somebody else always writes first."""

    @override
    async def store(self, document: Document) -> bool:
        return False


async def test_who_loses_every_race_is_told_to_try_later() -> None:
    tries: list[Counter | None] = []

    def decide(state: Counter | None) -> Decision[Counter]:
        tries.append(state)
        return count(state)

    publisher = MemoryPublisher()
    with pytest.raises(LostRaces) as caught:
        await make_kind(ContestedDocuments(), publisher).aggregates.apply("a", decide)
    assert isinstance(caught.value, Retryable)
    assert len(tries) == MAX_RACES
    assert not publisher.published


class ForgetfulDocuments(MemoryDocuments):
    """Does not answer the first write, though it took it."""

    answers = False

    @override
    async def store(self, document: Document) -> bool:
        won = await super().store(document)
        if not self.answers:
            self.answers = True
            raise Unavailable("no answer")
        return won


@pytest.mark.parametrize("remembering", [False, True])
async def test_a_write_whose_answer_was_lost_is_recognised_by_its_cause(remembering: bool) -> None:
    rows, publisher = ForgetfulDocuments(), MemoryPublisher()
    kind = make_kind(CachedDocuments(rows) if remembering else rows, publisher)
    with pytest.raises(Unavailable):
        await kind.aggregates.apply("a", count, cause=message("m1"))
    assert not publisher.published
    assert await kind.aggregates.apply("a", count, cause=message("m1")) == Counter(number=1)
    assert numbers(publisher) == ['{"number":1}']


async def test_personal_data_stands_sealed_in_the_store_and_open_in_memory() -> None:
    documents = MemoryDocuments()
    aggregates: Aggregates[Counter] = make_kind(documents, MemoryPublisher()).aggregates
    await aggregates.apply("a", lambda _: Decision(Counter(buyer=Sealed(Buyer(name="Aizhan")))))
    assert "Aizhan" not in repr(documents.rows)
    state = await aggregates.get("a")
    assert state is not None
    assert state.buyer is not None
    assert state.buyer.value.name == "Aizhan"


async def test_sealed_data_of_one_aggregate_cannot_be_moved_to_another() -> None:
    documents = MemoryDocuments()
    aggregates: Aggregates[Counter] = make_kind(documents, MemoryPublisher()).aggregates
    await aggregates.apply("a", lambda _: Decision(Counter(buyer=Sealed(Buyer(name="Aizhan")))))
    await documents.store(Document("b", 1, documents.rows["a"].state))
    with pytest.raises(Exception, match="belongs to another"):
        await aggregates.get("b")


@settings(max_examples=200, deadline=None)
@given(
    st.datetimes(datetime(2020, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - hypothesis adds the zone
    st.integers(0, 2_000_000),
)
async def test_a_wake_is_never_stored_earlier_than_it_was_asked_for(now: datetime, microseconds: int) -> None:
    wake_at = now + timedelta(microseconds=microseconds)
    documents = MemoryDocuments()
    kind = make_kind(documents, MemoryPublisher(), now=now)
    await kind.aggregates.apply("a", lambda _: Decision(Counter(wake_at=wake_at)))
    stored = documents.rows["a"].wake_at
    assert stored is not None
    late = from_millis(stored) - wake_at
    assert timedelta(0) <= late < timedelta(milliseconds=1)


async def test_what_a_decision_answers_is_returned_beside_what_it_stores() -> None:
    kind = make_kind(MemoryDocuments(), MemoryPublisher())

    def count_on(state: Counter | None) -> tuple[Decision[Counter] | None, str]:
        count = 0 if state is None else state.number
        return Decision(Counter(number=count + 1)), f"was {count}"

    assert [await kind.aggregates.ask("a", count_on) for _ in range(2)] == ["was 0", "was 1"]
    assert await kind.aggregates.ask("a", lambda state: (None, state)) == Counter(number=2)


async def test_an_answer_without_a_decision_rests_on_the_present_state() -> None:
    rows = MemoryDocuments()
    publisher = MemoryPublisher()
    here, elsewhere = (make_kind(CachedDocuments(rows), publisher) for _ in range(2))
    await here.aggregates.apply("a", lambda _: Decision(Counter(number=1)))
    await elsewhere.aggregates.apply("a", lambda _: Decision(Counter(number=2)))
    assert await here.aggregates.ask("a", lambda state: (None, state)) == Counter(number=2)
