"""Aggregates in the store: one document each, replaced as a whole if its version still is what was loaded."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pymongo import ASCENDING, IndexModel
from typing_extensions import override

from libs.common.contracts.events import Meta
from libs.common.delivery.documents import Document, Documents, Outgoing, Searched
from libs.common.storage.mongo import Database, Rows, answering


class MongoDocuments(Documents):
    """Aggregates of one kind in one collection. Fulfils `libs.common.delivery.documents.Documents`.

    Args:
        indexed: what `find` and `count` are asked for.
    """

    def __init__(self, database: Database, name: str, indexed: Searched = ()) -> None:
        timers = [IndexModel([(field, ASCENDING)], sparse=True) for field in ("wake_at", "outbox_at")]
        compound = [(paths,) if isinstance(paths, str) else paths for paths in indexed]
        queries = [IndexModel([(f"state.{path}", ASCENDING) for path in paths]) for paths in compound]
        self._collection = database.collection(name, timers + queries)
        self._rows = Rows(self._collection)

    @override
    async def load(self, key: str, *, fresh: bool = True) -> Document | None:
        raw = await self._rows.get(key)
        return None if raw is None else _document(raw)

    @override
    async def store(self, document: Document) -> bool:
        raw = _raw(document)
        if document.version == 1:
            return await self._rows.insert(raw)
        return await self._rows.replace(raw, {"version": document.version - 1})

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
    async def count(self, where: Mapping[str, Any]) -> int:
        async with answering():
            return await self._collection.count_documents(_query(where))

    @override
    async def values(self, where: Mapping[str, Any], path: str) -> Sequence[Any]:
        # Named here, because stores write a projected path in different ways; without the id, an index answers alone.
        projection = {"_id": 0, "value": f"$state.{path}"}
        async with answering():
            found = self._collection.aggregate([{"$match": _query(where)}, {"$project": projection}])
            return [raw.get("value") async for raw in found]


def _query(where: Mapping[str, Any]) -> dict[str, Any]:
    return {f"state.{path}": value for path, value in where.items()}


def _raw(document: Document) -> dict[str, Any]:
    raw: dict[str, Any] = {
        "_id": document.key,
        "version": document.version,
        "state": dict(document.state),
        "outbox": [_raw_entry(entry) for entry in document.outbox],
        "handled": list(document.handled),
    }
    optional = {"wake_at": document.wake_at, "outbox_at": document.outbox_at}
    return raw | {name: value for name, value in optional.items() if value is not None}


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
