"""Publishing what aggregates decided: at once after the write, and by a sweeper for what a crash left behind.

Published entries stay in the document until its next write drops them, or until the trimmer empties the outbox of a
document that has come to rest: one write less for each event (`docs/performance.md`). An entry may be published
twice; its id does not change, and consumers recognise it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import structlog

from libs.common.background import Repeating
from libs.common.documents import Document, Documents, Outgoing
from libs.common.errors import Unavailable
from libs.common.metrics import Metrics
from libs.common.values import Clock

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
    """How far this process got with one stored outbox: ids held by the store, begun, and confirmed by the broker."""

    version: int
    held: frozenset[str]
    begun: set[str] = field(default_factory=set)
    done: set[str] = field(default_factory=set)


class Outbox:
    """The outboxes of one collection of aggregates.

    Args:
        grace_s: how long an entry may wait before the sweeper takes it for left behind. Longer than a publish takes,
            or the sweeper publishes what is just being published.
    """

    def __init__(
        self, documents: Documents, publisher: Publisher, *, clock: Clock, metrics: Metrics, grace_s: float = 5.0
    ) -> None:
        self._documents = documents
        self._publisher = publisher
        self._clock = clock
        self._metrics = metrics
        self._grace_s = grace_s
        self._progress: dict[str, _Progress] = {}
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

    def stored(self, document: Document) -> None:
        """Note what a document's outbox holds now; progress with entries that left it is forgotten."""
        old = self._progress.pop(document.key, None)
        held = frozenset(entry.meta.id for entry in document.outbox)
        if held:
            begun, done = (set(old.begun & held), set(old.done & held)) if old else (set(), set())
            self._progress[document.key] = _Progress(document.version, held, begun, done)

    def unsent(self, document: Document) -> tuple[Outgoing, ...]:
        """Give the entries of a document that this process has not published and is not publishing."""
        progress = self._progress.get(document.key)
        return tuple(entry for entry in document.outbox if progress is None or entry.meta.id not in progress.begun)

    def remaining(self, document: Document) -> tuple[Outgoing, ...]:
        """Give the entries the next write must keep: all that the broker has not confirmed to this process."""
        progress = self._progress.get(document.key)
        return tuple(entry for entry in document.outbox if progress is None or entry.meta.id not in progress.done)

    async def publish(self, document: Document) -> None:
        """Publish what is waiting. A broker that does not answer is no error here: the sweeper comes back to it."""
        known = self._progress.get(document.key)
        if known is None or known.version < document.version:
            self.stored(document)
        waiting = self.unsent(document)
        progress = self._progress.get(document.key)
        if not waiting or progress is None:
            return
        ids = {entry.meta.id for entry in waiting}
        progress.begun |= ids
        try:
            await self._publisher.publish(waiting)
        except Unavailable:
            self._current(document.key, progress).begun.difference_update(ids)
            log.warning("outbox.left_waiting", subject=document.key, events=len(waiting))
        except BaseException:
            self._current(document.key, progress).begun.difference_update(ids)
            raise
        else:
            current = self._current(document.key, progress)
            current.done |= ids & current.held
            self._metrics.outbox_published.inc(len(waiting))

    def _current(self, key: str, default: _Progress) -> _Progress:
        """Give today's progress of a key: a write during the publish may have replaced it."""
        return self._progress.get(key, default)

    async def trim(self) -> None:
        """Empty the outboxes that are wholly published, in documents that came to rest."""
        resting = [(key, progress) for key, progress in self._progress.items() if progress.done >= progress.held]
        for key, progress in resting:
            await self._documents.trim(key, progress.version)
            if self._progress.get(key) is progress:
                del self._progress[key]

    async def sweep(self) -> None:
        """Publish what has been waiting too long: its process crashed, or the broker was away."""
        now = int(self._clock().timestamp() * 1000)
        left = await self._documents.unpublished(now - int(self._grace_s * 1000), SWEEP_LIMIT)
        oldest = min((document.outbox_at or now for document in left), default=now)
        self._metrics.outbox_oldest_seconds.set((now - oldest) / 1000)
        for document in left:
            await self.publish(document)
