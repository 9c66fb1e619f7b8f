"""What every suite stands on: a broker, a store and free ports, started once and only when asked for."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from hypothesis import settings

from deploy.embedded import process
from deploy.embedded.process import Server
from deploy.embedded.stack import Broker, Store
from tests.stack.kafka import CANNOT_RUN, KafkaServer, KafkaUnavailableError, kafka_jars

session_fixture = pytest_asyncio.fixture(scope="session", loop_scope="session")

settings.register_profile("suite", deadline=None)  # time is told by the machine, which has much else to do
settings.load_profile("suite")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--broker",
        choices=("embedded", "kafka"),
        default="embedded",
        help="the broker under the tests: embedded, or a real Apache Kafka (its own exit status where it cannot run)",
    )


def pytest_sessionstart(session: pytest.Session) -> None:
    if session.config.getoption("--broker") != "kafka":
        return
    try:
        kafka_jars()
    except KafkaUnavailableError as error:
        pytest.exit(f"NOT RUN ({error.type}): {error}", returncode=CANNOT_RUN)


@pytest.fixture(scope="session")
def broker_kind(pytestconfig: pytest.Config) -> str:
    """`embedded` or `kafka`: for the few settings that differ, such as idempotent producing."""
    return str(pytestconfig.getoption("--broker"))


@session_fixture
async def broker(broker_kind: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """The broker all tests of a run share. A test that stops or kills one starts a broker of its own."""
    folder = tmp_path_factory.mktemp("broker")
    async with _new_broker(broker_kind, folder) as server:
        yield server


@pytest.fixture(scope="session")
def broker_address(broker: Server) -> str:
    """`host:port` of the shared broker."""
    return broker.address


@pytest_asyncio.fixture
async def own_broker(broker_kind: str, tmp_path: Path) -> AsyncIterator[Server]:
    """A broker for one test alone, to be stopped, killed and started again at will."""
    async with _new_broker(broker_kind, tmp_path) as server:
        yield server


@session_fixture
async def mongo_uri(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """The store all tests of a run share: the server named by MONGODB_URI, else the embedded one."""
    if given := os.environ.get("MONGODB_URI"):
        yield given
        return
    async with Store(tmp_path_factory.mktemp("store")) as store:
        yield store.uri


@pytest_asyncio.fixture
async def own_store(tmp_path: Path) -> AsyncIterator[Store]:
    """A store for one test alone, to be stopped, killed and started again at will."""
    async with Store(tmp_path) as store:
        yield store


@pytest.fixture
def free_port() -> int:
    """A loopback port that nothing listens on."""
    return process.free_port()


def _new_broker(kind: str, folder: Path) -> Server:
    return KafkaServer(folder, kafka_jars()) if kind == "kafka" else Broker(folder)
