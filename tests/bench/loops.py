"""The same work three ways on one broker: bare aiokafka, bare FastStream, and the engine with its store.

Each event is read, answered by one event on another topic, and committed. The engine besides loads an aggregate,
decides, and writes state, inbox and outbox.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import perf_counter
from typing import ClassVar

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from faststream import AckPolicy
from faststream.kafka import KafkaBroker, KafkaMessage
from pydantic import BaseModel, ConfigDict

from libs.common.contracts.events import Event, Meta, Received, encode
from libs.common.contracts.topics import retry_topic
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
from libs.common.storage.mongo import Database
from libs.common.testing.event_keys import ONE_SIGNER, only
from tests.bench.measure import own_cpu_s

KEYS_PER_EVENT = 4
PARTITIONS = 4
PATIENCE_S = 300


class Counted(Event):
    """What the loops read."""

    topic: ClassVar[str] = "bench.counted"

    number: int


class Answered(Event):
    """What the loops answer."""

    topic: ClassVar[str] = "bench.answered"

    number: int


class Count(BaseModel):
    """The engine's state: how many events of a key came."""

    model_config = ConfigDict(frozen=True)

    events: int = 0


@dataclass
class Stopwatch:
    """Runs from the first event to the last."""

    events: int
    seen: int = 0
    began: float = 0.0
    began_cpu: float = 0.0
    seconds: float = 0.0
    cpu_s: float = 0.0
    done: asyncio.Event = field(default_factory=asyncio.Event)

    def tick(self) -> None:
        if self.seen == 0:
            self.began, self.began_cpu = perf_counter(), own_cpu_s()
        self.seen += 1
        if self.seen == self.events:
            self.seconds, self.cpu_s = perf_counter() - self.began, own_cpu_s() - self.began_cpu
            self.done.set()

    @property
    def rate(self) -> float:
        return self.events / self.seconds

    @property
    def cpu_ms(self) -> float:
        return 1000 * self.cpu_s / self.events


@dataclass(frozen=True)
class Ground:
    """Where the loops run."""

    broker: str
    mongo_uri: str
    idempotence: bool
    events: int
    keyring: Keyring = field(default_factory=lambda: Keyring({}, os.urandom(32)))

    async def prepare(self) -> None:
        """Make the topics and fill the one that is read."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.broker)
        await admin.start()
        names = (Counted.topic, Answered.topic, retry_topic(Counted.topic, "bench"))
        await admin.create_topics([NewTopic(name, PARTITIONS, 1) for name in names])
        await admin.close()
        async with self.publisher() as publisher:
            waiting = [self._counted(number) for number in range(self.events)]
            for start in range(0, self.events, 500):
                await publisher.publish(waiting[start : start + 500])

    @asynccontextmanager
    async def publisher(self) -> AsyncIterator[KafkaPublisher]:
        publisher = KafkaPublisher(self.kafka, ONE_SIGNER)
        await publisher.start()
        try:
            yield publisher
        finally:
            await publisher.stop()

    @property
    def kafka(self) -> KafkaSettings:
        return KafkaSettings(KafkaAccess(self.broker), "bench", self.idempotence, fetch_wait_ms=20)

    def _counted(self, number: int) -> Outgoing:
        key = f"key-{number % (self.events // KEYS_PER_EVENT)}"
        meta = Meta(new_id(), Counted.type(), "bench", utc_now(), key, key)
        return Outgoing(Counted.topic, meta, encode(Counted(number=number), meta, self.keyring).decode())


async def bare_aiokafka(ground: Ground) -> Stopwatch:
    """Read a batch, answer each, wait for the broker, commit."""
    watch = Stopwatch(ground.events)
    consumer = AIOKafkaConsumer(
        Counted.topic,
        bootstrap_servers=ground.broker,
        group_id="aiokafka",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=20,
        session_timeout_ms=6000,
    )
    producer = AIOKafkaProducer(bootstrap_servers=ground.broker, acks="all", linger_ms=2)
    await consumer.start()
    await producer.start()
    while not watch.done.is_set():
        batches = await consumer.getmany(timeout_ms=500, max_records=500)
        sent = []
        for records in batches.values():
            for record in records:
                sent.append(
                    await producer.send(Answered.topic, record.value, key=record.key, headers=list(record.headers))
                )
                watch.tick()
        await asyncio.gather(*sent)
        await consumer.commit()
    await producer.stop()
    await consumer.stop()
    return watch


async def bare_faststream(ground: Ground) -> Stopwatch:
    """One message at a time, acknowledged after each: FastStream as its tutorial shows it."""
    watch = Stopwatch(ground.events)
    broker = KafkaBroker(ground.broker, allow_auto_create_topics=False, logger=None)

    subscriber = broker.subscriber(
        Counted.topic,
        group_id="faststream",
        ack_policy=AckPolicy.ACK,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=20,
        session_timeout_ms=6000,
    )

    async def answer(event: Counted, message: KafkaMessage) -> None:
        key = message.headers["ce_subject"].encode()
        await broker.publish(Answered(number=event.number), Answered.topic, key=key, headers=message.headers)
        watch.tick()

    subscriber(answer)
    await _until_done(watch, broker.start, broker.stop)
    return watch


async def engine(ground: Ground) -> Stopwatch:
    """The engine: one document read or remembered, decided, written; published; committed by the batch."""
    watch, metrics = Stopwatch(ground.events), Metrics("bench")
    database = Database(ground.mongo_uri, "bench")
    async with ground.publisher() as publisher:
        parts = Engine(
            source="bench",
            documents=lambda name, paths: CachedDocuments(MongoDocuments(database, name, paths)),
            publisher=publisher,
            keyring=ground.keyring,
            metrics=metrics,
            clock=utc_now,
            new_id=new_id,
        )
        kind = parts.open(Kind[Count]("counts", Count))

        async def handle(message: Received[Counted]) -> None:
            number = message.event.number
            await kind.aggregates.apply(
                message.meta.subject,
                lambda state: Decision(Count(events=state.events + 1 if state else 1), (Answered(number=number),)),
                cause=message.meta,
            )
            watch.tick()

        consumption = Consumption(
            "bench",
            [Route(Counted, handle)],
            authenticate=only("bench", Counted.topic),
            keyring=ground.keyring,
            publisher=publisher,
            metrics=metrics,
            clock=utc_now,
        )
        subscription = Subscription(ground.kafka, consumption, "bench", health=Health(), metrics=metrics)
        await database.start()
        await kind.outbox.start()
        await _until_done(watch, subscription.start, subscription.stop)
        await kind.outbox.stop()
        await database.stop()
    return watch


async def _until_done(watch: Stopwatch, start: Callable, stop: Callable) -> None:  # type: ignore[type-arg]  # both are coroutine functions
    await start()
    async with asyncio.timeout(PATIENCE_S):
        await watch.done.wait()
    await stop()
