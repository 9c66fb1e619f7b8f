"""Records behave alike in memory and in the real stores."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from deploy.embedded.stack import Store
from libs.common.core.errors import Unavailable
from libs.common.storage.mongo import Database
from libs.common.storage.records import MongoRecords, Records
from libs.common.testing.records import MemoryRecords


@pytest.fixture(params=("memory", "real"))
async def records(request: pytest.FixtureRequest, mongo_uri: str) -> AsyncIterator[Records]:
    if request.param == "memory":
        yield MemoryRecords()
        return
    name = f"contract-{uuid4().hex[:12]}"
    database = Database(mongo_uri, name)
    kept = MongoRecords(database, "facts", indexed=("at", "group"))
    await database.start()
    yield kept
    await database.raw.client.drop_database(name)
    await database.stop()


async def test_what_was_added_first_stays_and_its_neighbours_are_added_all_the_same(records: Records) -> None:
    await records.add({"a": {"n": 1}})
    await records.add({"a": {"n": 2}, "b": {"n": 3, "octets": b"\x00\xff"}})
    await records.add({})
    found = await records.get(["a", "b", "c"])
    assert {each: fields["n"] for each, fields in found.items()} == {"a": 1, "b": 3}
    assert found["b"]["octets"] == b"\x00\xff"
    assert (await records.get(["a"]))["a"]["n"] == 1
    assert await records.get(["c"]) == {}


async def test_a_record_is_amended_once(records: Records) -> None:
    await records.add({"a": {"n": 1}})
    assert await records.amend("a", {"at": 5, "reason": "first"}, unless="at")
    assert not await records.amend("a", {"at": 6, "reason": "second"}, unless="at")
    assert not await records.amend("nobody", {"at": 7}, unless="at")
    assert (await records.get(["a"]))["a"]["reason"] == "first"


async def test_records_are_found_by_group_and_by_number(records: Records) -> None:
    await records.add({"a": {"group": "x", "at": 1}, "b": {"group": "x", "at": 2}, "c": {"group": "y"}, "d": {"at": 3}})
    assert {each for each, _ in await records.having("group", "x", 10)} == {"a", "b"}
    assert len(await records.having("group", "x", 1)) == 1
    assert {each for each, _ in await records.since("at", 2)} == {"b", "d"}
    await records.remove_field(["a", "d", "nobody"], "group")
    assert {each for each, _ in await records.having("group", "x", 10)} == {"b"}


async def test_deleted_records_are_gone_and_others_stay(records: Records) -> None:
    await records.add({"a": {"n": 1}, "b": {"n": 2}})
    await records.delete(["a", "nobody"])
    assert set(await records.get(["a", "b"])) == {"b"}


async def test_a_store_that_does_not_answer_is_unavailable(own_store: Store) -> None:
    database = Database(own_store.uri, "gone")
    kept = MongoRecords(database, "facts")
    await own_store.stop()
    with pytest.raises(Unavailable):
        await kept.get(["a"])
    await database.stop()
