"""Waiting in tests: for the fact itself, never for a time that it should take."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

PATIENCE_S: Final = 90.0
"""Ten times what a busy machine needs: only a test that fails waits so long."""


async def until(true: Callable[[], Awaitable[bool]], seconds: float = PATIENCE_S, poll_every_s: float = 0.05) -> None:
    """Wait until something is so that nobody tells us of.

    Raises:
        TimeoutError: it never was.
    """
    async with asyncio.timeout(seconds):
        while not await true():  # noqa: ASYNC110 - what is waited for sets no event here
            await asyncio.sleep(poll_every_s)


async def until_so(true: Callable[[], bool], seconds: float = PATIENCE_S) -> None:
    """Wait until something in this very process is so; see `until`."""
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110 - what is waited for sets no event
            await asyncio.sleep(0)
