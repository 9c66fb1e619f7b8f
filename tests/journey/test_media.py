"""Pictures and clips: encrypted while a journey needs them, gone when it has ended."""

import base64
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from bson import ObjectId
from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase

from libs.citizen.api.answers import Upload
from libs.citizen.api.biometrics import Part
from libs.citizen.journey.progress import wait_until
from tests.fixtures.people import bench_camera
from tests.journey.harness import WAITING, System

MARK = b"a picture that nobody else takes "  # 33 bytes: repeated, its base64 form repeats too
PICTURE = Upload(b"\xff\xd8\xff\xe0" + MARK * 10_000, "image/jpeg")
CLIP = Upload(b"\x1a\x45\xdf\xa3" + MARK * 10_000, "video/webm")
PARTS = (Part.SELFIE, Part.CLIP, Part.DOCUMENT_FRONT, Part.DOCUMENT_BACK)


@asynccontextmanager
async def media_store(system: System) -> AsyncIterator[AsyncDatabase[dict[str, Any]]]:
    """The database of biometrics, as a database's administrator sees it."""
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(system.installation.mongo_uri)
    async with client:
        yield client[f"{system.installation.prefix}biometrics"]


async def blobs_of(database: AsyncDatabase[dict[str, Any]], journey_id: str) -> list[ObjectId]:
    """The ids of what is kept of a journey's captures."""
    records = [each async for each in database["blob_records"].find({})]
    return [ObjectId(each["_id"]) for each in records if journey_id in each["name"]]


async def pieces_of(database: AsyncDatabase[dict[str, Any]], files: Sequence[ObjectId]) -> tuple[int, int]:
    """How many of these files there are, and how many pieces of them."""
    there = [await database["blobs.files"].find_one({"_id": file}) for file in files]
    chunks = [len(await database["blobs.chunks"].find({"files_id": file}).to_list()) for file in files]
    return sum(file is not None for file in there), sum(chunks)


async def test_after_a_journey_has_ended_no_picture_or_clip_of_it_is_left(system: System) -> None:
    person = system.person()
    ticket = await system.begin(person)
    way = system.way(person, ticket)
    await way._prove_phone()
    async with media_store(system) as database:
        await way._prove_face()
        files = await blobs_of(database, ticket.journey_id)
        assert len(files) == len(PARTS)
        assert await pieces_of(database, files) == (len(PARTS), len(PARTS))
        await way.complete()
        await wait_until(
            lambda: blobs_of(database, ticket.journey_id), lambda names: not names, seconds=lambda _: WAITING.machines
        )
        assert await pieces_of(database, files) == (0, 0)


async def test_a_journey_given_up_in_the_middle_leaves_no_picture_either(system: System) -> None:
    person = system.person()
    ticket = await system.begin(person)
    way = system.way(person, ticket)
    await way._prove_phone()
    session = await way._face_task()
    assert session is not None
    await system.services.biometrics.upload(ticket, Part.SELFIE, PICTURE, session.nonce)
    async with media_store(system) as database:
        assert len(await blobs_of(database, ticket.journey_id)) == 1
        await system.services.identity.cancel(ticket)
        await wait_until(
            lambda: blobs_of(database, ticket.journey_id), lambda names: not names, seconds=lambda _: WAITING.machines
        )
    (closed,) = (await system.facts()).of(ticket.journey_id, "journey.closed")
    assert closed.value["outcome"] == "cancelled"


async def test_no_picture_ever_stands_in_clear_on_the_disk(system: System) -> None:
    person = system.person()
    usual = bench_camera(person)

    async def camera(challenge: Sequence[str]) -> Mapping[Part, Upload]:
        return {**await usual(challenge), Part.SELFIE: PICTURE, Part.CLIP: CLIP}

    ticket = await system.begin(person)
    way = system.way(person, ticket, camera)
    await way._prove_phone()
    await way._prove_face()
    assert [path.name for path in system.installation.folder.rglob("*") if shows_the_picture(path)] == []
    await way.complete()


def shows_the_picture(path: Path) -> bool:
    """Whether a file holds the picture as it is, or in one of the forms in which databases write bytes."""
    traces = (MARK, base64.b64encode(MARK), MARK.hex().encode())
    with suppress(FileNotFoundError):  # broker and store come and go with theirs
        return path.is_file() and any(trace in path.read_bytes() for trace in traces)
    return False
