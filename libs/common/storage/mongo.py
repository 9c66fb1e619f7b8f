"""The store of a service, on the MongoDB protocol through motor.

Only this module and `blobs.py` know motor (`docs/adr`). It keeps to what every store at hand does alike: single
documents, conditional replacements, sparse instead of partial indexes, string ids, no transactions.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from bson import encode
from bson.raw_bson import RawBSONDocument
from motor.motor_asyncio import AsyncIOMotorClient, AsyncIOMotorCollection, AsyncIOMotorDatabase
from pymongo import IndexModel, ReplaceOne
from pymongo.errors import (
    BulkWriteError,
    ConnectionFailure,
    CursorNotFound,
    DocumentTooLarge,
    ExecutionTimeout,
    OperationFailure,
    PyMongoError,
    WriteConcernError,
)
from pymongo.write_concern import WriteConcern

from libs.common.core.errors import Unavailable
from libs.common.storage.batching import Batching

SELECTION_TIMEOUT_MS: Final = 3000
SOCKET_TIMEOUT_MS: Final = 10000
POOL_SIZE: Final = 32
MAX_OCTETS: Final = 16 * 1024 * 1024
"""What a document may take (MongoDB's limit)."""
UNANSWERED_CODES: Final = frozenset(
    {
        *(6, 7, 89, 9001),  # HostUnreachable, HostNotFound, NetworkTimeout, SocketException
        *(91, 11600),  # ShutdownInProgress, InterruptedAtShutdown
        *(189, 10107, 11602, 13435, 13436, 10058),  # PrimarySteppedDown, NotWritablePrimary and their kin
        *(50, 64, 134, 202, 262),  # MaxTimeMSExpired, WriteConcernTimeout, ReadConcernMajorityNotAvailableYet, ...
        *(133, 391, 462, 11601),  # FailedToSatisfyReadPreference, ReauthenticationRequired, IngressRequestRateLimit...
        *(24, 46, 112),  # LockTimeout, LockBusy, WriteConflict
        *(43, 237),  # CursorNotFound, CursorKilled
        *(63, 150, 13388),  # StaleShardVersion, StaleEpoch, StaleConfig: chunks are moving
    }
)
"""MongoDB's codes that say nothing about what was asked (its `error_codes.yml`; the drivers' "Retryable Writes")."""
_UNANSWERED_LABELS: Final = ("RetryableWriteError", "TransientTransactionError", "RetryableError")
_DUPLICATE_KEY: Final = 11000


class Database:
    """One service's own database.

    Args:
        uri: of a MongoDB server or anything that speaks its protocol.
        name: of the database; no two services share one.
    """

    def __init__(self, uri: str, name: str) -> None:
        self._client: AsyncIOMotorClient[dict[str, Any]] = AsyncIOMotorClient(
            uri,
            maxPoolSize=POOL_SIZE,
            serverSelectionTimeoutMS=SELECTION_TIMEOUT_MS,
            socketTimeoutMS=SOCKET_TIMEOUT_MS,
            # A lost answer to a conditional write shows at the next load; a driver's silent retry would hide it.
            retryWrites=False,
        )
        self._database = self._client.get_database(name, write_concern=WriteConcern(w="majority"))
        self._prepared: list[tuple[AsyncIOMotorCollection[dict[str, Any]], list[IndexModel]]] = []

    @property
    def raw(self) -> AsyncIOMotorDatabase[dict[str, Any]]:
        """The motor database, for `blobs.py`."""
        return self._database

    def collection(self, name: str, indexes: Sequence[IndexModel] = ()) -> AsyncIOMotorCollection[dict[str, Any]]:
        """Return a collection whose indexes are made at start."""
        collection = self._database[name]
        self._prepared.append((collection, list(indexes)))
        return collection

    async def start(self) -> None:
        """Make the indexes. Fails where the store does not answer: a service without its store does not start."""
        async with answering():
            for collection, indexes in self._prepared:
                if indexes:
                    await collection.create_indexes(indexes)

    async def stop(self) -> None:
        """Close the connections."""
        self._client.close()

    async def ping(self) -> None:
        """Return if the store answers.

        Raises:
            Unavailable: it does not.
        """
        async with answering():
            await self._database.command("ping")


@asynccontextmanager
async def answering() -> AsyncIterator[None]:
    """Raise `Unavailable` where the store does not answer, or did not confirm; what it refuses passes as it is."""
    try:
        yield
    except PyMongoError as error:
        if _is_unanswered(error):
            raise Unavailable(f"the store does not answer: {type(error).__name__}") from error
        raise


def refused_as_duplicates(error: BulkWriteError) -> frozenset[int]:
    """Return which of the writes of one command failed because their key is there already, by their place in it.

    Raises:
        BulkWriteError: one failed for another reason, or the writes were done but not confirmed.
    """
    details = error.details or {}
    refused = details.get("writeErrors", ())
    if details.get("writeConcernErrors") or any(each["code"] != _DUPLICATE_KEY for each in refused):
        raise error
    return frozenset(int(each["index"]) for each in refused)


def _is_unanswered(error: PyMongoError) -> bool:
    """Return whether an error says nothing about what was asked: nobody answered, or an election was under way.

    A write concern error means that the write was done, and that the next primary may not have it.
    """
    if isinstance(error, ConnectionFailure | WriteConcernError | ExecutionTimeout | CursorNotFound):
        return True
    if isinstance(error, BulkWriteError):
        details = error.details or {}
        codes = {each["code"] for each in details.get("writeErrors", ())}
        return bool(details.get("writeConcernErrors") or codes & UNANSWERED_CODES)
    return isinstance(error, OperationFailure) and (
        error.code in UNANSWERED_CODES or any(error.has_error_label(each) for each in _UNANSWERED_LABELS)
    )


@dataclass(frozen=True, slots=True)
class _Replacement:
    held: Mapping[str, Any]
    raw: RawBSONDocument


class Rows:
    """The documents of one collection, read and written by id.

    Calls that wait at the same moment travel in one command (`docs/adr/0013`), and what became of each is known
    exactly: a number of replacements is sent as upserts, so that one whose condition does not hold shows, by its place,
    as a duplicate of the id. The collection has no other unique index.
    """

    def __init__(self, collection: AsyncIOMotorCollection[dict[str, Any]]) -> None:
        self._collection = collection
        self._gets = Batching(self._get_all)
        self._inserts = Batching(self._insert_all)
        self._replacements = Batching(self._replace_all)

    async def get(self, id_: str) -> Mapping[str, Any] | None:
        """Return the document with this id, or None."""
        return await self._gets(id_)

    async def insert(self, raw: Mapping[str, Any]) -> bool:
        """Store a document under its ``_id``. False: there is one already."""
        return await self._inserts(_encoded(raw))

    async def replace(self, raw: Mapping[str, Any], held: Mapping[str, Any]) -> bool:
        """Replace the document that has this ``_id`` and still holds these values. False: there is none such."""
        return await self._replacements(_Replacement({"_id": raw["_id"], **held}, _encoded(raw)))

    async def _get_all(self, ids: Sequence[str]) -> Sequence[Mapping[str, Any] | None]:
        async with answering():
            if len(ids) == 1:  # what stores answer fastest
                return [await self._collection.find_one({"_id": ids[0]})]
            found = {raw["_id"]: raw async for raw in self._collection.find({"_id": {"$in": list(ids)}})}
        return [found.get(id_) for id_ in ids]

    async def _insert_all(self, raws: Sequence[RawBSONDocument]) -> Sequence[bool]:
        taken: frozenset[int] = frozenset()
        async with answering():
            try:
                await self._collection.insert_many(raws, ordered=False)
            except BulkWriteError as error:
                taken = refused_as_duplicates(error)
        return [place not in taken for place in range(len(raws))]

    async def _replace_all(self, asked: Sequence[_Replacement]) -> Sequence[bool]:
        async with answering():
            if len(asked) == 1:
                result = await self._collection.replace_one(asked[0].held, asked[0].raw)
                return [result.matched_count == 1]
            refused, made = await self._upsert_all(asked)
            for place in made:  # there was nothing to replace
                raw = asked[place].raw
                await self._collection.delete_one({name: raw[name] for name in asked[place].held})
        return [place not in refused | made for place in range(len(asked))]

    async def _upsert_all(self, asked: Sequence[_Replacement]) -> tuple[frozenset[int], frozenset[int]]:
        """Return the places of those whose id holds something else, and of those whose id was not there."""
        operations: list[ReplaceOne[Any]] = [ReplaceOne(each.held, each.raw, upsert=True) for each in asked]
        try:
            result = await self._collection.bulk_write(operations, ordered=False)
        except BulkWriteError as error:
            refused = refused_as_duplicates(error)
            return refused, frozenset(int(each["index"]) for each in (error.details or {})["upserted"])
        return frozenset(), frozenset(result.upserted_ids or ())


def _encoded(raw: Mapping[str, Any]) -> RawBSONDocument:
    """Encode by itself, so that what cannot be written fails alone, and not those it would travel with."""
    encoded = encode(raw)
    if len(encoded) > MAX_OCTETS:
        raise DocumentTooLarge(f"a document has at most {MAX_OCTETS} octets")
    return RawBSONDocument(encoded)
