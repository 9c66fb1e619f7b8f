"""Pictures, clips and documents: what is too large for an event or an aggregate, encrypted at rest (GridFS).

An event or an aggregate names a blob; whoever shares the database and holds the key reads it (the claim check
pattern). A blob's name is part of what its encryption is bound to: renamed or swapped in the store, it does not open.
"""

import asyncio
import base64
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, Protocol

from bson import ObjectId
from gridfs.errors import CorruptGridFile, NoFile
from motor.motor_asyncio import AsyncIOMotorGridFSBucket
from pymongo import DESCENDING, IndexModel
from typing_extensions import override

from libs.common.core.errors import Permanent
from libs.common.core.redaction import scrub
from libs.common.core.sealing import Box, Keyring
from libs.common.core.values import Clock
from libs.common.storage.mongo import Database, answering

MAX_BYTES: Final = 64 * 1024 * 1024
UPLOAD_GIVEN_UP_MS: Final = 60 * 60 * 1000

_CHUNK_BYTES: Final = 1024 * 1024
_NAME: Final = re.compile(r"(?=.{1,200}\Z)[a-z0-9][a-z0-9._-]*(/[a-z0-9][a-z0-9._-]*)*")


class BlobMissing(Permanent):
    """There is no such blob: it was never put, or it was deleted or purged."""


class BlobRefused(Permanent):
    """This cannot be a blob: too large, or a name that is malformed or looks personal."""


class Blobs(Protocol):
    """The blobs of one service, sealed."""

    async def put(self, name: str, data: bytes, *, purge_at: datetime | None = None) -> None:
        """Store a blob, in place of one of the same name.

        Readers see the older content or the newer one, never a mixture. When two put at once, the later one stays.

        Args:
            name: lower-case words, digits and identifiers between slashes; nothing personal.
            data: at most `MAX_BYTES`.
            purge_at: when `purge` removes it at the latest.

        Raises:
            BlobMissing: it was deleted before it was all there.
            BlobRefused: too large, or the name will not do.
            Unavailable: the store does not answer.
        """
        ...

    async def get(self, name: str) -> bytes:
        """Return a blob's content.

        Raises:
            BlobMissing: there is none of that name.
            SealError: it was altered in the store, or its key is not held here.
            Unavailable: the store does not answer.
        """
        ...

    async def sizes(self, prefix: str) -> dict[str, int]:
        """Return name and length of the blobs whose names begin with a prefix that ends in a slash, by name."""
        ...

    async def delete(self, name: str) -> None:
        """Remove a blob, also one that is just being put; it is no error if there is none."""
        ...

    async def delete_prefix(self, prefix: str) -> int:
        """Remove all blobs whose names begin with a prefix that ends in a slash, and return their number."""
        ...

    async def purge(self, now: datetime) -> int:
        """Remove what is past its purge date, and uploads unfinished for an hour. Return the number removed."""
        ...


def check_blob(name: str, data: bytes) -> None:
    """Refuse what cannot be a blob.

    Raises:
        BlobRefused: too large, or the name is malformed or looks personal.
    """
    if _NAME.fullmatch(name) is None:
        raise BlobRefused(f"not a blob's name: {scrub(name)!r:.80}; it has lower-case words and ids between slashes")
    if scrub(name) != name:
        raise BlobRefused("a blob's name must not hold anything personal; name it by an identifier")
    if len(data) > MAX_BYTES:
        raise BlobRefused(f"a blob has at most {MAX_BYTES} bytes; this one has {len(data)}")


def check_prefix(prefix: str) -> None:
    """Refuse a prefix that would take neighbours along.

    Raises:
        ValueError: it does not end with a slash.
    """
    if not prefix.endswith("/"):
        raise ValueError("a prefix ends with a slash: 'journey/1' would take 'journey/12' along")


def sealed_place(name: str) -> str:
    """Return the place that a blob's encryption is bound to."""
    return f"blob|{name}"


class MongoBlobs(Blobs):
    """Blobs in GridFS.

    Each upload has a record of its own beside the GridFS file. The record comes before the first byte and goes after
    the last one, so whatever a crash leaves behind is found again; and it holds the name, the newest finished record
    of a name being the blob. GridFS is asked for nothing but files by their id: embedded stores do no more.

    Args:
        database: the service's database.
        keyring: seals contents.
        clock: the present moment.
        audience: the key that seals contents.
    """

    def __init__(self, database: Database, keyring: Keyring, clock: Clock, audience: str = "media") -> None:
        self._keyring = keyring
        self._clock = clock
        self._audience = audience
        self._raw = database.raw
        self._bucket = AsyncIOMotorGridFSBucket(database.raw, "blobs", _CHUNK_BYTES)
        self._records = database.collection(
            "blob_records",
            [IndexModel("name"), IndexModel("purge_at", sparse=True), IndexModel("unfinished_since", sparse=True)],
        )

    @override
    async def put(self, name: str, data: bytes, *, purge_at: datetime | None = None) -> None:
        check_blob(name, data)
        box = await asyncio.to_thread(self._keyring.seal, self._audience, data, sealed_place(name))
        file_id = ObjectId()
        record = {"_id": str(file_id), "name": name, "kid": box.kid, "size": len(data)}
        record |= {"unfinished_since": _ms(self._clock())}
        async with answering():
            older = await self._ids({"name": name, "unfinished_since": {"$exists": False}})
            await self._records.insert_one(record | ({"purge_at": _ms(purge_at)} if purge_at else {}))
            await self._bucket.upload_from_stream_with_id(file_id, str(file_id), base64.b64decode(box.box))
            if not await self._finish(file_id):
                raise BlobMissing(f"the blob {name!r} was deleted while it was stored")
            await self._remove(older)

    @override
    async def get(self, name: str) -> bytes:
        async with answering():
            found = await self._read(name) or await self._read(name)  # it may be replaced while it is read
        if found is None:
            raise BlobMissing(f"there is no blob {name!r}")
        return await asyncio.to_thread(self._keyring.open, found, sealed_place(name))

    @override
    async def sizes(self, prefix: str) -> dict[str, int]:
        query = {"name": _range(prefix), "unfinished_since": {"$exists": False}}
        async with answering():
            found = [record async for record in self._records.find(query, {"name": 1, "size": 1, "finished_at": 1})]
        newest_last = sorted(found, key=lambda record: (record["name"], record["finished_at"], record["_id"]))
        return {record["name"]: record["size"] for record in newest_last}

    @override
    async def delete(self, name: str) -> None:
        async with answering():
            await self._remove(await self._ids({"name": name}))

    @override
    async def delete_prefix(self, prefix: str) -> int:
        async with answering():
            ids = await self._ids({"name": _range(prefix)})
            await self._remove(ids)
        return len(ids)

    @override
    async def purge(self, now: datetime) -> int:
        async with answering():
            due = await self._ids({"purge_at": {"$lte": _ms(now)}})
            due += await self._ids({"unfinished_since": {"$lte": _ms(now) - UPLOAD_GIVEN_UP_MS}})
            await self._remove(due)
        return len(set(due))

    async def _finish(self, file_id: ObjectId) -> bool:
        """Make an upload the blob of its name. False: it was deleted meanwhile, and nothing of it is kept."""
        change = {"$set": {"finished_at": _ms(self._clock())}, "$unset": {"unfinished_since": ""}}
        result = await self._records.update_one({"_id": str(file_id)}, change)
        if result.matched_count == 0:
            await self._remove([file_id])
        return result.matched_count == 1

    async def _read(self, name: str) -> Box | None:
        finished = self._records.find({"name": name, "unfinished_since": {"$exists": False}})
        async for record in finished.sort([("finished_at", DESCENDING), ("_id", DESCENDING)]).limit(1):
            try:
                stream = await self._bucket.open_download_stream(ObjectId(record["_id"]))
                cipher: bytes = await stream.read()
            except (NoFile, CorruptGridFile):
                return None
            return Box(record["kid"], base64.b64encode(cipher).decode())
        return None

    async def _ids(self, query: dict[str, Any]) -> list[ObjectId]:
        return [ObjectId(record["_id"]) async for record in self._records.find(query, {"_id": 1})]

    async def _remove(self, ids: Sequence[ObjectId]) -> None:
        """Remove files by their documents; the embedded store cannot do GridFS's own delete."""
        for file_id in ids:
            await self._raw["blobs.chunks"].delete_many({"files_id": file_id})
            if await self._raw["blobs.files"].find_one({"_id": file_id}):  # deleting nothing is an error there
                await self._raw["blobs.files"].delete_one({"_id": file_id})
            await self._records.delete_one({"_id": str(file_id)})


def _range(prefix: str) -> dict[str, str]:
    check_prefix(prefix)
    # Everything from 'journey/1/' up to, and without, 'journey/10': '0' is the next character after '/'.
    return {"$gte": prefix, "$lt": f"{prefix[:-1]}0"}


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
