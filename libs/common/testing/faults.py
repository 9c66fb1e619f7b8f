"""Ends a process at any of its steps: before a call to the store or the broker takes effect, or after."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

T = TypeVar("T")


class Crash(BaseException):
    """The process ends here: nothing catches it, as nothing catches kill -9."""


class Faults:
    """Counts the steps of a process and ends it at the given ones. A dead process takes no further step."""

    def __init__(self, *at: int) -> None:
        self._at = frozenset(at)
        self.steps = 0
        self.dead = False

    def step(self) -> None:
        """Take one step.

        Raises:
            Crash: it was the last.
        """
        if self.dead:
            raise Crash
        self.steps += 1
        if self.steps in self._at:
            self.dead = True
            raise Crash

    def revive(self) -> None:
        """Let the next process take steps."""
        self.dead = False


def faulty(port: T, faults: Faults) -> T:
    """Return a port whose every call may be the last: a step before it takes effect, and one after."""
    return cast("T", _Faulty(port, faults))


class _Faulty:
    def __init__(self, port: object, faults: Faults) -> None:
        self._port = port
        self._faults = faults

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        method: Callable[..., Awaitable[Any]] = getattr(self._port, name)

        async def call(*args: Any, **named: Any) -> Any:
            self._faults.step()
            await asyncio.sleep(0)  # others get their turn, as they do while a real store works
            result = await method(*args, **named)
            self._faults.step()
            return result

        return call
