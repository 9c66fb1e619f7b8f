"""Calls that wait at the same moment travel together: one round trip for all of them, and an outcome for each.

While one is under way, those that come meanwhile wait for the next; a call that is alone goes at once. The same idea
as group commit in a database's log.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")

LIMIT: Final = 64


class Batching(Generic[T, R]):
    """Gathers calls of one kind.

    Args:
        send: does what a number of calls ask for, and gives the outcome of each, in their order. What it raises, all of
            them raise.
        limit: how many travel together at most.
    """

    def __init__(self, send: Callable[[Sequence[T]], Awaitable[Sequence[R]]], limit: int = LIMIT) -> None:
        self._send = send
        self._limit = limit
        self._waiting: list[tuple[T, asyncio.Future[R]]] = []
        self._sending: asyncio.Task[None] | None = None

    async def __call__(self, asked: T) -> R:
        """Ask, and wait for the outcome. Who gives up before it was sent is not sent; the others go their way."""
        outcome: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((asked, outcome))
        if self._sending is None:
            self._sending = asyncio.create_task(self._send_waiting())
        return await outcome

    async def _send_waiting(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[: self._limit], self._waiting[self._limit :]
                await self._send_batch([(asked, waiting) for asked, waiting in batch if not waiting.done()])
        finally:
            self._sending = None

    async def _send_batch(self, batch: Sequence[tuple[T, asyncio.Future[R]]]) -> None:
        if not batch:
            return
        try:
            outcomes = await self._send([asked for asked, _ in batch])
            for (_, waiting), outcome in zip(batch, outcomes, strict=True):
                if not waiting.done():
                    waiting.set_result(outcome)
        except Exception as error:  # noqa: BLE001 - handed to everyone who waits
            for _, waiting in batch:
                if not waiting.done():
                    waiting.set_exception(error)
        finally:
            for _, waiting in batch:
                waiting.cancel()  # only where the loop is ending: all others have their outcome
