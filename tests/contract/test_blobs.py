"""What `Blobs` promises, in memory and against a store."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from bson import ObjectId

from libs.common.core.sealing import Keyring, SealError
from libs.common.core.values import utc_now
from libs.common.storage.blobs import MAX_BYTES, UPLOAD_GIVEN_UP_MS, BlobMissing, BlobRefused, Blobs, MongoBlobs
from libs.common.storage.mongo import Database
from libs.common.testing.blobs import MemoryBlobs

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
JOURNEY = "6d1f2f4e-8f57-4d0c-9d5b-111122223333"
SELFIE = f"journey/{JOURNEY}/selfie"


def keyring() -> Keyring:
    return Keyring({"media": {"1": os.urandom(32)}}, os.urandom(32))


@pytest.fixture
async def database(mongo_uri: str) -> AsyncIterator[Database]:
    database = Database(mongo_uri, f"blobs-{uuid4().hex[:12]}")
    yield database
    await database.raw.client.drop_database(database.raw.name)
    await database.stop()


@pytest.fixture
async def mongo_blobs(database: Database) -> MongoBlobs:
    blobs = MongoBlobs(database, keyring(), utc_now)
    await database.start()
    return blobs


@pytest.fixture(params=("memory", "real"))
def blobs(request: pytest.FixtureRequest) -> Blobs:
    if request.param == "memory":
        return MemoryBlobs({}, keyring())
    found: MongoBlobs = request.getfixturevalue("mongo_blobs")
    return found


async def file_ids(database: Database) -> list[ObjectId]:
    return [ObjectId(record["_id"]) async for record in database.raw["blob_records"].find()]


async def chunks_of(database: Database, ids: list[ObjectId]) -> list[bytes]:
    # Asked for by file, since the embedded store lists chunks in no other way.
    chunks = database.raw["blobs.chunks"]
    return [chunk["data"] for file_id in ids async for chunk in chunks.find({"files_id": file_id}).sort("n", 1)]


@pytest.mark.parametrize("size", [0, 1, 1024 * 1024 - 28, 1024 * 1024, 5_000_001])
async def test_a_blob_comes_back_as_it_was_put_whatever_its_size(blobs: Blobs, size: int) -> None:
    data = os.urandom(size)
    await blobs.put(SELFIE, data)
    assert await blobs.get(SELFIE) == data


async def test_nothing_of_the_content_stands_in_the_store(mongo_blobs: MongoBlobs, database: Database) -> None:
    await mongo_blobs.put(SELFIE, b"a recognisable portrait " * 1000)
    stored = b"".join(await chunks_of(database, await file_ids(database)))
    assert len(stored) > 23_000
    assert b"recognisable" not in stored


async def test_a_second_put_replaces_the_first_and_leaves_nothing_of_it(
    mongo_blobs: MongoBlobs, database: Database
) -> None:
    await mongo_blobs.put(SELFIE, b"first")
    first = await file_ids(database)
    await mongo_blobs.put(SELFIE, b"second")
    assert await mongo_blobs.get(SELFIE) == b"second"
    assert len(await file_ids(database)) == 1
    assert await chunks_of(database, first) == []
    assert await database.raw["blobs.files"].find_one({"_id": first[0]}) is None


async def test_puts_at_the_same_time_leave_one_of_the_contents_whole(blobs: Blobs) -> None:
    contents = [bytes([n]) * 3_000 for n in range(5)]
    await asyncio.gather(*(blobs.put(SELFIE, content) for content in contents))
    assert await blobs.get(SELFIE) in contents


async def test_a_deleted_blob_is_gone_with_all_its_chunks(mongo_blobs: MongoBlobs, database: Database) -> None:
    await mongo_blobs.put(SELFIE, os.urandom(2_500_000))
    ids = await file_ids(database)
    assert len(await chunks_of(database, ids)) == 3
    await mongo_blobs.delete(SELFIE)
    with pytest.raises(BlobMissing):
        await mongo_blobs.get(SELFIE)
    assert await file_ids(database) == await chunks_of(database, ids) == []
    assert await database.raw["blobs.files"].find_one({"_id": ids[0]}) is None


async def test_deleting_what_is_not_there_is_no_error(blobs: Blobs) -> None:
    await blobs.delete(SELFIE)


async def test_a_prefix_takes_its_own_folder_and_no_neighbour(blobs: Blobs) -> None:
    for name in ("journey/a/selfie", "journey/a/clip", "journey/a.b/selfie", "journey/aa/selfie", "kept/journey/a/x"):
        await blobs.put(name, b"x")
    assert await blobs.delete_prefix("journey/a/") == 2
    for name in ("journey/a.b/selfie", "journey/aa/selfie", "kept/journey/a/x"):
        assert await blobs.get(name) == b"x"


async def test_a_prefix_is_text_and_not_a_pattern(blobs: Blobs) -> None:
    await blobs.put("journey/abc/selfie", b"x")
    assert await blobs.delete_prefix("journey/.*/") == 0
    with pytest.raises(ValueError, match="slash"):
        await blobs.delete_prefix("journey/a")


async def test_purge_takes_what_is_due_and_keeps_what_is_not_or_has_no_date(blobs: Blobs) -> None:
    await blobs.put("clip/due", b"x", purge_at=NOON)
    await blobs.put("clip/later", b"x", purge_at=NOON + timedelta(milliseconds=1))
    await blobs.put("clip/kept", b"x")
    assert await blobs.purge(NOON) == 1
    with pytest.raises(BlobMissing):
        await blobs.get("clip/due")
    assert await blobs.get("clip/later") == await blobs.get("clip/kept") == b"x"


class PowerCut(BaseException):
    """Ends a put as the end of its process would: nothing is cleaned up."""


async def test_what_a_crash_left_of_an_upload_is_no_blob_and_is_purged_an_hour_later(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    blobs = MongoBlobs(database, keyring(), lambda: NOON)
    await database.start()
    await blobs.put("clip/finished", b"whole")

    async def cut(_file_id: ObjectId) -> bool:
        raise PowerCut

    with monkeypatch.context() as patched:
        patched.setattr(blobs, "_finish", cut)
        with pytest.raises(PowerCut):
            await blobs.put("clip/broken", b"half")
    ids = await file_ids(database)
    assert len(await chunks_of(database, ids)) == 2

    with pytest.raises(BlobMissing):
        await blobs.get("clip/broken")
    hour = timedelta(milliseconds=UPLOAD_GIVEN_UP_MS)
    assert await blobs.purge(NOON + hour - timedelta(seconds=1)) == 0
    assert await blobs.purge(NOON + hour) == 1
    assert len(await chunks_of(database, ids)) == 1
    assert await blobs.get("clip/finished") == b"whole"


async def test_a_blob_that_is_deleted_while_it_is_put_does_not_come_back(
    mongo_blobs: MongoBlobs, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish, ids = mongo_blobs._finish, []

    async def delete_first(file_id: ObjectId) -> bool:
        ids.append(file_id)
        await mongo_blobs.delete_prefix("journey/a/")
        return await finish(file_id)

    monkeypatch.setattr(mongo_blobs, "_finish", delete_first)
    with pytest.raises(BlobMissing):
        await mongo_blobs.put("journey/a/selfie", b"too late")
    assert await file_ids(database) == await chunks_of(database, ids) == []


async def swap_names(database: Database) -> None:
    await database.raw["blob_records"].update_one({}, {"$set": {"name": "journey/other/selfie"}})


async def flip_a_bit(database: Database) -> None:
    (file_id,) = await file_ids(database)
    (data,) = await chunks_of(database, [file_id])
    chunks = database.raw["blobs.chunks"]
    await chunks.delete_many({"files_id": file_id})
    await chunks.insert_one({"files_id": file_id, "n": 0, "data": bytes([data[0] ^ 1]) + data[1:]})


@pytest.mark.parametrize(("change", "name"), [(swap_names, "journey/other/selfie"), (flip_a_bit, SELFIE)])
async def test_a_blob_that_was_renamed_or_altered_in_the_store_does_not_open(
    mongo_blobs: MongoBlobs, database: Database, change: Callable[[Database], Any], name: str
) -> None:
    await mongo_blobs.put(SELFIE, b"the portrait")
    await change(database)
    with pytest.raises(SealError):
        await mongo_blobs.get(name)


async def test_a_blob_does_not_open_with_another_key(mongo_blobs: MongoBlobs, database: Database) -> None:
    await mongo_blobs.put(SELFIE, b"the portrait")
    with pytest.raises(SealError):
        await MongoBlobs(database, keyring(), utc_now).get(SELFIE)


@pytest.mark.parametrize(
    "name", ["", "/a", "a/", "a//b", "../a", "A", "a b", "a\n", "x" * 201, "iin/850101300123", "sms/77011234567"]
)
async def test_a_name_that_is_malformed_or_looks_personal_is_refused(blobs: Blobs, name: str) -> None:
    with pytest.raises(BlobRefused):
        await blobs.put(name, b"x")


async def test_more_than_64_mb_are_refused_before_anything_is_written(
    mongo_blobs: MongoBlobs, database: Database
) -> None:
    with pytest.raises(BlobRefused, match="67108864"):
        await mongo_blobs.put(SELFIE, bytes(MAX_BYTES + 1))
    assert await file_ids(database) == []


async def test_the_blobs_under_a_prefix_are_listed_with_their_lengths_once_they_are_all_there(blobs: Blobs) -> None:
    for name, size in (("a/1/00", 3), ("a/1/01", 5), ("a/12/00", 7), ("b/1/00", 9)):
        await blobs.put(name, bytes(size))
    await blobs.put("a/1/01", bytes(2_000_000))
    assert await blobs.sizes("a/1/") == {"a/1/00": 3, "a/1/01": 2_000_000}
    assert set(await blobs.sizes("a/")) == {"a/1/00", "a/1/01", "a/12/00"}
    assert await blobs.sizes("c/") == {}
    with pytest.raises(ValueError, match="ends with a slash"):
        await blobs.sizes("a/1")
