"""The queue of face checks that wait for analysis, over all instances."""

import asyncio
from bisect import bisect_left
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from libs.common.core.values import Clock
from libs.common.delivery.aggregates import Aggregates
from services.biometrics.check.states import CheckState

READ_EVERY: Final = timedelta(seconds=1)
PATIENCE: Final = 20
"""Reading takes at most one part in so many of the time: a slow store is not asked more often than it can answer."""


class AnalysisQueue:
    """Knows since when each face check waits. One read of the store answers all who ask within a second or longer.

    Counting for each of those who wait would be costly just when the queue is long.
    """

    def __init__(self, checks: Aggregates[CheckState], clock: Clock) -> None:
        self._checks = checks
        self._clock = clock
        self._turn = asyncio.Lock()
        self._since: Sequence[datetime] = ()
        self._good: tuple[datetime, datetime] | None = None

    async def length(self) -> int:
        """Return how many wait."""
        return len(await self._read())

    async def before(self, since: datetime) -> int:
        """Return how many have waited for longer than somebody who came then."""
        return bisect_left(await self._read(), since)

    async def _read(self) -> Sequence[datetime]:
        async with self._turn:
            began = self._clock()
            # Between two times, so that a clock that is set back does not hold up the queue.
            if self._good is None or not self._good[0] <= began < self._good[1]:
                found = await self._checks.values({"kind": "analysing"}, "since")
                self._since = sorted(datetime.fromisoformat(since) for since in found)
                self._good = began, began + max(READ_EVERY, PATIENCE * (self._clock() - began))
            return self._since
