"""Work that repeats in the background for as long as a service runs."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

import structlog

from libs.common.core.errors import Interrupted, Unavailable

log = structlog.get_logger()

T = TypeVar("T")


async def uninterrupted(work: Awaitable[T]) -> T:
    """Await work, and tell a cancellation that came from within it from one of the task that awaits it.

    Python has one exception for both. Taken for the second, the first ends a loop, or drops a message, without a word.

    Raises:
        Interrupted: something the work waited for was cancelled.
        asyncio.CancelledError: the present task is being cancelled.
    """
    try:
        return await work
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise Interrupted("what was waited for was cancelled") from error


class Repeating:
    """Calls a function again and again, with a pause between. A failing call is logged and does not end it.

    Args:
        name: stands in the log.
        every_s: the pause, in seconds, spread by a tenth so that replicas do not move in step.
        work: what is called.
    """

    def __init__(self, name: str, every_s: float, work: Callable[[], Awaitable[None]]) -> None:
        self.name = name
        self._every_s = every_s
        self._work = work
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin. The first call comes after the first pause."""
        self._task = asyncio.create_task(self._run(), name=self.name)

    async def stop(self) -> None:
        """End, in the middle of a call if need be."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def once(self) -> None:
        """Call the function now; its errors are the caller's."""
        await uninterrupted(self._work())

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._every_s * random.uniform(0.9, 1.1))  # noqa: S311 - a spread, not a secret
            try:
                await self.once()
            except Unavailable as error:
                log.warning("background.waiting", work=self.name, reason=str(error))
            except Exception:
                log.exception("background.failed", work=self.name)
