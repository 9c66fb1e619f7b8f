"""Aggregates and reservations in memory. One contract test holds them to the real ones."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from typing_extensions import override

from libs.common.delivery.documents import Document, Documents
from libs.common.storage.reservations import Reservations, Taken


class MemoryDocuments(Documents):
    """One collection of aggregates in a dictionary."""

    def __init__(self) -> None:
        self.rows: dict[str, Document] = {}

    @override
    async def load(self, key: str, *, fresh: bool = True) -> Document | None:
        return self.rows.get(key)

    @override
    async def store(self, document: Document) -> bool:
        present = self.rows.get(document.key)
        if (0 if present is None else present.version) != document.version - 1:
            return False
        # What a store cannot hold must not slip through in tests.
        self.rows[document.key] = replace(document, state=json.loads(json.dumps(document.state)))
        return True

    @override
    async def trim(self, key: str, version: int) -> bool:
        present = self.rows.get(key)
        if present is None or present.version != version:
            return False
        self.rows[key] = replace(present, outbox=(), outbox_at=None)
        return True

    @override
    async def unpublished(self, before: int, limit: int) -> Sequence[Document]:
        waiting = [(row.outbox_at, row) for row in self.rows.values() if row.outbox_at is not None]
        return [row for at, row in sorted(waiting, key=lambda pair: pair[0]) if at <= before][:limit]

    @override
    async def due(self, now: int, limit: int) -> Sequence[tuple[str, int]]:
        waiting = [(row.key, row.wake_at) for row in self.rows.values() if row.wake_at is not None]
        return [(key, at) for key, at in sorted(waiting, key=lambda pair: pair[1]) if at <= now][:limit]

    @override
    async def claim(self, key: str, wake_at: int, until: int) -> bool:
        present = self.rows.get(key)
        if present is None or present.wake_at != wake_at:
            return False
        self.rows[key] = replace(present, wake_at=until)
        return True

    @override
    async def find(
        self, where: Mapping[str, Any], limit: int, *, order: str | None = None, after: tuple[Any, str] | None = None
    ) -> Sequence[Document]:
        found = self._where(where)
        if order is not None:
            places = {row.key: (_at(row.state, order), row.key) for row in found}
            found = sorted(found, key=lambda row: places[row.key])
            found = [row for row in found if after is None or places[row.key] > after]
        return found[:limit]

    @override
    async def count(self, where: Mapping[str, Any]) -> int:
        return len(self._where(where))

    @override
    async def values(self, where: Mapping[str, Any], path: str) -> Sequence[Any]:
        return [_at(row.state, path) for row in self._where(where)]

    @override
    async def page(self, after: str, limit: int) -> Sequence[Document]:
        return [row for key, row in sorted(self.rows.items()) if key > after][:limit]

    def _where(self, where: Mapping[str, Any]) -> list[Document]:
        return [row for row in self.rows.values() if all(_holds(row.state, *each) for each in where.items())]


def _at(state: Mapping[str, Any], path: str) -> Any:
    value: Any = state
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _holds(state: Mapping[str, Any], path: str, wanted: Any) -> bool:
    """Compare as MongoDB does: what is missing is None, and a list holds each of its members."""
    value = _at(state, path)
    return bool(value == wanted or (isinstance(value, list) and wanted in value))


class MemoryReservations(Reservations):
    """Unique facts in a dictionary."""

    def __init__(self) -> None:
        self.owners: dict[tuple[str, str], str] = {}

    @override
    async def take(self, kind: str, value: str, owner: str) -> None:
        held = self.owners.setdefault((kind, value), owner)
        if held != owner:
            raise Taken(held)

    @override
    async def owner(self, kind: str, value: str) -> str | None:
        return self.owners.get((kind, value))

    @override
    async def owners_of(self, kind: str, values: Sequence[str]) -> Mapping[str, str]:
        return {value: self.owners[kind, value] for value in values if (kind, value) in self.owners}

    @override
    async def release(self, kind: str, value: str, owner: str) -> None:
        if self.owners.get((kind, value)) == owner:
            del self.owners[kind, value]
