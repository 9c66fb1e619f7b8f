"""A service on a real broker and a real store: it counts the numbers it reads and publishes what it counted."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, ClassVar, Self
from uuid import uuid4

from aiokafka import AIOKafkaConsumer, TopicPartition
from pydantic import BaseModel, ConfigDict

from libs.common.contracts.events import Event, Meta, Received, encode
from libs.common.contracts.topics import Topic
from libs.common.core.health import Health
from libs.common.core.kafka_access import KafkaAccess
from libs.common.core.metrics import Metrics
from libs.common.core.sealing import Keyring
from libs.common.core.values import new_id, utc_now
from libs.common.delivery.consumption import Consumption, Route
from libs.common.delivery.decisions import Decision
from libs.common.delivery.document_cache import CachedDocuments
from libs.common.delivery.documents import Outgoing
from libs.common.delivery.engine import Engine, Kind
from libs.common.delivery.kafka import KafkaPublisher, KafkaSettings, Subscription
from libs.common.delivery.mongo_documents import MongoDocuments
from libs.common.delivery.retry import RetryPolicy
from libs.common.delivery.topic_admin import create, topics_of
from libs.common.storage.mongo import Database
from libs.common.testing.event_keys import ONE_SIGNER, only
from tests.waiting import PATIENCE_S

KEYRING = Keyring({}, bytes(32))
POLICY = RetryPolicy(in_place=1, parked_s=(0.5, 0.5))


class Tally(BaseModel):
    model_config = ConfigDict(frozen=True)

    numbers: tuple[int, ...] = ()


class CertificateRecord(Event):
    topic: ClassVar[str] = "numbered"

    number: int


class Counted(Event):
    topic: ClassVar[str] = "counted"

    number: int


@dataclass(frozen=True)
class Lane:
    """Two topics of one test, and everything that stands on them."""

    access: KafkaAccess
    idempotence: bool
    mongo_uri: str
    name: str

    @property
    def group(self) -> str:
        return f"counter-{self.name}"

    @property
    def numbered(self) -> type[CertificateRecord]:
        class Mine(CertificateRecord):
            topic: ClassVar[str] = f"numbered.{self.name}"

        return Mine

    @property
    def counted(self) -> type[Counted]:
        class Mine(Counted):
            topic: ClassVar[str] = f"counted.{self.name}"

        return Mine

    @property
    def kafka(self) -> KafkaSettings:
        return KafkaSettings(self.access, "test", self.idempotence)

    async def create(self) -> None:
        for event, readers in ((self.numbered, (self.group,)), (self.counted, ())):
            await create(self.access, topics_of(Topic(event, "test", readers, partitions=3), 1))

    @asynccontextmanager
    async def publisher(self) -> AsyncIterator[KafkaPublisher]:
        publisher = KafkaPublisher(self.kafka, ONE_SIGNER)
        await publisher.start()
        try:
            yield publisher
        finally:
            await publisher.stop()

    async def publish(self, numbers: Sequence[int], keys: int = 5) -> None:
        """Tell the numbers, spread over so many keys."""
        async with self.publisher() as publisher:
            await publisher.publish([self.message(number, keys) for number in numbers])

    def message(self, number: int, keys: int = 5) -> Outgoing:
        key = f"key-{number % keys}"
        meta = Meta(f"{self.name}-{number}", self.numbered.type(), "test", utc_now(), key, key)
        return Outgoing(self.numbered.topic, meta, encode(self.numbered(number=number), meta, KEYRING).decode())

    async def records(self, topic: str, at_least: int = 0, seconds: float = PATIENCE_S) -> list[Any]:
        """Read a topic from its beginning, waiting until so many records are there."""
        consumer = AIOKafkaConsumer(topic, **self.access.options(), auto_offset_reset="earliest", fetch_max_wait_ms=20)
        await consumer.start()
        try:
            partitions = sorted(consumer.assignment())
            found: list[Any] = []
            async with asyncio.timeout(seconds):
                while len(found) < at_least or not await self._at_end(consumer, partitions):
                    batches = await consumer.getmany(timeout_ms=50)
                    found += [record for batch in batches.values() for record in batch]
            return found
        finally:
            await consumer.stop()

    @staticmethod
    async def _at_end(consumer: Any, partitions: list[TopicPartition]) -> bool:
        ends = await consumer.end_offsets(partitions)
        return all([await consumer.position(each) >= ends[each] for each in partitions])

    async def committed(self) -> int:
        """Tell how many records the group has committed."""
        consumer = AIOKafkaConsumer(**self.access.options(), group_id=self.group, enable_auto_commit=False)
        await consumer.start()
        try:
            return sum([await consumer.committed(TopicPartition(self.numbered.topic, n)) or 0 for n in range(3)])
        finally:
            await consumer.stop()


def new_lane(bootstrap: str, broker_kind: str, mongo_uri: str) -> Lane:
    return Lane(KafkaAccess(bootstrap), broker_kind == "kafka", mongo_uri, uuid4().hex[:8])


class Node:
    """One process's worth of the service."""

    def __init__(self, lane: Lane, before: Callable[[int], Awaitable[None]] | None = None) -> None:
        self.lane = lane
        self.before = before
        self.handled: list[int] = []
        self.metrics = Metrics("counter")
        self.database = Database(lane.mongo_uri, f"delivery-{lane.name}")
        self.publisher = KafkaPublisher(lane.kafka, ONE_SIGNER)
        engine = Engine(
            source="counter",
            documents=lambda name, searched: CachedDocuments(MongoDocuments(self.database, name, searched)),
            publisher=self.publisher,
            keyring=KEYRING,
            metrics=self.metrics,
            clock=utc_now,
            new_id=new_id,
            outbox_grace_s=1.0,
        )
        self.kind = engine.open(Kind[Tally]("tallies", Tally))
        self.consumption = Consumption(
            lane.group,
            [Route(lane.numbered, self.handle)],
            authenticate=only("test", lane.numbered.topic),
            keyring=KEYRING,
            publisher=self.publisher,
            metrics=self.metrics,
            clock=utc_now,
            policy=POLICY,
        )
        self.health = Health()
        self.subscription = Subscription(
            lane.kafka, self.consumption, lane.group, health=self.health, metrics=self.metrics
        )

    async def handle(self, message: Received[CertificateRecord]) -> None:
        number = message.event.number
        if self.before is not None:
            await self.before(number)

        def decide(state: Tally | None) -> Decision[Tally]:
            numbers = (state or Tally()).numbers
            return Decision(Tally(numbers=(*numbers, number)), (self.lane.counted(number=number),))

        await self.kind.aggregates.apply(message.meta.subject, decide, cause=message.meta)
        self.handled.append(number)

    async def start(self) -> None:
        await self.database.start()
        await self.publisher.start()
        await self.kind.outbox.start()
        await self.subscription.start()

    async def stop(self) -> None:
        await self.subscription.stop()
        await self.kind.outbox.stop()
        await self.publisher.stop()
        await self.database.stop()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def tallies(self) -> dict[str, tuple[int, ...]]:
        raw = await self.database.raw["tallies"].find({}).to_list(None)
        return {row["_id"]: tuple(row["state"]["numbers"]) for row in raw}

    async def counted(self) -> list[int]:
        """Give every number counted, as often as it was counted."""
        return sorted(number for numbers in (await self.tallies()).values() for number in numbers)


async def drop(lane: Lane, mongo_uri: str | None = None) -> None:
    database = Database(mongo_uri or lane.mongo_uri, f"delivery-{lane.name}")
    with suppress(Exception):
        await database.raw.client.drop_database(database.raw.name)
    await database.stop()


def facts(records: list[Any]) -> dict[bytes, set[bytes]]:
    """Give every fact told with the ids it was told under."""
    numbered: dict[bytes, set[bytes]] = defaultdict(set)
    for record in records:
        numbered[record.value].add(dict(record.headers)["ce_id"])
    return numbered


async def assert_counted_and_published_once(node: Node, numbers: Sequence[int]) -> None:
    """Every number was counted once, in the order of its key, and told under one identity."""
    lane = node.lane
    assert await node.counted() == sorted(numbers)
    numbered = facts(await lane.records(lane.counted.topic, len(numbers)))
    assert set(numbered) == {f'{{"number":{number}}}'.encode() for number in numbers}
    assert {len(ids) for ids in numbered.values()} == {1}
