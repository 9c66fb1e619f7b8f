"""Timers as data: an aggregate says when it wants to be woken, and is, whatever restarts in between.

The same mechanism drives effects on the world outside. A decision that asks for one stores the wish with a time that
has come; the wake does the effect and takes in its outcome. A crash in between leaves the wish in the store, and the
effect is done again under the same idempotency key.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime
from typing import Final

import structlog

from libs.common.background import Repeating, uninterrupted
from libs.common.documents import Documents
from libs.common.errors import Unavailable
from libs.common.metrics import Metrics
from libs.common.values import Clock, to_millis

log = structlog.get_logger()

SWEEP_EVERY_S: Final = 0.5
SWEEP_LIMIT: Final = 500

Wake = Callable[[str, datetime], Awaitable[None]]


class Nudges:
    """Work that is due at once, told within the process so that it need not wait for the next sweep."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[tuple[str, int]] = asyncio.Queue()

    def add(self, key: str, wake_at: int) -> None:
        """Announce an aggregate that wants to be woken now."""
        self._queue.put_nowait((key, wake_at))

    async def next(self) -> tuple[str, int]:
        """Wait for the next announcement."""
        return await self._queue.get()


class Timers:
    """Wakes the aggregates of one collection when their time has come.

    A wake is claimed first, by moving `wake_at` one lease ahead, so that of several replicas one gets it. A wake that
    fails or dies is due again when its lease ends; the decision that follows a successful one states the next time.

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
        self._lease_ms = int(lease_s * 1000)
        self._parallel = parallel
        self._pending: set[str] = set()
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
            if key not in self._pending:
                self._pending.add(key)
                self._nudges.add(key, wake_at)

    async def run_once(self, key: str, wake_at: int) -> bool:
        """Claim one wake and do it. False: somebody else has it, or it was put off.

        Raises:
            TimeoutError: the wake took longer than the lease.
            Exception: whatever the wake raised; it is due again when the lease ends.
        """
        if not await self._documents.claim(key, wake_at, self._now() + self._lease_ms):
            return False
        self._metrics.timers_fired.labels(self._name).inc()
        async with asyncio.timeout(self._lease_ms / 1000):
            await self._wake(key, self._clock())
        return True

    async def _work(self) -> None:
        while True:
            key, wake_at = await self._nudges.next()
            try:
                await uninterrupted(self.run_once(key, wake_at))
            except Unavailable as error:
                log.warning("timer.waiting", subject=key, reason=str(error))
            except Exception:
                log.exception("timer.failed", subject=key)
            finally:
                self._pending.discard(key)

    def _now(self) -> int:
        return to_millis(self._clock())
