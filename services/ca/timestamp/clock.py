"""Whether the clock may be believed."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

import structlog

from libs.common.core.values import Clock

QUARANTINE: Final = timedelta(minutes=5)
"""How long a clock is doubted after it jumped: long enough for whatever set it to settle, or to be noticed."""

_TRIES: Final = 20
"""How often both clocks are read at most, until that was done without being held up in between."""

log = structlog.get_logger()


class WatchedClock:
    """Compares the wall clock with one that only ever runs forward.

    Between two readings both must have gone on by the same time. If not, somebody set the wall clock: it was wrong
    before or is wrong now, and nobody here can tell which. It is doubted until it ran evenly for `QUARANTINE`.
    A clock that is wrong but steady is not found out: that is for the machine's time service and its alarms.

    Args:
        tolerance: by how much the two may come apart, since the last jump.
        monotonic: seconds on a clock that never goes back.
    """

    def __init__(self, clock: Clock, monotonic: Callable[[], float], tolerance: timedelta) -> None:
        self._clock = clock
        self._monotonic = monotonic
        self._tolerance = tolerance
        self._wall, self._steady = self._read()
        self._doubted_since: float | None = None

    def now(self) -> datetime | None:
        """Return the time, or None while it is in doubt."""
        wall, steady = self._read()
        apart = (wall - self._wall) - timedelta(seconds=steady - self._steady)
        if abs(apart) > self._tolerance:
            log.error("clock.jumped", seconds=apart.total_seconds())
            self._wall, self._steady, self._doubted_since = wall, steady, steady
        if self._doubted_since is not None and steady - self._doubted_since >= QUARANTINE.total_seconds():
            self._wall, self._steady, self._doubted_since = wall, steady, None
        return None if self._doubted_since is not None else wall

    def _read(self) -> tuple[datetime, float]:
        """Read both at one moment. A process that was held up between them saw two, and reads again."""
        for _ in range(_TRIES):
            before, wall = self._monotonic(), self._clock()
            if self._monotonic() - before < self._tolerance.total_seconds() / 4:
                break
        return wall, before
