"""Publishing what aggregates decided: at once after the write, and by a sweeper for what a crash left behind.

Published entries stay in the document until its next write drops them, or until the trimmer empties the outbox of a
document that has come to rest: one write less for each event (`docs/performance.md`). An entry may be published
twice; its id does not change, and consumers recognise it. Entries of one aggregate go out one publish after the other,
so that one that fails is not overtaken by the next.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol
from weakref import WeakValueDictionary

import structlog

from libs.common.core.background import Repeating
from libs.common.core.errors import Unavailable
from libs.common.core.metrics import Metrics
from libs.common.core.values import Clock, to_millis
from libs.common.delivery.documents import Document, Documents, Outgoing

log = structlog.get_logger()

TRIM_EVERY_S: Final = 1.0
SWEEP_LIMIT: Final = 200


class Publisher(Protocol):
    """Hands events to the broker."""

    async def publish(self, events: Sequence[Outgoing]) -> None:
        """Return when the broker has all of them, in order per key.

        Raises:
            Unavailable: the broker does not answer; some may have been published.
        """
        ...


@dataclass(slots=True)
class _Progress:
    """How far this process got with the outbox of one version: what the store holds, what the broker confirmed."""

    version: int
    entries: tuple[Outgoing, ...]
    done: set[str] = field(default_factory=set)

    def waiting(self) -> tuple[Outgoing, ...]:
        return tuple(entry for entry in self.entries if entry.meta.id not in self.done)


class Outbox:
    """The outboxes of one collection of aggregates.

    Args:
        name: of the collection, for the metrics.
        grace_s: how long an entry may wait before the sweeper takes it for left behind. Longer than a publish takes,
            or the sweeper publishes what is just being published.
    """

    def __init__(
        self,
        documents: Documents,
        publisher: Publisher,
        *,
        name: str,
        clock: Clock,
        metrics: Metrics,
        grace_s: float = 5.0,
    ) -> None:
        self._documents = documents
        self._publisher = publisher
        self._name = name
        self._clock = clock
        self._metrics = metrics
        self._grace_s = grace_s
        self._progress: dict[str, _Progress] = {}
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._trimming = Repeating("outbox.trim", TRIM_EVERY_S, self.trim)
        self._sweeping = Repeating("outbox.sweep", grace_s / 2, self.sweep)

    async def start(self) -> None:
        """Begin to trim and to sweep."""
        await self._trimming.start()
        await self._sweeping.start()

    async def stop(self) -> None:
        """End sweeping and trimming. What is left untrimmed is published once more after the next start."""
        await self._sweeping.stop()
        await self._trimming.stop()

    def remaining(self, document: Document) -> tuple[Outgoing, ...]:
        """Return the entries the next write must keep: all that the broker has not confirmed to this process."""
        progress = self._progress.get(document.key)
        return tuple(entry for entry in document.outbox if progress is None or entry.meta.id not in progress.done)

    async def publish(self, document: Document) -> None:
        """Publish what is waiting in a stored document, after what of the same aggregate is being published.

        A broker that does not answer is no error here: the sweeper comes back to it.
        """
        self._note(document)
        async with self._turns.setdefault(document.key, asyncio.Lock()):
            progress = self._progress.get(document.key)
            waiting = () if progress is None else progress.waiting()
            if waiting:
                await self._hand_over(document.key, waiting)

    async def _hand_over(self, key: str, waiting: tuple[Outgoing, ...]) -> None:
        try:
            await self._publisher.publish(waiting)
        except Unavailable:
            # Forgotten here, because another replica may be the one whose sweeper finds it.
            self._progress.pop(key, None)
            log.warning("outbox.left_waiting", subject=key, events=len(waiting))
            return
        self._metrics.outbox_published.inc(len(waiting))
        # Asked for again: a write during the publish may have replaced it.
        if (progress := self._progress.get(key)) is not None:
            progress.done.update(entry.meta.id for entry in waiting)

    def _note(self, document: Document) -> None:
        """Note what a document's outbox holds, unless something newer is known; what left it is forgotten."""
        known = self._progress.get(document.key)
        if known is not None and known.version >= document.version:
            return
        if document.outbox:
            done = known.done & {entry.meta.id for entry in document.outbox} if known else set()
            self._progress[document.key] = _Progress(document.version, document.outbox, done)
        else:
            self._progress.pop(document.key, None)

    async def trim(self) -> None:
        """Empty the outboxes that are wholly published, in documents that came to rest."""
        resting = [(key, progress) for key, progress in self._progress.items() if not progress.waiting()]
        for key, progress in resting:
            await self._documents.trim(key, progress.version)
            if self._progress.get(key) is progress:
                del self._progress[key]

    async def sweep(self) -> None:
        """Publish what has been waiting too long: its process crashed, or the broker was away."""
        now = to_millis(self._clock())
        left = await self._documents.unpublished(now - int(self._grace_s * 1000), SWEEP_LIMIT)
        oldest = min((document.outbox_at or now for document in left), default=now)
        self._metrics.outbox_oldest_seconds.labels(self._name).set((now - oldest) / 1000)
        for document in left:
            await self.publish(document)
