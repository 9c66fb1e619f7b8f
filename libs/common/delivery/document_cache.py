"""Keeping the documents this process wrote last, so that the next message for them needs no read of the store.

Messages of one journey come close together and, by their key, to one process: most loads are of a document this very
process has just written. Writes stay conditional on the version, so a memory that is out of date costs a lost race,
never a lost fact.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from typing_extensions import override

from libs.common.delivery.documents import Document, Documents

REMEMBERED: Final = 2000


class CachedDocuments(Documents):
    """A collection with a memory in front. Only `load` with ``fresh=False`` answers from it."""

    def __init__(self, documents: Documents, remembered: int = REMEMBERED) -> None:
        self._documents = documents
        self._remembered = remembered
        self._cached: OrderedDict[str, Document] = OrderedDict()

    @override
    async def load(self, key: str, *, fresh: bool = True) -> Document | None:
        if not fresh and key in self._cached:
            return self._cached[key]
        return await self._documents.load(key)

    @override
    async def store(self, document: Document) -> bool:
        # Forgotten first: if the store does not answer, nobody knows what it holds.
        self._cached.pop(document.key, None)
        stored = await self._documents.store(document)
        if stored:
            self._remember(document)
        return stored

    @override
    async def trim(self, key: str, version: int) -> bool:
        trimmed = await self._documents.trim(key, version)
        present = self._cached.get(key)
        if trimmed and present is not None and present.version == version:
            self._cached[key] = replace(present, outbox=(), outbox_at=None)
        return trimmed

    @override
    async def unpublished(self, before: int, limit: int) -> Sequence[Document]:
        return await self._documents.unpublished(before, limit)

    @override
    async def due(self, now: int, limit: int) -> Sequence[tuple[str, int]]:
        return await self._documents.due(now, limit)

    @override
    async def claim(self, key: str, wake_at: int, until: int) -> bool:
        claimed = await self._documents.claim(key, wake_at, until)
        present = self._cached.get(key)
        if claimed and present is not None and present.wake_at == wake_at:
            self._cached[key] = replace(present, wake_at=until)
        elif claimed:
            self._cached.pop(key, None)  # what was claimed is not what is remembered
        return claimed

    @override
    async def find(
        self, where: Mapping[str, Any], limit: int, *, order: str | None = None, after: tuple[Any, str] | None = None
    ) -> Sequence[Document]:
        return await self._documents.find(where, limit, order=order, after=after)

    @override
    async def count(self, where: Mapping[str, Any]) -> int:
        return await self._documents.count(where)

    @override
    async def values(self, where: Mapping[str, Any], path: str) -> Sequence[Any]:
        return await self._documents.values(where, path)

    @override
    async def page(self, after: str, limit: int) -> Sequence[Document]:
        return await self._documents.page(after, limit)

    def _remember(self, document: Document) -> None:
        # Two writers of one process may come back in the other order than the store took them.
        present = self._cached.get(document.key)
        if present is None or present.version < document.version:
            self._cached[document.key] = document
        while len(self._cached) > self._remembered:
            self._cached.popitem(last=False)
