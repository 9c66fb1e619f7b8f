"""Facts of which there can be only one: a citizen per IIN, a certificate per serial number."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from typing_extensions import override

from libs.common.storage.mongo import Database, Rows, answering


class Taken(Exception):
    """A unique fact belongs to somebody else already: ``owner``."""

    def __init__(self, owner: str) -> None:
        super().__init__("this belongs to somebody else already")
        self.owner = owner


class Reservations(Protocol):
    """Unique values by kind. No value holds personal data in clear."""

    async def take(self, kind: str, value: str, owner: str) -> None:
        """Reserve a value for an owner; doing it twice is doing it once.

        Raises:
            Taken: it is reserved for another owner.
        """
        ...

    async def owner(self, kind: str, value: str) -> str | None:
        """Return the owner of a reserved value, or None."""
        ...

    async def owners_of(self, kind: str, values: Sequence[str]) -> Mapping[str, str]:
        """Return the owners of those of these values that are reserved."""
        ...

    async def release(self, kind: str, value: str, owner: str) -> None:
        """Free a value, if it is this owner's."""
        ...


class MongoReservations(Reservations):
    """Reservations in one collection of the store, a document each."""

    def __init__(self, database: Database) -> None:
        self._collection = database.collection("reservations")
        self._rows = Rows(self._collection)

    @override
    async def take(self, kind: str, value: str, owner: str) -> None:
        while not await self._rows.insert({"_id": f"{kind}/{value}", "owner": owner}):
            holder = await self.owner(kind, value)
            if holder == owner:
                return
            # None: released between the two calls, so it may be had after all.
            if holder is not None:
                raise Taken(holder)

    @override
    async def owner(self, kind: str, value: str) -> str | None:
        held = await self._rows.get(f"{kind}/{value}")
        return None if held is None else str(held["owner"])

    @override
    async def owners_of(self, kind: str, values: Sequence[str]) -> Mapping[str, str]:
        async with answering():
            found = self._collection.find({"_id": {"$in": [f"{kind}/{value}" for value in values]}})
            return {str(raw["_id"]).removeprefix(f"{kind}/"): str(raw["owner"]) async for raw in found}

    @override
    async def release(self, kind: str, value: str, owner: str) -> None:
        async with answering():
            await self._collection.delete_one({"_id": f"{kind}/{value}", "owner": owner})
