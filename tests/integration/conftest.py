"""What the integration tests share."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from deploy.embedded.process import Server
from deploy.embedded.stack import Store
from tests.integration.ca_harness import CaHarness, opened_branch


@pytest_asyncio.fixture
async def ca(own_broker: Server, broker_kind: str, own_store: Store, tmp_path: Path) -> AsyncIterator[CaHarness]:
    """An authority of the test's own."""
    async with opened_branch(own_broker, own_store, tmp_path, idempotence=broker_kind == "kafka") as ca:
        yield ca
