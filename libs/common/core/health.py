"""Whether a service is alive (its loops make progress) and ready (what it stands on answers).

A consumer that silently stopped looks healthy to everything but a look at its progress; therefore liveness
is a set of probes that the loops themselves beat.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, Protocol

from prometheus_client import Gauge

Check = Callable[[], Awaitable[object]]
"""Asks something the service stands on; raises if it does not answer."""

_CHECK_TIMEOUT_S: Final = 2.0


class Component(Protocol):
    """Something that runs as long as the service does. Started in order, stopped in reverse order."""

    async def start(self) -> None:
        """Begin. When it returns the component works; when it raises nothing is left running."""
        ...

    async def stop(self) -> None:
        """Finish the work in hand and end. Called once, and only after a start that succeeded."""
        ...


@dataclass(slots=True)
class Probe:
    """The pulse of one loop."""

    stale_after_s: float
    _monotonic: Callable[[], float]
    _last: float = field(init=False)

    def __post_init__(self) -> None:
        self.beat()

    def beat(self) -> None:
        """Say that progress was made, be it that there was nothing to do."""
        self._last = self._monotonic()

    @property
    def age_s(self) -> float:
        """Seconds since the last beat."""
        return self._monotonic() - self._last

    @property
    def stalled(self) -> bool:
        """Whether the last beat is too long ago."""
        return self.age_s > self.stale_after_s


class Health:
    """The probes and checks of one service.

    Args:
        monotonic: seconds on a clock that never goes back.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._probes: dict[str, Probe] = {}
        self._checks: dict[str, Check] = {}
        self.notes: Final[dict[str, str]] = {}
        """What whoever asks for readiness should know besides: it makes nobody unready."""

    def probe(self, name: str, stale_after_s: float = 60.0) -> Probe:
        """Add a liveness probe. Its loop must beat more often than every `stale_after_s` seconds."""
        if name in self._probes:
            raise ValueError(f"there is a liveness probe {name!r} already")
        probe = self._probes[name] = Probe(stale_after_s, self._monotonic)
        return probe

    def check(self, name: str, check: Check) -> None:
        """Add a readiness check."""
        if name in self._checks:
            raise ValueError(f"there is a readiness check {name!r} already")
        self._checks[name] = check

    def stalled(self) -> Mapping[str, float]:
        """Name the loops that make no progress, with the seconds since their last beat."""
        return {name: round(probe.age_s, 1) for name, probe in self._probes.items() if probe.stalled}

    async def unready(self) -> tuple[str, ...]:
        """Name what does not answer within two seconds."""
        answers = await asyncio.gather(*(_answers(check) for check in self._checks.values()))
        return tuple(name for name, answered in zip(self._checks, answers, strict=True) if not answered)


async def _answers(check: Check) -> bool:
    try:
        async with asyncio.timeout(_CHECK_TIMEOUT_S):
            await check()
    except Exception:  # noqa: BLE001 - whatever a driver raises, the meaning is the same: it does not answer
        return False
    return True


class LoopLag:
    """Measures how late the event loop is, once a second: the first sign of blocking work on it."""

    def __init__(self, gauge: Gauge, interval_s: float = 1.0) -> None:
        self._gauge = gauge
        self._interval_s = interval_s
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to measure."""
        self._task = asyncio.create_task(self._measure(), name="event-loop-lag")

    async def stop(self) -> None:
        """End."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _measure(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + self._interval_s
            await asyncio.sleep(self._interval_s)
            self._gauge.set(max(0.0, loop.time() - due))
