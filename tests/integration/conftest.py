"""What the integration tests share."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from deploy.embedded.process import Server
from deploy.embedded.stack import Store
from tests.integration.branch import Branch, opened_branch


@pytest_asyncio.fixture
async def branch(own_broker: Server, broker_kind: str, own_store: Store, tmp_path: Path) -> AsyncIterator[Branch]:
    """An authority of the test's own."""
    async with opened_branch(own_broker, own_store, tmp_path, idempotence=broker_kind == "kafka") as branch:
        yield branch
