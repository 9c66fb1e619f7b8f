"""A store and a broker in memory that outlive the processes on them, and a way to end such a process at any step."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from typing_extensions import override

from libs.common.contracts.signatures import Signer
from libs.common.delivery.documents import Document, Documents, Outgoing
from libs.common.delivery.kafka import signed, unsigned
from libs.common.delivery.retry import RawMessage
from libs.common.testing.faults import Crash, Faults
from libs.common.testing.memory import MemoryDocuments

__all__ = ["Crash", "Faults", "FaultyDocuments", "FaultyPublisher", "Log", "LogRecord"]


class FaultyDocuments(Documents):
    """Documents whose every operation may be the last, before it takes effect or after."""

    def __init__(self, rows: MemoryDocuments, faults: Faults) -> None:
        self._rows = rows
        self._faults = faults

    async def _before(self) -> None:
        self._faults.step()
        await asyncio.sleep(0)  # others get their turn, as they do while a real store works

    @override
    async def load(self, key: str, *, fresh: bool = True) -> Document | None:
        await self._before()
        found = await self._rows.load(key, fresh=fresh)
        self._faults.step()
        return found

    @override
    async def store(self, document: Document) -> bool:
        await self._before()
        won = await self._rows.store(document)
        self._faults.step()
        return won

    @override
    async def trim(self, key: str, version: int) -> bool:
        await self._before()
        done = await self._rows.trim(key, version)
        self._faults.step()
        return done

    @override
    async def unpublished(self, before: int, limit: int) -> Sequence[Document]:
        await self._before()
        return await self._rows.unpublished(before, limit)

    @override
    async def due(self, now: int, limit: int) -> Sequence[tuple[str, int]]:
        await self._before()
        return await self._rows.due(now, limit)

    @override
    async def claim(self, key: str, wake_at: int, until: int) -> bool:
        await self._before()
        won = await self._rows.claim(key, wake_at, until)
        self._faults.step()
        return won

    @override
    async def find(
        self, where: Mapping[str, Any], limit: int, *, order: str | None = None, after: tuple[Any, str] | None = None
    ) -> Sequence[Document]:
        await self._before()
        return await self._rows.find(where, limit, order=order, after=after)

    @override
    async def count(self, where: Mapping[str, Any]) -> int:
        await self._before()
        return await self._rows.count(where)

    @override
    async def values(self, where: Mapping[str, Any], path: str) -> Sequence[Any]:
        await self._before()
        return await self._rows.values(where, path)

    @override
    async def page(self, after: str, limit: int) -> Sequence[Document]:
        await self._before()
        return await self._rows.page(after, limit)


@dataclass(frozen=True)
class LogRecord:
    """A record of the log, as a consumer reads it."""

    topic: str
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    partition: int = 0


@dataclass
class Log:
    """A broker that keeps everything, with what each consumer group committed."""

    records: list[LogRecord] = field(default_factory=list)
    published: list[Outgoing] = field(default_factory=list)
    committed: dict[str, int] = field(default_factory=dict)
    signers: Mapping[str, Signer] | None = None
    """By the name of a service; without them nothing is signed."""

    def append(self, event: Outgoing) -> None:
        self.published.append(event)
        self.append_raw(unsigned(event) if self.signers is None else signed(event, self.signers[event.meta.source]))

    def append_raw(self, message: RawMessage) -> None:
        self.records.append(LogRecord(message.topic, len(self.records), message.key, message.value, message.headers))


class FaultyPublisher:
    """Writes to the log, event by event; the process may end between any two."""

    def __init__(self, log: Log, faults: Faults) -> None:
        self._log = log
        self._faults = faults

    async def publish(self, events: Sequence[Outgoing]) -> None:
        for event in events:
            self._faults.step()
            await asyncio.sleep(0)
            self._log.append(event)
        self._faults.step()

    async def publish_raw(self, message: RawMessage) -> None:
        self._faults.step()
        self._log.append_raw(message)
