"""A broker in memory reads and writes as a real one: in order by key, once a group, and again what is parked."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import ClassVar, Protocol
from uuid import uuid4

import pytest

from libs.common.contracts.events import Event, Meta, Received
from libs.common.contracts.topics import Topic, dead_letter_topic
from libs.common.core.errors import Permanent
from libs.common.core.health import Health
from libs.common.core.kafka_access import KafkaAccess
from libs.common.core.metrics import Metrics
from libs.common.core.sealing import Keyring
from libs.common.core.values import Clock, utc_now
from libs.common.delivery.consumption import Consumption, RawPublisher, Route
from libs.common.delivery.documents import Outgoing
from libs.common.delivery.kafka import KafkaPublisher, KafkaSettings, Subscription
from libs.common.delivery.outbox import Publisher
from libs.common.delivery.retry import RawMessage, RetryPolicy
from libs.common.delivery.topic_admin import create, topics_of
from libs.common.delivery.topic_reader import everything
from libs.common.testing.backend import MovableClock
from libs.common.testing.broker import MemoryBroker, MemoryPublisher, MemorySubscription
from libs.common.testing.event_keys import ONE_SIGNER, only
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.kafka

KEYRING = Keyring({}, bytes(32))
POLICY = RetryPolicy(in_place=1, parked_s=(0.5,))
GROUPS = ("readers", "others")


class Writer(Publisher, RawPublisher, Protocol):
    """Publishes events, and records as they are."""


@dataclass
class Reader:
    """A service that notes what it reads, and fails as often as it is asked to."""

    group: str
    seen: list[tuple[str, str]] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)
    enough: asyncio.Event = field(default_factory=asyncio.Event)
    wanted: int = 0

    async def take(self, message: Received[Event]) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.seen.append((message.meta.subject, message.meta.id))
        if len(self.seen) >= self.wanted:
            self.enough.set()


class Lane(Protocol):
    """One topic on a broker, and those who read it."""

    event: type[Event]

    @property
    def writer(self) -> Writer: ...

    async def read(self, reader: Reader, wanted: int) -> None:
        """Let one process of a reader run until it has seen so much in all, then stop it."""

    async def dead_letters(self, group: str) -> int: ...


def new_event() -> type[Event]:
    class Noted(Event):
        topic: ClassVar[str] = f"noted.{uuid4().hex[:8]}"

    return Noted


class MemoryLane:
    def __init__(self) -> None:
        self.event = new_event()
        self._broker = MemoryBroker()
        self._clock = MovableClock(utc_now())
        self.writer: Writer = MemoryPublisher(self._broker, ONE_SIGNER)

    async def read(self, reader: Reader, wanted: int) -> None:
        consumption = consumption_of(reader, self.event, self.writer, self._clock)
        subscription = MemorySubscription(self._broker, consumption, reader.group)
        for _ in range(3):
            while await subscription.poll(self._clock()):
                pass
            self._clock.advance(timedelta(seconds=1))
        assert len(reader.seen) == wanted

    async def dead_letters(self, group: str) -> int:
        return len(self._broker.topics[dead_letter_topic(self.event.topic, group)])


class KafkaLane:
    def __init__(self, settings: KafkaSettings, publisher: KafkaPublisher) -> None:
        self.event = new_event()
        self._settings = settings
        self.writer: Writer = publisher

    async def read(self, reader: Reader, wanted: int) -> None:
        reader.wanted = wanted
        reader.enough.clear()
        consumption = consumption_of(reader, self.event, self.writer, utc_now)
        subscription = Subscription(self._settings, consumption, reader.group, health=Health(), metrics=Metrics("test"))
        await subscription.start()
        try:
            async with asyncio.timeout(PATIENCE_S):
                await reader.enough.wait()
        finally:
            await subscription.stop()
        assert len(reader.seen) == wanted

    async def dead_letters(self, group: str) -> int:
        name = dead_letter_topic(self.event.topic, group)
        return len([record async for record in everything(self._settings.access, name)])


def consumption_of(reader: Reader, event: type[Event], writer: Writer, clock: Clock) -> Consumption:
    return Consumption(
        reader.group,
        [Route(event, reader.take)],
        authenticate=only("test", event.topic),
        keyring=KEYRING,
        publisher=writer,
        metrics=Metrics("test"),
        clock=clock,
        policy=POLICY,
    )


@asynccontextmanager
async def kafka_lane(address: str, kind: str) -> AsyncIterator[KafkaLane]:
    settings = KafkaSettings(KafkaAccess(address), "test", kind == "kafka", 20)
    publisher = KafkaPublisher(settings, ONE_SIGNER)
    await publisher.start()
    try:
        lane = KafkaLane(settings, publisher)
        await create(settings.access, topics_of(Topic(lane.event, "test", GROUPS, partitions=1), 1))
        yield lane
    finally:
        await publisher.stop()


@pytest.fixture(params=("memory", "real"))
async def lane(request: pytest.FixtureRequest, broker_address: str, broker_kind: str) -> AsyncIterator[Lane]:
    if request.param == "memory":
        yield MemoryLane()
        return
    async with kafka_lane(broker_address, broker_kind) as found:
        yield found


def outgoing(lane: Lane, key: str, message_id: str) -> Outgoing:
    meta = Meta(message_id, lane.event.type(), "test", utc_now(), key, key)
    return Outgoing(lane.event.topic, meta, "{}")


async def test_events_of_a_key_come_in_order_once_to_each_group(lane: Lane) -> None:
    await lane.writer.publish([outgoing(lane, f"key-{n % 2}", f"m-{n}") for n in range(6)])
    readers, others = Reader("readers"), Reader("others")
    for reader in (readers, others):
        await lane.read(reader, 6)
        assert [each for key, each in reader.seen if key == "key-0"] == ["m-0", "m-2", "m-4"]
        assert [each for key, each in reader.seen if key == "key-1"] == ["m-1", "m-3", "m-5"]
    await lane.writer.publish([outgoing(lane, "key-0", "m-6")])
    await lane.read(readers, 7)
    assert readers.seen[-1] == ("key-0", "m-6")


async def test_what_fails_is_parked_and_comes_again_to_its_own_group(lane: Lane) -> None:
    await lane.writer.publish([outgoing(lane, "key", f"m-{n}") for n in range(2)])
    readers, others = Reader("readers", failures=[RuntimeError("once")]), Reader("others")
    await lane.read(readers, 2)
    assert [each for _, each in readers.seen] == ["m-1", "m-0"]
    await lane.read(others, 2)
    assert await lane.dead_letters("readers") == 0


async def test_what_is_hopeless_is_a_dead_letter_and_its_neighbours_are_handled(lane: Lane) -> None:
    headers = outgoing(lane, "key", "m-0").meta.headers()
    await lane.writer.publish_raw(RawMessage(lane.event.topic, b"key", b"no json", headers))
    await lane.writer.publish_raw(RawMessage(lane.event.topic, None, None, ()))
    await lane.writer.publish([outgoing(lane, "key", f"m-{n}") for n in (1, 2)])
    readers = Reader("readers", failures=[Permanent("not this one")])
    await lane.read(readers, 1)
    assert [each for _, each in readers.seen] == ["m-2"]
    assert await lane.dead_letters("readers") == 3
