"""What the journey tests stand on: the town, in one event loop that lasts as long as the run."""

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio
from pytest_asyncio import is_async_test

from deploy.embedded.process import Server
from deploy.embedded.stack import Store
from deploy.embedded.town import Together, in_one_process
from tests.journey.town import Town, logged, make_broker, prepared

HERE = Path(__file__).parent
TIMEOUT_S = 900

session_fixture = pytest_asyncio.fixture(scope="session", loop_scope="session")
in_session_loop = pytest_asyncio.fixture(loop_scope="session")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE not in item.path.parents:
            continue
        item.add_marker(pytest.mark.journey)
        item.add_marker(pytest.mark.kafka)
        item.add_marker(pytest.mark.timeout(TIMEOUT_S))
        if is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@session_fixture
async def running_town(
    broker_kind: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[Town, Together, Server]]:
    """Broker, store and the five services in this process, with face checks answered by a stub."""
    folder = tmp_path_factory.mktemp("town")
    async with AsyncExitStack() as stack:
        broker = await stack.enter_async_context(make_broker(broker_kind, folder))
        given = os.environ.get("MONGODB_URI")
        mongo_uri = given or (await stack.enter_async_context(Store(folder))).uri
        town = await stack.enter_async_context(
            prepared(folder, broker.address, mongo_uri, idempotence=broker_kind == "kafka")
        )
        stack.enter_context(logged(town.logs / "services.log"))
        yield town, await stack.enter_async_context(in_one_process(town.installation)), broker


@in_session_loop
async def town(running_town: tuple[Town, Together, Server]) -> AsyncIterator[Town]:
    """The town that tests share. After each of them every invariant must hold."""
    yield running_town[0]
    await running_town[0].check()


@pytest.fixture
def together(running_town: tuple[Town, Together, Server]) -> Together:
    """The services of the town, to be stopped and started."""
    return running_town[1]


@pytest.fixture
def broker_process(running_town: tuple[Town, Together, Server]) -> Server:
    """The broker of the town, to be held up for a moment."""
    return running_town[2]
