"""The store of a service, on the MongoDB protocol through motor.

Only this module and `blobs.py` know motor (`docs/adr`). It keeps to what every store at hand does alike: single
documents, `update_one` with `matched_count`, sparse instead of partial indexes, string ids, no transactions.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Final

from motor.motor_asyncio import AsyncIOMotorClient, AsyncIOMotorCollection, AsyncIOMotorDatabase
from pymongo import ASCENDING, IndexModel
from pymongo.errors import AutoReconnect, ConnectionFailure, DuplicateKeyError, ServerSelectionTimeoutError
from pymongo.write_concern import WriteConcern
from typing_extensions import override

from libs.common.documents import Document, Documents, Outgoing, Searched
from libs.common.errors import Unavailable
from libs.common.events import Meta

SELECTION_TIMEOUT_MS: Final = 3000
SOCKET_TIMEOUT_MS: Final = 10000
POOL_SIZE: Final = 32


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
        """Give a collection whose indexes are made at start."""
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
    """Tell a store that does not answer from one that refuses: the first is `Unavailable`."""
    try:
        yield
    except (AutoReconnect, ConnectionFailure, ServerSelectionTimeoutError) as error:
        raise Unavailable("the store does not answer") from error


class MongoDocuments(Documents):
    """Aggregates of one kind in one collection. Fulfils `libs.common.documents.Documents`.

    Args:
        indexed: what `find` and `count` are asked for.
    """

    def __init__(self, database: Database, name: str, indexed: Searched = ()) -> None:
        timers = [IndexModel([(field, ASCENDING)], sparse=True) for field in ("wake_at", "outbox_at")]
        together = [(paths,) if isinstance(paths, str) else paths for paths in indexed]
        queries = [IndexModel([(f"state.{path}", ASCENDING) for path in paths]) for paths in together]
        self._collection = database.collection(name, timers + queries)

    @override
    async def load(self, key: str, *, fresh: bool = True) -> Document | None:
        async with answering():
            raw = await self._collection.find_one({"_id": key})
        return None if raw is None else _document(raw)

    @override
    async def store(self, document: Document) -> bool:
        present, absent = _fields(document)
        async with answering():
            if document.version == 1:
                return await self._insert({"_id": document.key, **present})
            change: dict[str, Any] = {"$set": present}
            if absent:
                change["$unset"] = dict.fromkeys(absent, "")
            result = await self._collection.update_one({"_id": document.key, "version": document.version - 1}, change)
        return result.matched_count == 1

    async def _insert(self, raw: dict[str, Any]) -> bool:
        try:
            await self._collection.insert_one(raw)
        except DuplicateKeyError:
            return False
        return True

    @override
    async def trim(self, key: str, version: int) -> bool:
        async with answering():
            result = await self._collection.update_one(
                {"_id": key, "version": version}, {"$set": {"outbox": []}, "$unset": {"outbox_at": ""}}
            )
        return result.matched_count == 1

    @override
    async def unpublished(self, before: int, limit: int) -> Sequence[Document]:
        async with answering():
            found = self._collection.find({"outbox_at": {"$lte": before}}).sort("outbox_at", ASCENDING).limit(limit)
            return [_document(raw) async for raw in found]

    @override
    async def due(self, now: int, limit: int) -> Sequence[tuple[str, int]]:
        async with answering():
            found = self._collection.find({"wake_at": {"$lte": now}}, {"wake_at": 1}).sort("wake_at", ASCENDING)
            return [(raw["_id"], raw["wake_at"]) async for raw in found.limit(limit)]

    @override
    async def claim(self, key: str, wake_at: int, until: int) -> bool:
        async with answering():
            result = await self._collection.update_one({"_id": key, "wake_at": wake_at}, {"$set": {"wake_at": until}})
        return result.matched_count == 1

    @override
    async def find(
        self, where: Mapping[str, Any], limit: int, *, order: str | None = None, after: tuple[Any, str] | None = None
    ) -> Sequence[Document]:
        query = _query(where)
        if order is None or after is None:
            return await self._sorted(query, order, limit)
        # In two questions, since embedded stores bind $or more loosely than what stands beside it.
        value, key = after
        ties = await self._sorted(query | {f"state.{order}": value, "_id": {"$gt": key}}, order, limit)
        if len(ties) == limit:
            return ties
        return [*ties, *await self._sorted(query | {f"state.{order}": {"$gt": value}}, order, limit - len(ties))]

    async def _sorted(self, query: dict[str, Any], order: str | None, limit: int) -> list[Document]:
        async with answering():
            found = self._collection.find(query).limit(limit)
            if order is not None:
                found = found.sort([(f"state.{order}", ASCENDING), ("_id", ASCENDING)])
            return [_document(raw) async for raw in found]

    @override
    async def page(self, after: str, limit: int) -> Sequence[Document]:
        async with answering():
            found = self._collection.find({"_id": {"$gt": after}}).sort("_id", ASCENDING).limit(limit)
            return [_document(raw) async for raw in found]

    @override
    async def count(self, where: Mapping[str, Any], *, below: tuple[str, Any] | None = None) -> int:
        query = _query(where) | ({f"state.{below[0]}": {"$lt": below[1]}} if below else {})
        async with answering():
            return await self._collection.count_documents(query)


def _query(where: Mapping[str, Any]) -> dict[str, Any]:
    return {f"state.{path}": value for path, value in where.items()}


def _fields(document: Document) -> tuple[dict[str, Any], list[str]]:
    present: dict[str, Any] = {
        "version": document.version,
        "state": dict(document.state),
        "outbox": [_raw_entry(entry) for entry in document.outbox],
        "handled": list(document.handled),
    }
    optional = {"wake_at": document.wake_at, "outbox_at": document.outbox_at}
    present |= {name: value for name, value in optional.items() if value is not None}
    return present, [name for name, value in optional.items() if value is None]


def _document(raw: Mapping[str, Any]) -> Document:
    return Document(
        key=raw["_id"],
        version=raw["version"],
        state=raw["state"],
        outbox=tuple(_entry(entry) for entry in raw["outbox"]),
        handled=tuple(raw["handled"]),
        wake_at=raw.get("wake_at"),
        outbox_at=raw.get("outbox_at"),
    )


def _raw_entry(entry: Outgoing) -> dict[str, Any]:
    meta = entry.meta
    return {
        "topic": entry.topic,
        "value": entry.value,
        "id": meta.id,
        "type": meta.type,
        "source": meta.source,
        "time": meta.time.isoformat(),
        "subject": meta.subject,
        "correlation_id": meta.correlation_id,
        "causation_id": meta.causation_id,
        "traceparent": meta.traceparent,
    }


def _entry(raw: Mapping[str, Any]) -> Outgoing:
    meta = Meta(
        id=raw["id"],
        type=raw["type"],
        source=raw["source"],
        time=datetime.fromisoformat(raw["time"]).astimezone(UTC),
        subject=raw["subject"],
        correlation_id=raw["correlation_id"],
        causation_id=raw["causation_id"],
        traceparent=raw["traceparent"],
    )
    return Outgoing(raw["topic"], meta, raw["value"])


class Taken(Exception):
    """A unique fact belongs to somebody else already: ``owner``."""

    def __init__(self, owner: str) -> None:
        super().__init__("this belongs to somebody else already")
        self.owner = owner


class Reservations:
    """Facts of which there can be only one: a citizen per IIN, a certificate per serial number."""

    def __init__(self, database: Database) -> None:
        self._collection = database.collection("reservations")

    async def take(self, kind: str, value: str, owner: str) -> None:
        """Reserve a value for an owner; doing it twice is doing it once. ``value`` holds no personal data in clear.

        Raises:
            Taken: it is reserved for another owner.
        """
        while True:
            async with answering():
                try:
                    await self._collection.insert_one({"_id": f"{kind}/{value}", "owner": owner})
                except DuplicateKeyError:
                    holder = await self.owner(kind, value)
                else:
                    return
            if holder == owner:
                return
            # None: given back between the two calls, so it may be had after all.
            if holder is not None:
                raise Taken(holder)

    async def owner(self, kind: str, value: str) -> str | None:
        """Give the owner of a reserved value, or None."""
        async with answering():
            held = await self._collection.find_one({"_id": f"{kind}/{value}"})
        return None if held is None else str(held["owner"])

    async def owners_of(self, kind: str, values: Sequence[str]) -> Mapping[str, str]:
        """Give the owners of those of these values that are reserved."""
        async with answering():
            found = self._collection.find({"_id": {"$in": [f"{kind}/{value}" for value in values]}})
            return {str(raw["_id"]).removeprefix(f"{kind}/"): str(raw["owner"]) async for raw in found}

    async def release(self, kind: str, value: str, owner: str) -> None:
        """Give a value back, if it is this owner's."""
        async with answering():
            await self._collection.delete_one({"_id": f"{kind}/{value}", "owner": owner})
