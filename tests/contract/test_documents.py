"""Every store of aggregates behaves as the engine relies on: the one in memory and the real ones, held to one contract.

The real one is the embedded store, or the MongoDB server named by MONGODB_URI.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from pymongo.errors import DocumentTooLarge

from deploy.embedded.stack import Store
from libs.common.contracts.events import Meta
from libs.common.core.errors import Unavailable
from libs.common.delivery.document_cache import CachedDocuments
from libs.common.delivery.documents import Document, Documents, Outgoing
from libs.common.delivery.mongo_documents import MongoDocuments
from libs.common.storage.mongo import Database
from libs.common.storage.reservations import MongoReservations, Reservations, Taken
from libs.common.testing.memory import MemoryDocuments, MemoryReservations

NOON = datetime(2026, 3, 2, 12, 0, 0, 123000, tzinfo=UTC)


@dataclass
class Real:
    """Everything the real store offers the engine, on a database of its own."""

    documents: MongoDocuments
    reservations: Reservations


@pytest.fixture
async def real(mongo_uri: str) -> AsyncIterator[Real]:
    name = f"contract-{uuid4().hex[:12]}"
    database = Database(mongo_uri, name)
    real = Real(
        MongoDocuments(database, "things", indexed=("owner.region", ("owner.region", "due"))),
        MongoReservations(database),
    )
    await database.start()
    yield real
    await database.raw.client.drop_database(name)
    await database.stop()


@pytest.fixture(params=("memory", "real", "remembering"))
def documents(request: pytest.FixtureRequest) -> Documents:
    if request.param == "memory":
        return MemoryDocuments()
    real: Real = request.getfixturevalue("real")
    return CachedDocuments(real.documents) if request.param == "remembering" else real.documents


@pytest.fixture(params=("memory", "real"))
def reservations(request: pytest.FixtureRequest) -> Reservations:
    if request.param == "memory":
        return MemoryReservations()
    real: Real = request.getfixturevalue("real")
    return real.reservations


def entry(id_: str) -> Outgoing:
    meta = Meta(id_, "thing.made.v1", "test", NOON, "a", "journey", None, "00-trace")
    return Outgoing("thing.made", meta, '{"name":"Әсел"}')


def document(key: str = "a", version: int = 1, **fields: Any) -> Document:
    return Document(key, version, fields.pop("state", {"n": version}), **fields)


FULL = document(
    state={
        "kind": "open",
        "n": 7,
        "big": 2**53,
        "none": None,
        "text": "Әсел \U0001f600",
        "list": [1, {"deep": [True]}],
    },
    outbox=(entry("e1"), entry("e2")),
    handled=("m1", "m2"),
    wake_at=1_772_452_800_123,
    outbox_at=1_772_452_800_000,
)


async def test_what_is_not_there_is_none(documents: Documents) -> None:
    assert await documents.load("a") is None


async def test_a_document_comes_back_as_it_was_stored(documents: Documents) -> None:
    assert await documents.store(FULL)
    assert await documents.load("a") == FULL
    bare = document(version=2)
    assert await documents.store(bare)
    assert await documents.load("a") == bare


async def test_the_first_version_is_written_only_where_there_is_nothing(documents: Documents) -> None:
    assert await documents.store(document(state={"by": "first"}))
    assert not await documents.store(document(state={"by": "second"}))
    found = await documents.load("a")
    assert found is not None
    assert found.state == {"by": "first"}


@pytest.mark.parametrize("version", [1, 2, 4, 5])
async def test_a_version_is_written_only_over_the_one_before(documents: Documents, version: int) -> None:
    for n in (1, 2):
        assert await documents.store(document(version=n))
    assert not await documents.store(document(version=version))
    assert await documents.load("a") == document(version=2)


async def test_nothing_is_written_over_what_is_not_there(documents: Documents) -> None:
    assert not await documents.store(document(version=2))
    assert await documents.load("a") is None


async def test_of_many_writers_of_one_version_one_wins(documents: Documents) -> None:
    for version in (1, 2, 3):
        writes = [documents.store(document(version=version, state={"by": n})) for n in range(10)]
        won = await asyncio.gather(*writes)
        assert won.count(True) == 1
        found = await documents.load("a")
        assert found is not None
        assert found.state == {"by": won.index(True)}


async def test_trimming_empties_the_outbox_and_nothing_else(documents: Documents) -> None:
    await documents.store(FULL)
    assert await documents.trim("a", 1)
    trimmed = replace(FULL, outbox=(), outbox_at=None)
    assert await documents.load("a") == await documents.load("a", fresh=False) == trimmed
    assert await documents.store(document(version=2)), "it does not count as a write"


async def test_trimming_loses_to_a_newer_version(documents: Documents) -> None:
    await documents.store(FULL)
    await documents.store(replace(FULL, version=2))
    assert not await documents.trim("a", 1)
    assert await documents.load("a") == replace(FULL, version=2)
    assert not await documents.trim("missing", 1)


async def test_what_waits_to_be_published_is_found_oldest_first_and_not_too_early(documents: Documents) -> None:
    for key, at in (("late", 300), ("first", 100), ("second", 200), ("none", None)):
        await documents.store(document(key, outbox=(entry(key),) if at else (), outbox_at=at))
    assert [each.key for each in await documents.unpublished(200, 10)] == ["first", "second"]
    assert [each.key for each in await documents.unpublished(1000, 2)] == ["first", "second"]
    assert [each.outbox for each in await documents.unpublished(100, 1)] == [(entry("first"),)]
    await documents.trim("first", 1)
    assert [each.key for each in await documents.unpublished(200, 10)] == ["second"]


async def test_what_wants_to_be_woken_is_found_longest_overdue_first_and_not_too_early(documents: Documents) -> None:
    for key, at in (("late", 300), ("first", 100), ("second", 200), ("none", None)):
        await documents.store(document(key, wake_at=at))
    assert await documents.due(200, 10) == [("first", 100), ("second", 200)]
    assert await documents.due(1000, 1) == [("first", 100)]
    await documents.store(document("first", 2))
    assert await documents.due(200, 10) == [("second", 200)]


async def test_a_wake_is_claimed_once(documents: Documents) -> None:
    await documents.store(document(wake_at=100))
    claims = await asyncio.gather(*(documents.claim("a", 100, 500 + n) for n in range(10)))
    assert claims.count(True) == 1
    assert await documents.due(1000, 10) == [("a", 500 + claims.index(True))]
    assert not await documents.claim("a", 100, 900)
    assert not await documents.claim("missing", 100, 900)


async def test_a_claim_does_not_count_as_a_write_and_a_write_sets_the_wake_anew(documents: Documents) -> None:
    await documents.store(document(wake_at=100))
    await documents.claim("a", 100, 500)
    assert await documents.store(document(version=2, wake_at=300))
    assert await documents.due(1000, 10) == [("a", 300)]
    assert not await documents.claim("a", 500, 900)


async def test_documents_are_found_by_values_at_paths_of_their_state(documents: Documents) -> None:
    for key, region, open_ in (("a", "north", True), ("b", "south", True), ("c", "north", False)):
        await documents.store(document(key, state={"owner": {"region": region}, "open": open_, "tags": [region, "x"]}))
    await documents.store(document("d", state={"open": True}))

    async def keys(**where: Any) -> set[str]:
        return {each.key for each in await documents.find({k.replace("__", "."): v for k, v in where.items()}, 10)}

    assert await keys(owner__region="north") == {"a", "c"}
    assert await keys(owner__region="north", open=True) == {"a"}
    assert await keys(owner__region="west") == set()
    assert await keys(owner__region=None) == {"d"}
    assert await keys(tags="south") == {"b"}, "a list is found by what is in it"
    assert len(await documents.find({"open": True}, 2)) == 2


async def test_all_documents_come_page_by_page_in_the_order_of_their_keys(documents: Documents) -> None:
    for key in ("c", "a", "e", "b", "d"):
        await documents.store(document(key))
    assert [each.key for each in await documents.page("", 2)] == ["a", "b"]
    assert [each.key for each in await documents.page("b", 10)] == ["c", "d", "e"]
    assert await documents.page("e", 10) == []


async def test_the_owners_of_many_values_are_given_at_once(
    reservations: Reservations,
) -> None:
    await reservations.take("serial", "1", "first")
    await reservations.take("serial", "2", "second")
    await reservations.take("key", "3", "first")
    assert await reservations.owners_of("serial", ["1", "2", "3"]) == {"1": "first", "2": "second"}


async def test_documents_are_given_in_order_page_by_page_also_where_many_have_the_same_place(
    documents: Documents,
) -> None:
    for number in range(20):
        region, due = ("north", "south")[number % 2], f"2026-03-{20 - number // 5:02}"
        await documents.store(document(f"k{number:02}", state={"owner": {"region": region}, "due": due}))
    expected = [
        (f"2026-03-{day}", f"k{key:02}")
        for day, keys in ((17, (16, 18)), (18, (10, 12, 14)), (19, (6, 8)), (20, (0, 2, 4)))
        for key in keys
    ]
    for size in (1, 2, 3, 20):
        seen: list[tuple[str, str]] = []
        while page := await documents.find(
            {"owner.region": "north"}, size, order="due", after=seen[-1] if seen else None
        ):
            assert len(page) <= size
            seen += [(each.state["due"], each.key) for each in page]
        assert seen == expected


async def test_documents_are_counted_and_one_value_of_each_is_given(documents: Documents) -> None:
    for number in range(6):
        await documents.store(
            document(f"k{number}", state={"kind": "ab"[number % 2], "since": number, "owner": {"region": str(number)}})
        )
    assert await documents.count({"kind": "a"}) == 3
    assert await documents.count({"kind": "c"}) == 0
    assert sorted(await documents.values({"kind": "a"}, "since")) == [0, 2, 4]
    assert sorted(await documents.values({"kind": "b"}, "owner.region")) == ["1", "3", "5"]
    assert list(await documents.values({"kind": "c"}, "since")) == []


async def test_a_value_is_reserved_for_one_owner_and_for_the_same_one_again(
    reservations: Reservations,
) -> None:
    assert await reservations.owner("iin", "x") is None
    await reservations.take("iin", "x", "first")
    await reservations.take("iin", "x", "first")
    with pytest.raises(Taken) as caught:
        await reservations.take("iin", "x", "second")
    assert caught.value.owner == "first"
    assert await reservations.owner("iin", "x") == "first"
    await reservations.take("phone", "x", "second")


async def test_of_many_who_want_a_value_at_once_one_gets_it(reservations: Reservations) -> None:
    outcomes = await asyncio.gather(
        *(reservations.take("serial", "1", f"owner-{n}") for n in range(10)), return_exceptions=True
    )
    assert sum(outcome is None for outcome in outcomes) == 1
    winner = f"owner-{outcomes.index(None)}"
    assert {outcome.owner for outcome in outcomes if isinstance(outcome, Taken)} == {winner}


async def test_a_value_is_given_back_by_its_owner_only(reservations: Reservations) -> None:
    await reservations.take("iin", "x", "first")
    await reservations.release("iin", "x", "second")
    assert await reservations.owner("iin", "x") == "first"
    await reservations.release("iin", "x", "first")
    await reservations.take("iin", "x", "second")


async def test_values_taken_and_given_back_at_once_never_have_an_unknown_owner(
    reservations: Reservations,
) -> None:
    seen: set[str] = set()

    async def use(owner: str) -> None:
        for _ in range(5):
            try:
                await reservations.take("iin", "x", owner)
            except Taken as taken:
                seen.add(taken.owner)
                await asyncio.sleep(0)
            else:
                await reservations.release("iin", "x", owner)

    owners = {f"owner-{n}" for n in range(4)}
    await asyncio.gather(*(use(owner) for owner in owners))
    assert seen <= owners
    assert await reservations.owner("iin", "x") is None


async def test_of_writes_that_travel_together_each_learns_its_own_outcome(documents: Documents) -> None:
    for n in range(12):
        await documents.store(document(f"key-{n}"))
    for n in (3, 7):
        await documents.store(document(f"key-{n}", 2, state={"by": "somebody else"}))
    writes = [document(f"key-{n}", 2, state={"by": n}) for n in range(12)]
    unheard_of = [document(f"never-{n}", 5) for n in range(3)]
    first = [document("key-0"), document("new")]

    outcomes = await asyncio.gather(*(documents.store(each) for each in (*writes, *unheard_of, *first)))

    assert outcomes == [n not in {3, 7} for n in range(12)] + [False] * 3 + [False, True]
    for n in range(12):
        found = await documents.load(f"key-{n}")
        assert found is not None
        assert found.state == {"by": "somebody else" if n in {3, 7} else n}
    for each in unheard_of:
        assert await documents.load(each.key) is None


async def test_what_cannot_be_written_fails_alone(real: Real) -> None:
    await asyncio.gather(*(real.documents.store(document(f"key-{n}")) for n in range(3)))
    writes = (
        document("key-0", 2),
        document("key-1", 2, state={"n": 2**70}),
        document("key-2", 2, state={"text": "x" * (17 * 1024 * 1024)}),
        document("key-3"),
    )

    outcomes = await asyncio.gather(*(real.documents.store(each) for each in writes), return_exceptions=True)

    assert outcomes[0] is outcomes[3] is True
    assert [type(each) for each in outcomes[1:3]] == [OverflowError, DocumentTooLarge]


async def test_reads_that_travel_together_each_get_their_own(documents: Documents) -> None:
    for n in range(5):
        await documents.store(document(f"key-{n}", state={"n": n}))
    found = await asyncio.gather(*(documents.load(f"key-{n % 7}") for n in range(14)))
    assert [each and each.state for each in found] == [{"n": n % 7} if n % 7 < 5 else None for n in range(14)]


async def test_what_was_acknowledged_is_there_after_the_store_was_killed_amid_writes(own_store: Store) -> None:
    database = Database(own_store.uri, "killed")
    documents = MongoDocuments(database, "things")
    acknowledged: dict[str, int] = {}

    async def write(key: str) -> None:
        for version in range(1, 10_000):
            if not await documents.store(document(key, version)):
                raise AssertionError(f"{key} lost a race that nobody ran")
            acknowledged[key] = version

    try:
        await database.start()
        writing = [asyncio.create_task(write(f"key-{n}")) for n in range(20)]
        while len(acknowledged) < 20:  # noqa: ASYNC110 - writes set no event
            await asyncio.sleep(0.05)
        await own_store.kill()
        ended = await asyncio.gather(*writing, return_exceptions=True)
        assert {type(each) for each in ended} == {Unavailable}
        await own_store.start()
        for key, version in acknowledged.items():
            found = await documents.load(key)
            assert found is not None
            assert found.version in {version, version + 1}, "the last write may have been done, unanswered"
    finally:
        await database.stop()


async def test_a_store_that_is_gone_is_told_from_one_that_refuses_and_comes_back(own_store: Store) -> None:
    database = Database(own_store.uri, "gone")
    documents, reservations = MongoDocuments(database, "things"), MongoReservations(database)
    try:
        await database.start()
        await documents.store(FULL)
        await own_store.kill()
        calls = (
            documents.load("a"),
            documents.store(replace(FULL, version=2)),
            documents.trim("a", 1),
            documents.unpublished(0, 1),
            documents.due(0, 1),
            documents.claim("a", 1, 2),
            documents.find({}, 1),
            documents.find({}, 1, order="n", after=(1, "a")),
            documents.count({}),
            reservations.take("iin", "x", "me"),
            database.ping(),
        )
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [Unavailable] * len(calls)
        await own_store.start()
        assert await documents.load("a") == FULL
    finally:
        await database.stop()
