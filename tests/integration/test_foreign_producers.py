"""What producers and brokers of others do to a topic: compression, transactions, and batches that nobody here reads.

Sources: KIP-110 (zstd) and the broker's `compression.type`; KIP-98 (control records, aborted transactions,
`isolation.level`).
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from aiokafka import AIOKafkaProducer, codec
from structlog.testing import capture_logs

from libs.common.contracts.topics import Topic, dead_letter_topic
from libs.common.delivery import skipping_consumer
from libs.common.delivery.kafka import signed
from libs.common.delivery.topic_admin import create, topics_of
from libs.common.testing.event_keys import ONE_SIGNER
from tests.integration.delivery_harness import Lane, Node, drop, new_lane
from tests.waiting import until

pytestmark = pytest.mark.kafka

CODECS = ("gzip", "snappy", "lz4", "zstd")


@pytest.fixture
async def lane(broker_address: str, broker_kind: str, mongo_uri: str) -> AsyncIterator[Lane]:
    lane = new_lane(broker_address, broker_kind, mongo_uri)
    yield lane
    await drop(lane)


async def create_compressing(lane: Lane, name: str) -> None:
    """Make the lane's topics as an operator may: ours ask for `uncompressed`, as the table of topics has it."""
    for event, readers in ((lane.numbered, (lane.group,)), (lane.counted, ())):
        topics = list(topics_of(Topic(event, "test", readers, partitions=3), 1))
        for each in topics:
            each.topic_configs["compression.type"] = name
        await create(lane.access, topics)


@asynccontextmanager
async def producer(lane: Lane, **options: object) -> AsyncIterator[AIOKafkaProducer]:
    in_transactions = "transactional_id" in options
    opened = AIOKafkaProducer(**lane.access.options(), enable_idempotence=in_transactions, **options)
    await opened.start()
    try:
        yield opened
    finally:
        await opened.stop()


async def write(opened: AIOKafkaProducer, lane: Lane, numbers: Sequence[int], partition: int | None = None) -> None:
    """Write numbers as the service that owns the topic would, to a partition of choice."""
    for number in numbers:
        raw = signed(lane.message(number), ONE_SIGNER)
        headers = [*raw.headers, ("padding", bytes(2000))]  # else compression would not pay, and be left out
        await opened.send_and_wait(raw.topic, raw.value, key=raw.key, headers=headers, partition=partition)


async def counted(node: Node, numbers: Sequence[int]) -> None:
    async def all_counted() -> bool:
        return await node.counted() == sorted(numbers)

    await until(all_counted)


@pytest.mark.parametrize("name", CODECS)
async def test_what_a_producer_compresses_is_read(lane: Lane, name: str) -> None:
    await create_compressing(lane, "producer")
    async with producer(lane, compression_type=name) as opened:
        await write(opened, lane, range(20))
    async with Node(lane) as node:
        await counted(node, range(20))
    assert await lane.records(dead_letter_topic(lane.numbered.topic, lane.group)) == []


@pytest.mark.parametrize("name", ["producer", *CODECS])
async def test_what_a_broker_compresses_is_read_and_parked(lane: Lane, name: str) -> None:
    await create_compressing(lane, name)
    failures = {7: 2}

    async def fail_at_first(number: int) -> None:
        if failures.get(number, 0):
            failures[number] -= 1
            raise RuntimeError("not yet")

    await lane.publish(range(20))
    async with Node(lane, fail_at_first) as node:
        await counted(node, range(20))


async def test_a_partition_that_cannot_be_read_is_named_and_the_others_go_on(
    lane: Lane, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A library for its compression is missing here, as one was for every codec until 2026."""
    await create_compressing(lane, "producer")
    monkeypatch.setattr(skipping_consumer, "PAUSE_S", 0.5)
    async with producer(lane, compression_type="zstd") as compressed, producer(lane) as plain:
        await write(compressed, lane, [1, 2], partition=0)
        await write(plain, lane, [3, 4], partition=1)
        await write(plain, lane, [5], partition=2)
    topic = lane.numbered.topic
    with monkeypatch.context() as without, capture_logs() as logs:
        without.setattr(codec, "has_zstd", lambda: False)
        async with Node(lane) as node:
            await counted(node, [3, 4, 5])
            await until(lambda: _named(node, f"cannot read {topic}/0"))
            async with producer(lane) as plain:
                await write(plain, lane, [6], partition=2)
            await counted(node, [3, 4, 5, 6])
            failures = node.metrics.registry.get_sample_value(
                "onboarding_fetch_failures_total", {"topic": topic, "partition": "0"}
            )
            assert failures
            assert node.metrics.registry.get_sample_value(
                "onboarding_partition_blocked", {"topic": topic, "partition": "0"}
            )
            without.undo()
            await counted(node, range(1, 7))
            await until(lambda: _healthy(node))
    said = {(each["topic"], each["partition"]) for each in logs if each["event"] == "consumption.blocked"}
    assert said == {(topic, 0)}
    assert all("zstd" in each["reason"] for each in logs if each["event"] == "consumption.blocked")


async def _named(node: Node, note: str) -> bool:
    return note in node.health.notes


async def _healthy(node: Node) -> bool:
    await node.subscription._watch()
    return not node.health.notes


async def test_what_was_taken_back_is_never_handled_and_the_end_is_reached(lane: Lane, broker_kind: str) -> None:
    if broker_kind != "kafka":
        pytest.skip("the embedded broker has no transactions; `make test-kafka` runs this on Apache Kafka")
    await create_compressing(lane, "producer")
    async with producer(lane, transactional_id=f"foreign-{lane.name}") as opened:
        for numbers, kept in ((range(5), True), (range(100, 105), False), (range(5, 8), True), ([200], False)):
            await opened.begin_transaction()
            await write(opened, lane, numbers, partition=0)
            await (opened.commit_transaction() if kept else opened.abort_transaction())
    async with Node(lane) as node:
        await counted(node, range(8))
        await until(lambda: _no_lag(node))
        await asyncio.sleep(0.2)
        assert await node.counted() == list(range(8))
    records = await lane.records(lane.numbered.topic)
    assert len(records) == 14, "they do stand on the topic"


async def _no_lag(node: Node) -> bool:
    return await node.subscription._lag() == 0
