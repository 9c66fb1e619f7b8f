"""Fixtures of otp's tests."""

from collections.abc import AsyncIterator

import pytest

from tests.unit.otp.harness import OtpProcess, World


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
async def otp(world: World) -> AsyncIterator[OtpProcess]:
    async with world.process() as process:
        yield process
