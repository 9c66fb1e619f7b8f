"""What the journey tests stand on: the system, in one event loop that lasts as long as the run."""

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio
from pytest_asyncio import is_async_test

from deploy.embedded.process import Server
from deploy.embedded.services import RunningServices, in_one_process
from deploy.embedded.stack import Store
from tests.journey.harness import System, logged, make_broker, prepared

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
async def running_system(
    broker_kind: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[System, RunningServices, Server]]:
    """Broker, store and the five services in this process, with face checks answered by a stub."""
    folder = tmp_path_factory.mktemp("system")
    async with AsyncExitStack() as stack:
        broker = await stack.enter_async_context(make_broker(broker_kind, folder))
        given = os.environ.get("MONGODB_URI")
        mongo_uri = given or (await stack.enter_async_context(Store(folder))).uri
        system = await stack.enter_async_context(
            prepared(folder, broker.address, mongo_uri, idempotence=broker_kind == "kafka")
        )
        stack.enter_context(logged(system.logs / "services.log"))
        yield system, await stack.enter_async_context(in_one_process(system.installation)), broker


@in_session_loop
async def system(running_system: tuple[System, RunningServices, Server]) -> AsyncIterator[System]:
    """The system that tests share. After each of them every invariant must hold."""
    yield running_system[0]
    await running_system[0].check()


@pytest.fixture
def running(running_system: tuple[System, RunningServices, Server]) -> RunningServices:
    """The services of the system, to be stopped and started."""
    return running_system[1]


@pytest.fixture
def broker_process(running_system: tuple[System, RunningServices, Server]) -> Server:
    """The broker of the system, to be held up for a moment."""
    return running_system[2]
