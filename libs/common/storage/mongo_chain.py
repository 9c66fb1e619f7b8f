"""A chain of facts in one collection of the store; see `libs.common.storage.chain`."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.errors import BulkWriteError
from typing_extensions import override

from libs.common.storage.chain import GENESIS, ChainStore, Entry, Fact, Head
from libs.common.storage.mongo import Database, answering, refused_as_duplicates

_DIGITS: Final = 15


class MongoChain(ChainStore):
    """One chain. An entry is one document; its ``_id`` is the position, as text of fixed width that sorts alike."""

    def __init__(self, database: Database, name: str) -> None:
        self._entries = database.collection(
            name,
            [
                IndexModel([("fact", ASCENDING)], unique=True),
                IndexModel([("kind", ASCENDING)]),
                IndexModel([("about", ASCENDING)]),
            ],
        )
        self._starts = database.collection(f"{name}_starts")

    @override
    async def head(self) -> Head:
        async with answering():
            newest = [raw async for raw in self._entries.find().sort("_id", DESCENDING).limit(1)]
        return _entry(newest[0]).head if newest else await self.start()

    @override
    async def extend(self, entries: Sequence[Entry]) -> int:
        if not entries:
            return 0
        async with answering():
            try:
                await self._entries.insert_many([_raw(entry) for entry in entries], ordered=True)
            except BulkWriteError as error:
                return min(refused_as_duplicates(error))  # in order: what comes behind it was not tried
        return len(entries)

    @override
    async def known(self, ids: Sequence[str]) -> frozenset[str]:
        async with answering():
            found = self._entries.find({"fact": {"$in": list(ids)}}, {"fact": 1})
            return frozenset([raw["fact"] async for raw in found])

    @override
    async def read(self, after: int, limit: int) -> Sequence[Entry]:
        async with answering():
            found = self._entries.find({"_id": {"$gt": _key(after)}}).sort("_id", ASCENDING).limit(limit)
            return [_entry(raw) async for raw in found]

    @override
    async def last(self, kind: str) -> Entry | None:
        async with answering():
            found = [raw async for raw in self._entries.find({"kind": kind}).sort("_id", DESCENDING).limit(1)]
        return _entry(found[0]) if found else None

    @override
    async def about(self, what: str) -> Sequence[Entry]:
        async with answering():
            return [_entry(raw) async for raw in self._entries.find({"about": what}).sort("_id", ASCENDING)]

    @override
    async def start(self) -> Head:
        async with answering():
            starts = [raw async for raw in self._starts.find().sort("_id", DESCENDING).limit(1)]
        return Head(int(starts[0]["_id"]), starts[0]["hash"]) if starts else GENESIS

    @override
    async def cut(self, through: Head) -> int:
        async with answering():
            found = await self._entries.find_one({"_id": _key(through.position)})
            start = await self.start()
            if (found is None or found["hash"] != through.hash) and start != through:
                raise ValueError(f"the chain holds no entry {through.position} with this hash")
            # First: a crash in between leaves entries that nobody needs, and the next cut takes them along.
            await self._starts.update_one(
                {"_id": _key(through.position)}, {"$set": {"hash": through.hash}}, upsert=True
            )
            return int((await self._entries.delete_many({"_id": {"$lte": _key(through.position)}})).deleted_count)


def _key(position: int) -> str:
    return f"{position:0{_DIGITS}d}"


def _raw(entry: Entry) -> dict[str, Any]:
    fact = entry.fact
    return {
        "_id": _key(entry.position),
        "previous": entry.previous,
        "hash": entry.hash,
        "at": entry.at,
        "kind": fact.kind,
        "fact": fact.id,
        "about": fact.about,
        "payload": fact.payload,
    }


def _entry(raw: Mapping[str, Any]) -> Entry:
    fact = Fact(raw["fact"], raw["kind"], raw["payload"], raw["about"])
    return Entry(int(raw["_id"]), raw["previous"], raw["at"], fact, raw["hash"])
