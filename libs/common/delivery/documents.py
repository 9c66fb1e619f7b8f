"""What the delivery engine asks of a store, whichever it is: one document an aggregate, written conditionally.

`libs.common.delivery.mongo_documents` fulfils it on the MongoDB protocol, `libs.common.testing.memory` in memory; one
contract test holds both to the same behaviour.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from libs.common.contracts.events import Meta

Searched = Sequence[str | tuple[str, ...]]
"""Dotted paths of the state that are searched; several together where they are searched and sorted together."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """An event that was decided and is to be published: its identity is fixed here, once."""

    topic: str
    meta: Meta
    value: str


@dataclass(frozen=True, slots=True)
class Document:
    """An aggregate at rest.

    Args:
        key: the journey, application or citizen.
        version: counts the writes; every write is conditional on it.
        state: the aggregate's state as JSON-compatible data, personal fields sealed.
        outbox: events decided and perhaps not yet published, in order.
        handled: ids of the messages this aggregate has taken in, oldest first.
        wake_at: when the aggregate wants to be woken, in milliseconds since 1970, or None.
        outbox_at: since when the outbox has been waiting, in milliseconds since 1970, or None when it is empty.
    """

    key: str
    version: int
    state: Mapping[str, Any]
    outbox: tuple[Outgoing, ...] = ()
    handled: tuple[str, ...] = ()
    wake_at: int | None = None
    outbox_at: int | None = None


class Documents(Protocol):
    """One collection of aggregates. Every method may raise `Unavailable`, and then the outcome is unknown."""

    async def load(self, key: str, *, fresh: bool = True) -> Document | None:
        """Return the document, or None. Not ``fresh``: one this process knows will do, even if others wrote since."""
        ...

    async def store(self, document: Document) -> bool:
        """Write version n only over version n-1 (version 1 only where there is nothing). False: somebody else won."""
        ...

    async def trim(self, key: str, version: int) -> bool:
        """Empty the outbox if the document still has this version. Does not count as a write."""
        ...

    async def unpublished(self, before: int, limit: int) -> Sequence[Document]:
        """Return documents whose outbox has been waiting since before this time, oldest first."""
        ...

    async def due(self, now: int, limit: int) -> Sequence[tuple[str, int]]:
        """Return keys, with their `wake_at`, of documents that want to be woken, the longest overdue first."""
        ...

    async def claim(self, key: str, wake_at: int, until: int) -> bool:
        """Move `wake_at` to ``until`` if it still is what the caller saw. False: somebody else claimed it."""
        ...

    async def find(
        self, where: Mapping[str, Any], limit: int, *, order: str | None = None, after: tuple[Any, str] | None = None
    ) -> Sequence[Document]:
        """Return documents whose state has these values at these (dotted) paths.

        ``order`` sorts by the value at a path, which they all have, and then by key; ``after`` is such a value and key,
        and what comes up to it is left out.
        """
        ...

    async def count(self, where: Mapping[str, Any]) -> int:
        """Count such documents."""
        ...

    async def values(self, where: Mapping[str, Any], path: str) -> Sequence[Any]:
        """Return what such documents have at a path, in no order, without reading the rest of them."""
        ...

    async def page(self, after: str, limit: int) -> Sequence[Document]:
        """Return documents in the order of their keys, those behind ``after`` (the first ones: behind "")."""
        ...
