"""After the end of a journey: no media of it are left, and no verdict is told."""

from datetime import datetime
from uuid import uuid4

import pytest
from bson import ObjectId

from libs.common.storage.mongo import Database
from libs.common.testing.blobs import MemoryBlobs
from libs.common.testing.faults import Crash, Faults
from services.biometrics.check import domain, states
from tests.unit.biometrics.factories import CLOSED, JOURNEY, LEASE, OTHER, picture
from tests.unit.biometrics.harness import Harness, StoredBackend, World, refused


@pytest.mark.parametrize("band", ["match", "review", "no_match"])
async def test_after_the_end_of_a_journey_no_media_of_it_are_left_and_others_stay(world: World, band: str) -> None:
    world.analyser.band = band
    harness = Harness(world)
    for subject in (JOURNEY, OTHER):
        await harness.opened(subject)
        await harness.tried(subject=subject)
    await harness.deliver(CLOSED)
    await harness.wake_due()
    assert not [name for name in world.media if JOURNEY in name]
    assert len([name for name in world.media if OTHER in name]) == 4
    state = await harness.state()
    assert isinstance(state, states.CheckClosed)
    assert set(world.rows.rows[JOURNEY].state) == {"kind", "delete_at", "deletions_left", "reviews", "views", "tries"}


async def test_media_go_even_if_a_process_dies_at_any_step_of_deleting_them() -> None:
    counted, world = Faults(), World()
    harness = Harness(world)
    await harness.opened()
    await harness.send()
    await harness.deliver(CLOSED)
    await Harness(world, counted).wake_due()
    for step in range(1, counted.steps + 1):
        world = World()
        harness = Harness(world)
        await harness.opened()
        await harness.send()
        await harness.deliver(CLOSED)
        with pytest.raises(Crash):
            await Harness(world, Faults(step)).wake_due()
        world.now += LEASE
        await Harness(world).wake_due()
        assert world.media == {}, f"step {step}"


async def test_an_upload_that_was_under_way_when_its_journey_ended_is_deleted_too(
    world: World, harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = MemoryBlobs.put

    async def slow_put(blobs: MemoryBlobs, name: str, data: bytes, *, purge_at: datetime | None = None) -> None:
        await harness.deliver(CLOSED)
        await harness.wake_due()
        await put(blobs, name, data, purge_at=purge_at)

    await harness.opened()
    monkeypatch.setattr(MemoryBlobs, "put", slow_put)  # the journey ends in the middle of an upload
    assert await refused(harness.receive("selfie", "n-1", picture(b"x"))) == ("capture.closed", 409)
    assert len(world.media) == 1
    world.now += domain.LATE_UPLOADS
    await harness.wake_due()
    assert world.media == {}
    assert world.rows.rows[JOURNEY].wake_at is None


async def test_a_journey_that_ended_before_it_was_heard_of_opens_no_session(world: World, harness: Harness) -> None:
    await harness.deliver(CLOSED)
    await harness.opened()
    assert await refused(harness.receive("selfie", "n-1", picture(b"x"))) == ("capture.closed", 409)
    assert world.media == {}


async def test_an_end_while_captures_are_being_looked_at_tells_no_verdict(world: World, harness: Harness) -> None:
    await harness.opened()
    await harness.send()
    await harness.deliver(CLOSED)
    await harness.wake_due()
    assert (world.topics, world.media) == ([], {})


async def chunks_of(database: Database, ids: list[ObjectId]) -> list[bytes]:
    # Asked for by file, since the embedded store lists chunks in no other way.
    chunks = database.raw["blobs.chunks"]
    return [chunk["data"] for file_id in ids async for chunk in chunks.find({"files_id": file_id})]


async def test_in_a_real_store_nothing_of_the_media_is_left_after_the_end(world: World, mongo_uri: str) -> None:
    database = Database(mongo_uri, f"biometrics-{uuid4().hex[:12]}")
    await database.start()
    try:
        harness = Harness(world, backend=StoredBackend(world, database))
        await harness.opened()
        await harness.send({"selfie": picture(b"a face " * 1000)})
        ids = [ObjectId(record["_id"]) async for record in database.raw["blob_records"].find()]
        kept = await chunks_of(database, ids)
        assert len(ids) == len(kept) == 4
        assert not any(b"a face" in chunk for chunk in kept), "media lie in clear"
        await harness.deliver(CLOSED)
        await harness.wake_due()
        assert await chunks_of(database, ids) == []
        assert await database.raw["blob_records"].find_one({}) is None
    finally:
        await database.raw.client.drop_database(database.raw.name)
        await database.stop()
