"""Timers as data: an aggregate says when it wants to be woken, and is, whatever restarts in between.

The same mechanism drives effects on the world outside. A decision that asks for one stores the wish with a time that
has come; the wake does the effect and takes in its outcome. A crash in between leaves the wish in the store, and the
effect is done again under the same idempotency key.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import structlog

from libs.common.core.background import Repeating, uninterrupted
from libs.common.core.errors import Unavailable
from libs.common.core.metrics import Metrics
from libs.common.core.values import Clock, to_millis
from libs.common.delivery.documents import Documents

log = structlog.get_logger()

SWEEP_EVERY_S: Final = 0.5
SWEEP_LIMIT: Final = 500

Wake = Callable[[str, datetime], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Nudge:
    """An aggregate that wants to be woken now.

    Args:
        wake_at: what its document says. Where the wake is ``held`` for this process, that is when the hold ends.
    """

    key: str
    wake_at: int
    held: bool = False


class Nudges:
    """Work that is due at once, announced within the process so that it need not wait for the next sweep."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[str] = asyncio.Queue()
        self._announced: dict[str, Nudge] = {}
        self._idle = 0
        self.lease_ms = 0
        """For how long a wake is held; whoever does the wakes says so."""

    def add(self, nudge: Nudge) -> None:
        """Announce an aggregate. What was announced of it before, and nobody has begun, this replaces."""
        if nudge.key not in self._announced:
            self._queue.put_nowait(nudge.key)
        self._announced[nudge.key] = nudge

    def __contains__(self, key: str) -> bool:
        """Return whether an aggregate was announced, and nobody has begun."""
        return key in self._announced

    def hold(self, now: int) -> int | None:
        """Return until when this process may hold a wake that falls due with a write: None if no worker is idle here.

        The write then is the claim. What nobody here has time for is left for all replicas.
        """
        return now + self.lease_ms if self._idle > self._queue.qsize() else None

    def take(self) -> Nudge | None:
        """Return the next announcement, or None if there is none."""
        return None if self._queue.empty() else self._announced.pop(self._queue.get_nowait())

    async def next(self) -> Nudge:
        """Wait for the next announcement, idly."""
        self._idle += 1
        try:
            return self._announced.pop(await self._queue.get())
        finally:
            self._idle -= 1


class Timers:
    """Wakes the aggregates of one collection when their time has come.

    A wake is claimed first, by moving `wake_at` one lease ahead, so that of several replicas one gets it; where the
    write that asked for it was made here, and a worker was idle, it did so already. A wake that fails or dies is due
    again when its lease ends; the decision that follows a successful one states the next time.

    Args:
        name: of the collection, for the metrics.
        wake: takes a key and the present time. Its errors are logged; the lease bounds how often it is tried again.
        lease_s: how long a wake may take; it is cut off then, because the next may begin elsewhere.
        parallel: how many aggregates are woken side by side.
    """

    def __init__(
        self,
        documents: Documents,
        nudges: Nudges,
        wake: Wake,
        *,
        name: str,
        clock: Clock,
        metrics: Metrics,
        lease_s: float = 30.0,
        parallel: int = 8,
    ) -> None:
        self._documents = documents
        self._nudges = nudges
        self._wake = wake
        self._name = name
        self._clock = clock
        self._metrics = metrics
        self._lease_ms = nudges.lease_ms = int(lease_s * 1000)
        self._parallel = parallel
        self._workers: list[asyncio.Task[None]] = []
        self._sweeping = Repeating("timers.sweep", SWEEP_EVERY_S, self.sweep)

    async def start(self) -> None:
        """Begin to wake."""
        self._workers = [asyncio.create_task(self._work(), name=f"timers.{n}") for n in range(self._parallel)]
        await self._sweeping.start()

    async def stop(self) -> None:
        """Stop waking. A wake in progress is cut off; its lease brings it back."""
        await self._sweeping.stop()
        for worker in self._workers:
            worker.cancel()
        for worker in self._workers:
            with suppress(asyncio.CancelledError):
                await worker

    async def sweep(self) -> None:
        """Find what is due and hand it to the workers."""
        now = self._now()
        due = await self._documents.due(now, SWEEP_LIMIT)
        self._metrics.timers_overdue_seconds.labels(self._name).set((now - due[0][1]) / 1000 if due else 0)
        for key, wake_at in due:
            if key not in self._nudges:
                self._nudges.add(Nudge(key, wake_at))

    async def run_due(self) -> int:
        """Do the wakes that are due, one after the other, and return how many: for who runs no workers."""
        await self.sweep()
        done = 0
        while (nudge := self._nudges.take()) is not None:
            await self._attempt(nudge)
            done += 1
        return done

    async def run_once(self, key: str, wake_at: int) -> bool:
        """Claim one wake and do it. False: somebody else has it, or it was put off.

        Raises:
            TimeoutError: the wake took longer than the lease.
            Exception: whatever the wake raised; it is due again when the lease ends.
        """
        until = self._now() + self._lease_ms
        if not await self._documents.claim(key, wake_at, until):
            return False
        await self._fire(key, until)
        return True

    async def _fire(self, key: str, until: int) -> None:
        """Do a wake that is this process's until then; too late, it is left to whoever claims it next."""
        if (left := until - self._now()) <= 0:
            return
        self._metrics.timers_fired.labels(self._name).inc()
        async with asyncio.timeout(left / 1000):
            await self._wake(key, self._clock())

    async def _work(self) -> None:
        while True:
            await self._attempt(await self._nudges.next())

    async def _attempt(self, nudge: Nudge) -> None:
        """Do a wake; what it raises is logged, and the lease brings it back."""
        try:
            await uninterrupted(self._take(nudge))
        except Unavailable as error:
            log.warning("timer.waiting", subject=nudge.key, reason=str(error))
        except Exception:
            log.exception("timer.failed", subject=nudge.key)

    async def _take(self, nudge: Nudge) -> None:
        if nudge.held:
            await self._fire(nudge.key, nudge.wake_at)
        else:
            await self.run_once(nudge.key, nudge.wake_at)

    def _now(self) -> int:
        return to_millis(self._clock())
