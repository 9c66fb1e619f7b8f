"""What the citizen is shown on the way, and waiting for others to do their part."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol, TypeVar

from libs.citizen.errors import ProblemError, WaitedTooLong

T = TypeVar("T")


@dataclass(frozen=True)
class ProgressLine:
    """One line of what the citizen is shown.

    Attributes:
        detail: what the text of the key needs.
        text: the words of a service, which are shown in place of ours.
    """

    at: datetime
    key: str
    detail: Mapping[str, object] = field(default_factory=dict)
    text: str = ""


class ProgressSink(Protocol):
    """Takes lines of progress as they come: prints, collects or drops them."""

    def __call__(self, progress: ProgressLine, /) -> None:
        """Take one line."""
        ...


_PEOPLE: Final = frozenset({"clerk", "officer", "ministry"})


@dataclass(frozen=True)
class WaitLimits:
    """How long to wait for a step of others, and how often to ask, in seconds.

    `machines` is for what the services do by themselves, `people` for clerks, officers and other authorities.
    """

    machines: float = 120.0
    people: float = 7 * 24 * 3600.0
    first: float = 0.1
    longest: float = 2.0

    def seconds(self, waits_for: str | None) -> float:
        """Return how long to wait for whoever is to act."""
        by_people = waits_for is not None and waits_for.partition(".")[0] in _PEOPLE
        return self.people if by_people else self.machines


DEFAULT_LIMITS: Final = WaitLimits()


async def wait_until(
    fetch: Callable[[], Awaitable[T]],
    ready: Callable[[T], bool],
    *,
    seconds: Callable[[T], float],
    waiting: WaitLimits = DEFAULT_LIMITS,
) -> T:
    """Fetch a state repeatedly until it is `ready`, and return it.

    Args:
        fetch: fetches the present state; it may report progress, and its errors end the waiting.
        ready: whether this state is what we wait for.
        seconds: how long a state seen may last. The time begins anew whenever the state changes.
        waiting: how often to fetch.

    Raises:
        WaitedTooLong: nothing changed for so long.
    """
    pause = waiting.first
    seen, since = await fetch(), time.monotonic()
    while not ready(seen):
        if time.monotonic() - since > seconds(seen):
            raise WaitedTooLong("wait.too_long")
        await asyncio.sleep(pause)
        pause = min(waiting.longest, pause * 1.5)
        now = await fetch()
        if now != seen:
            seen, since, pause = now, time.monotonic(), waiting.first
    return seen


async def once_known(call: Callable[[], Awaitable[T]], *not_yet: str, waiting: WaitLimits) -> T:
    """Make a call that a service refuses with one of the keys `not_yet` until it has heard of an earlier step.

    Services learn of each other's facts a moment later; a person who clicks fast need not notice.
    """
    deadline, pause = time.monotonic() + waiting.machines, waiting.first
    while True:
        try:
            return await call()
        except ProblemError as problem:
            if problem.key not in not_yet or time.monotonic() + pause > deadline:
                raise
        await asyncio.sleep(pause)
        pause = min(waiting.longest, pause * 1.5)
