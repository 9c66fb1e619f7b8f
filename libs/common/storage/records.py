"""Small facts that are written once or twice and read often: a document each, without outbox, inbox or timer.

Where an aggregate tells what follows from it, a record only stands there: the status of a certificate, a page of a
list. What it holds is derived from aggregates, so writing it again after a crash has to be harmless.
"""

from asyncio import gather
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol

from pymongo import ASCENDING, IndexModel
from typing_extensions import override

from libs.common.storage.mongo import Database, Rows, answering

Fields = Mapping[str, Any]
"""Text, whole numbers and octets, by name."""


class Records(Protocol):
    """One collection of records. Every method may raise `Unavailable`; then do it again."""

    async def add(self, records: Mapping[str, Fields]) -> None:
        """Store records under ids that are free. One that is there stays as it is."""
        ...

    async def amend(self, record_id: str, fields: Fields, *, unless: str) -> bool:
        """Set fields of a record that lacks the field ``unless``. False: it has it, or there is no such record."""
        ...

    async def remove_field(self, ids: Collection[str], field: str) -> None:
        """Take a field away from records."""
        ...

    async def get(self, ids: Collection[str]) -> dict[str, Fields]:
        """Return the records that are there, by id."""
        ...

    async def having(self, field: str, value: str, limit: int) -> Sequence[tuple[str, Fields]]:
        """Return records with this value of an indexed field."""
        ...

    async def since(self, field: str, value: int) -> Sequence[tuple[str, Fields]]:
        """Return records whose indexed number is not below a value."""
        ...

    async def delete(self, ids: Collection[str]) -> None:
        """Remove records; it is no error if some are not there."""
        ...


class MongoRecords(Records):
    """Records in one collection of the service's database.

    Args:
        indexed: fields that `having` and `since` are asked for. Records may lack them.
    """

    def __init__(self, database: Database, name: str, indexed: Sequence[str] = ()) -> None:
        self._collection = database.collection(
            name, [IndexModel([(field, ASCENDING)], sparse=True) for field in indexed]
        )
        self._rows = Rows(self._collection)

    @override
    async def add(self, records: Mapping[str, Fields]) -> None:
        await gather(*(self._rows.insert({"_id": record_id, **fields}) for record_id, fields in records.items()))

    @override
    async def amend(self, record_id: str, fields: Fields, *, unless: str) -> bool:
        async with answering():
            result = await self._collection.update_one(
                {"_id": record_id, unless: {"$exists": False}}, {"$set": dict(fields)}
            )
        return result.matched_count == 1

    @override
    async def remove_field(self, ids: Collection[str], field: str) -> None:
        async with answering():
            await self._collection.update_many({"_id": {"$in": list(ids)}}, {"$unset": {field: ""}})

    @override
    async def get(self, ids: Collection[str]) -> dict[str, Fields]:
        async with answering():
            if len(ids) == 1:  # what the store answers fastest
                (only,) = ids
                found = await self._collection.find_one({"_id": only})
                return {} if found is None else {only: found}
            return {raw["_id"]: raw async for raw in self._collection.find({"_id": {"$in": list(ids)}})}

    @override
    async def having(self, field: str, value: str, limit: int) -> Sequence[tuple[str, Fields]]:
        async with answering():
            return [(raw["_id"], raw) async for raw in self._collection.find({field: value}).limit(limit)]

    @override
    async def since(self, field: str, value: int) -> Sequence[tuple[str, Fields]]:
        async with answering():
            return [(raw["_id"], raw) async for raw in self._collection.find({field: {"$gte": value}})]

    @override
    async def delete(self, ids: Collection[str]) -> None:
        async with answering():
            await self._collection.delete_many({"_id": {"$in": list(ids)}})
