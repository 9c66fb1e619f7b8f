"""Pictures and faces on the disk of a real store: never in clear, and gone when the journey ends or their time does."""

import base64
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId

from deploy.embedded.stack import Store
from libs.common.storage.blobs import Blobs
from libs.common.storage.mongo import Database
from services.biometrics.check.parts import Part
from services.biometrics.check.states import MEDIA_KEPT_AT_MOST, CheckClosed, CheckMatched
from tests.unit.biometrics.factories import CLOSED, JOURNEY, NUMBERS, STARTED, clip, picture
from tests.unit.biometrics.harness import Harness, StoredBackend, World

MARK = b"a face that nobody may find here"  # its length is a multiple of neither 3 nor 4, so three base64 forms exist
MEDIA: dict[Part, bytes] = {"selfie": picture(MARK * 40_000), "clip": clip(MARK * 40_000)}


@asynccontextmanager
async def on_disk(store: Store, world: World) -> AsyncIterator[tuple[Harness, Blobs, Database]]:
    database = Database(store.uri, "biometrics")
    backend = StoredBackend(world, database)
    harness = Harness(world, backend=backend, faces_kept=timedelta(days=7))
    await database.start()
    try:
        yield harness, backend.kept_blobs, database
    finally:
        await database.stop()


def found(folder: Path, *secrets: bytes) -> list[str]:
    """The files in which a secret stands as it is, in hexadecimal, in any base64 form, or as a list of numbers."""
    traces = [trace for secret in secrets for trace in _forms(secret)]
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files, "there is nothing to search"
    return [path.name for path in files if any(trace in path.read_bytes() for trace in traces)]


def _forms(secret: bytes) -> Sequence[bytes]:
    shifted = [base64.b64encode(b"\0" * shift + secret)[4:-4] for shift in range(3)]
    return [secret, secret.hex().encode(), *shifted, ", ".join(map(str, secret)).encode()]


async def _rows(database: Database, name: str) -> list[dict[str, Any]]:
    return [row async for row in database.raw[name].find()]


async def pieces(database: Database, files: list[ObjectId]) -> int:
    # Asked for by file, since the embedded store lists chunks in no other way.
    chunks = database.raw["blobs.chunks"]
    return sum([len(await chunks.find({"files_id": file}).to_list(None)) for file in files])


@pytest.mark.parametrize("band", ["match", "review"])
async def test_neither_pictures_nor_faces_ever_stand_on_the_disk_in_clear(
    own_store: Store, tmp_path: Path, band: str
) -> None:
    world = World()
    world.analyser.band = band
    async with on_disk(own_store, world) as (harness, _, _database):
        await harness.opened()
        await harness.send(MEDIA)
        assert found(tmp_path, b"captures/" + JOURNEY.encode()), "the search looks where the store writes"
        assert found(tmp_path, MARK, NUMBERS) == []
        await harness.wake_due()
        assert found(tmp_path, MARK, NUMBERS) == []
        await harness.deliver(CLOSED)
        await harness.wake_due()
        assert found(tmp_path, MARK, NUMBERS) == []


async def test_after_the_end_the_store_holds_no_media_and_an_audit_record_of_numbers_alone(own_store: Store) -> None:
    world = World()
    async with on_disk(own_store, world) as (harness, _, database):
        await harness.opened()
        await harness.tried({"selfie": picture(b"selfie.blurred")})
        await harness.tried(MEDIA)
        assert isinstance(await harness.state(), CheckMatched)
        files = [ObjectId(row["_id"]) for row in await _rows(database, "blob_records")]
        assert await pieces(database, files) > 4
        await harness.deliver(CLOSED)
        await harness.wake_due()
        assert await _rows(database, "blob_records") == []
        assert await pieces(database, files) == 0
        (row,) = await _rows(database, "checks")
        assert set(row["state"]) == {"kind", "delete_at", "deletions_left", "reviews", "views", "tries"}
        last = row["state"]["tries"][-1]
        assert (last["band"], last["model"]) == ("match", "model-7")
        assert {part: len(digest) for part, digest in last["hashes"].items()} == {"selfie": 64}
        first = row["state"]["tries"][0]
        assert set(first["examined"]) == {"selfie", "clip", "document"}
        assert first["examined"]["clip"]["pad"]["state"] == "not_configured"


async def test_media_of_a_journey_whose_end_nobody_told_go_by_their_date(own_store: Store) -> None:
    world = World()
    async with on_disk(own_store, world) as (harness, blobs, database):
        await harness.opened()
        await harness.send(MEDIA)
        files = [ObjectId(row["_id"]) for row in await _rows(database, "blob_records")]
        world.now += MEDIA_KEPT_AT_MOST - timedelta(seconds=1)
        assert await blobs.purge(world.now) == 0
        world.now += timedelta(seconds=1)
        assert await blobs.purge(world.now) == len(files)
        assert await pieces(database, files) == 0


@pytest.mark.parametrize("began", ["phone unproven", "tried", "reviewed"])
async def test_what_is_known_of_a_person_goes_by_its_date_if_nobody_tells_the_end(own_store: Store, began: str) -> None:
    world = World()
    async with on_disk(own_store, world) as (harness, _, database):
        if began == "phone unproven":
            await harness.deliver(STARTED)
        else:
            await harness.opened()
            world.analyser.band = "review"
            await harness.tried(MEDIA if began == "reviewed" else MEDIA | {"selfie": picture(b"selfie.blurred")})
        world.now += MEDIA_KEPT_AT_MOST - timedelta(seconds=1)
        await harness.wake_due()
        assert not isinstance(await harness.state(), CheckClosed), "the journey may still go on"
        (row,) = await _rows(database, "checks")
        assert row["state"]["person"]["box"]
        world.now += timedelta(days=2)
        await harness.wake_due()
        world.now += timedelta(days=9)
        await harness.wake_due()
        (row,) = await _rows(database, "checks")
        assert set(row["state"]) == {"kind", "delete_at", "deletions_left", "reviews", "views", "tries"}
        assert await _rows(database, "blob_records") == []


async def test_a_remembered_face_is_gone_from_the_store_when_its_time_is_over(own_store: Store) -> None:
    world = World()
    async with on_disk(own_store, world) as (harness, _, database):
        await harness.opened()
        await harness.tried(MEDIA)
        (row,) = await _rows(database, "faces")
        assert row["state"]["template"]["box"]
        world.now += timedelta(days=7)
        await harness.face_timers.run_once(JOURNEY, row["wake_at"])
        (row,) = await _rows(database, "faces")
        assert row["state"] == {"kind": "forgotten"}
