"""Every store of a chain behaves as appending relies on, and many who append at once make one chain without a fork."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typing_extensions import override

from deploy.embedded.stack import Store
from libs.common.core.errors import Unavailable
from libs.common.storage.chain import GENESIS, Chain, ChainStore, Entry, Fact, Head, breaks
from libs.common.storage.mongo import Database
from libs.common.storage.mongo_chain import MongoChain
from libs.common.testing.chain import MemoryChain

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def clock() -> datetime:
    return NOON


def fact(id_: str, kind: str = "made", about: str = "a") -> Fact:
    return Fact(id_, kind, f'{{"text":"Әсел {id_}"}}', about)


@pytest.fixture
async def real(mongo_uri: str) -> AsyncIterator[MongoChain]:
    name = f"chain-{uuid4().hex[:12]}"
    database = Database(mongo_uri, name)
    store = MongoChain(database, "ledger")
    await database.start()
    yield store
    await database.raw.client.drop_database(name)
    await database.stop()


@pytest.fixture(params=("memory", "real"))
def store(request: pytest.FixtureRequest) -> ChainStore:
    return MemoryChain() if request.param == "memory" else request.getfixturevalue("real")


async def whole(store: ChainStore) -> Sequence[Entry]:
    return await store.read(0, 100_000)


async def test_an_empty_chain_begins_nowhere(store: ChainStore) -> None:
    assert await store.head() == await store.start() == GENESIS
    assert await store.read(0, 10) == []
    assert await store.last("made") is None


async def test_what_is_appended_comes_back_in_order_and_links_up(store: ChainStore) -> None:
    chain = Chain(store, clock)
    await chain.append(fact("1"), fact("2", "other"))
    await chain.append(fact("3", about="b"))
    entries = await whole(store)
    assert [(each.position, each.fact) for each in entries] == [
        (1, fact("1")),
        (2, fact("2", "other")),
        (3, fact("3", about="b")),
    ]
    assert list(breaks(entries)) == []
    assert await store.head() == entries[-1].head
    assert entries[0].at == "2026-03-02T12:00:00.000+00:00"
    assert [each.position for each in await store.read(1, 1)] == [2]
    assert [each.position for each in await store.about("a")] == [1, 2]
    newest = await store.last("made")
    assert newest is not None
    assert newest.position == 3


async def test_telling_a_fact_again_appends_nothing_and_the_others_beside_it_are_appended(store: ChainStore) -> None:
    chain = Chain(store, clock)
    await chain.append(fact("1"))
    await chain.append(fact("1"))
    await chain.append(fact("2"), fact("1"), fact("3"))
    await Chain(store, clock).append(fact("3"), fact("2"))
    assert [each.fact.id for each in await whole(store)] == ["1", "2", "3"]


async def test_a_position_is_given_once_and_what_comes_after_a_taken_one_is_not_stored(store: ChainStore) -> None:
    first = Entry.after(GENESIS, "t", fact("1"))
    assert await store.extend([first]) == 1
    mine = Entry.after(GENESIS, "t", fact("2"))
    assert await store.extend([mine, Entry.after(mine.head, "t", fact("3"))]) == 0
    second = Entry.after(first.head, "t", fact("4"))
    assert await store.extend([second, Entry.after(second.head, "t", fact("1"))]) == 1
    assert [each.fact.id for each in await whole(store)] == ["1", "4"]
    assert await store.known(["1", "2", "4"]) == {"1", "4"}


async def test_a_chain_that_was_cut_goes_on_from_the_cut_even_if_nothing_is_left(store: ChainStore) -> None:
    chain = Chain(store, clock)
    await chain.append(*(fact(str(n)) for n in range(5)))
    third = (await whole(store))[2].head
    assert await store.cut(third) == 3
    assert await store.start() == third
    assert list(breaks(await whole(store), third)) == []
    assert await store.cut(third) == 0, "again after a crash"
    end = await store.head()
    assert await store.cut(end) == 2
    assert await store.head() == end
    await Chain(store, clock).append(fact("new"))
    assert [(each.position, each.previous) for each in await whole(store)] == [(6, end.hash)]


async def test_a_chain_is_not_cut_at_an_entry_it_does_not_hold(store: ChainStore) -> None:
    await Chain(store, clock).append(fact("1"), fact("2"))
    for head in (Head(1, "f" * 64), Head(3, "f" * 64)):
        with pytest.raises(ValueError, match="no entry"):
            await store.cut(head)
    assert len(await whole(store)) == 2


async def test_replicas_that_append_at_once_make_one_chain_with_every_fact_once(store: ChainStore) -> None:
    replicas = [Chain(store, clock) for _ in range(4)]
    # Facts of their own, and the same ones told by all of them.
    calls = [
        replica.append(fact(f"{number}-{n}"), fact(f"shared-{n}"))
        for n in range(25)
        for number, replica in enumerate(replicas)
    ]
    await asyncio.gather(*calls)
    entries = await whole(store)
    assert list(breaks(entries)) == []
    expected = {f"{number}-{n}" for n in range(25) for number in range(4)} | {f"shared-{n}" for n in range(25)}
    assert sorted(each.fact.id for each in entries) == sorted(expected)


class Shaky(MemoryChain):
    """Does not answer when told so: before the write, or after some or all of it."""

    def __init__(self, outages: Sequence[int | None]) -> None:
        super().__init__()
        self._outages = list(outages)

    @override
    async def extend(self, entries: Sequence[Entry]) -> int:
        await asyncio.sleep(0)
        stored = self._outages.pop(0) if self._outages else None
        if stored is None:
            return await super().extend(entries)
        await super().extend(entries[:stored])
        raise Unavailable("no answer")

    @override
    async def head(self) -> Head:
        await asyncio.sleep(0)
        return await super().head()


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    outages=st.lists(st.one_of(st.none(), st.integers(0, 3)), max_size=12),
    work=st.lists(st.tuples(st.integers(0, 2), st.lists(st.integers(0, 15), max_size=4)), max_size=12),
)
async def test_whatever_fails_and_whoever_repeats_each_fact_is_there_once_and_the_chain_holds(
    outages: Sequence[int | None], work: Sequence[tuple[int, list[int]]]
) -> None:
    store = Shaky(outages)
    replicas = [Chain(store, clock) for _ in range(3)]

    async def append_all(replica: Chain, numbers: Sequence[int]) -> None:
        while True:
            try:
                await replica.append(*(fact(str(n)) for n in numbers))
            except Unavailable:
                continue
            known = {each.fact.id for each in store.entries}
            assert {str(n) for n in numbers} <= known, "it returned before the facts were there"
            return

    await asyncio.gather(*(append_all(replicas[number], numbers) for number, numbers in work))
    assert list(breaks(store.entries)) == []
    ids = [each.fact.id for each in store.entries]
    assert len(ids) == len(set(ids))
    assert set(ids) == {str(n) for _, numbers in work for n in numbers}


async def test_a_caller_that_gives_up_takes_nobody_elses_facts_along() -> None:
    class Slow(MemoryChain):
        @override
        async def extend(self, entries: Sequence[Entry]) -> int:
            await asyncio.sleep(0.01)
            return await super().extend(entries)

    store = Slow()
    chain = Chain(store, clock)
    first = asyncio.create_task(chain.append(fact("1")))
    others = [asyncio.create_task(chain.append(fact(str(n)))) for n in (2, 3)]
    await asyncio.sleep(0.005)
    first.cancel()
    others[0].cancel()
    await asyncio.gather(first, *others, return_exceptions=True)
    assert "3" in {each.fact.id for each in store.entries}
    assert list(breaks(store.entries)) == []


@pytest.mark.parametrize("given_up", ["3", "2"], ids=["other facts", "the same facts"])
async def test_a_caller_that_gives_up_while_another_writes_for_it_disturbs_nobody(given_up: str) -> None:
    class Slow(MemoryChain):
        @override
        async def extend(self, entries: Sequence[Entry]) -> int:
            begun.release()
            await may_go_on.acquire()
            return await super().extend(entries)

    begun, may_go_on = asyncio.Semaphore(0), asyncio.Semaphore(0)
    store = Slow()
    chain = Chain(store, clock)
    first, second, other = (asyncio.create_task(chain.append(fact(id_))) for id_ in ("1", "2", given_up))
    await begun.acquire()
    may_go_on.release()
    await first
    await begun.acquire()  # the second writes for both
    other.cancel()
    await asyncio.wait([other])
    may_go_on.release()
    await second
    assert sorted(entry.fact.id for entry in store.entries) == sorted({"1", "2", given_up})
    assert list(breaks(store.entries)) == []


_LINKS = [Entry.after(GENESIS, "t", fact("0"))]
for _n in range(1, 6):
    _LINKS.append(Entry.after(_LINKS[-1].head, "t", fact(str(_n), about="b")))


@given(st.data())
def test_no_entry_can_be_altered_removed_repeated_or_moved_without_a_break(data: st.DataObject) -> None:
    entries = list(_LINKS)
    place = data.draw(st.integers(0, 5))
    victim = entries[place]
    match data.draw(st.sampled_from(["alter", "remove", "repeat", "swap"])):
        case "alter":
            change = data.draw(
                st.sampled_from(
                    [
                        {"at": "later"},
                        {"previous": "0" * 63 + "1"},
                        {"position": 77},
                        {"hash": "f" * 64},
                        {"fact": replace(victim.fact, payload="{}")},
                        {"fact": replace(victim.fact, kind="other")},
                        {"fact": replace(victim.fact, about="c")},
                        # The same letters, told off to other fields.
                        {"fact": replace(victim.fact, kind=victim.fact.kind + "x", id=victim.fact.id)},
                    ]
                )
            )
            entries[place] = replace(victim, **change)  # type: ignore[arg-type]  # fields of an entry
        case "remove" if place < 5:  # the last one missing is what a checkpoint is for
            del entries[place]
        case "repeat":
            entries.insert(place, victim)
        case _:
            other = data.draw(st.integers(0, 5).filter(lambda n: n != place))
            entries[place], entries[other] = entries[other], entries[place]
    assert list(breaks(entries)) != []


def test_a_fact_cannot_hold_a_line_feed() -> None:
    with pytest.raises(ValueError, match="line feed"):
        Fact("1", "made", '{\n"a":1}')


async def test_a_store_that_is_gone_is_unavailable_and_the_chain_goes_on_when_it_is_back(own_store: Store) -> None:
    database = Database(own_store.uri, "gone")
    store = MongoChain(database, "ledger")
    chain = Chain(store, clock)
    try:
        await database.start()
        await chain.append(fact("1"))
        await own_store.kill()
        with pytest.raises(Unavailable):
            await chain.append(fact("2"))
        await own_store.start()
        await chain.append(fact("2"), fact("3"))
        assert list(breaks(await whole(store))) == []
        assert {each.fact.id for each in await whole(store)} == {"1", "2", "3"}
    finally:
        await database.stop()
