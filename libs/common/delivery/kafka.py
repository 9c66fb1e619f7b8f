"""The only place that talks to Kafka: one consumer for a service's topics, one for its retries, one producer.

Why so, and not with FastStream's defaults (each measured, `docs/architecture.md`): its acknowledgement policies
lose messages or spin, so offsets are committed here, by hand, when `Consumption` has brought a batch to its end;
what a batch did not come to is rewound, never committed past.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Final, cast

import structlog
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError
from faststream import AckPolicy
from faststream.kafka import KafkaBroker, KafkaMessage
from faststream.kafka.message import KafkaAckableMessage
from faststream.kafka.subscriber.usecase import BatchSubscriber

from libs.common.contracts.signatures import EventKeys, ForgedMessage, Signer
from libs.common.contracts.topics import origin_of, retry_topic
from libs.common.core.background import Repeating
from libs.common.core.errors import Unavailable
from libs.common.core.health import Health
from libs.common.core.kafka_access import KafkaAccess
from libs.common.core.metrics import Metrics
from libs.common.delivery.consumption import Consumption
from libs.common.delivery.documents import Outgoing
from libs.common.delivery.retry import MAX_PARKED_BYTES, RawMessage, Record
from libs.common.delivery.skipping_consumer import SkippingConsumer

log = structlog.get_logger()

BATCH_RECORDS: Final = 500
RETRY_BATCH_RECORDS: Final = 50
MAX_POLL_INTERVAL_MS: Final = 300_000
SESSION_TIMEOUT_MS: Final = 6_000
PARKED_FETCH_WAIT_MS: Final = 500
IDLE_MS: Final = 40
"""How long FastStream waits for a batch, and then sleeps as long again if none came: latency against idle CPU."""
PARKED_IDLE_MS: Final = 500
PUBLISH_TIMEOUT_S: Final = 8.0
ADDED_BYTES: Final = 16 * 1024
"""What parking adds to a message, and the record format, at the very most."""
REWIND_PAUSE_S: Final = 1.0
GRACEFUL_S: Final = 10.0
WATCH_EVERY_S: Final = 10.0
_FETCH_FAILED: Final = "cannot fetch"


@dataclass(frozen=True, slots=True)
class KafkaSettings:
    """How to reach the broker.

    ``idempotence`` is on with Apache Kafka; the embedded broker does not speak it to this client. ``fetch_wait_ms`` is
    how long a fetch may wait for records: Apache Kafka answers as soon as there are some, the embedded broker only
    when the time is over, and wants a short one.
    """

    access: KafkaAccess
    client_id: str
    idempotence: bool = True
    fetch_wait_ms: int = 500


class KafkaPublisher:
    """One long-lived producer with a small linger: the events of many keys travel together.

    Args:
        signer: signs events; tools that only move records need none.
    """

    def __init__(self, settings: KafkaSettings, signer: Signer | None = None) -> None:
        self._settings = settings
        self._signer = signer
        self._producer: AIOKafkaProducer | None = None

    async def start(self) -> None:
        """Connect."""
        producer = AIOKafkaProducer(
            **self._settings.access.options(),
            client_id=self._settings.client_id,
            enable_idempotence=self._settings.idempotence,
            acks="all",
            linger_ms=2,
            request_timeout_ms=int(PUBLISH_TIMEOUT_S * 1000),
            max_request_size=MAX_PARKED_BYTES + ADDED_BYTES,
        )
        try:
            await producer.start()
        except BaseException:
            await producer.stop()
            raise
        self._producer = producer

    async def stop(self) -> None:
        """Send what is buffered, and disconnect."""
        if self._producer is not None:
            await self._producer.stop()

    async def publish(self, events: Sequence[Outgoing]) -> None:
        """Publish events in this order; see `libs.common.delivery.outbox.Publisher`."""
        if self._signer is None:
            raise RuntimeError("events are published by who has a key to sign them")
        await self._write([signed(event, self._signer) for event in events])

    async def publish_raw(self, message: RawMessage) -> None:
        """Write one record as it is; see `libs.common.delivery.consumption.RawPublisher`."""
        await self._write([message])

    async def _write(self, messages: Iterable[RawMessage]) -> None:
        if self._producer is None:
            raise Unavailable("the producer is not started")
        try:
            async with asyncio.timeout(PUBLISH_TIMEOUT_S):
                sent = [
                    await self._producer.send(each.topic, _value(each), key=each.key, headers=list(each.headers))
                    for each in messages
                ]
                await asyncio.gather(*sent)
        except (KafkaError, TimeoutError, ConnectionError) as error:
            raise Unavailable(f"the broker does not take messages: {type(error).__name__}") from error


def unsigned(event: Outgoing) -> RawMessage:
    """Return the record of an event without its author's signature."""
    return RawMessage(event.topic, event.meta.subject.encode(), event.value.encode(), event.meta.headers())


def signed(event: Outgoing, signer: Signer) -> RawMessage:
    """Return the record of an event with its author's signature, the same however often it is published."""
    topic, key, value, headers = event.topic, event.meta.subject.encode(), event.value.encode(), event.meta.headers()
    return RawMessage(topic, key, value, (*headers, signer.sign(topic, key, headers, value)))


def authentic(keys: EventKeys, producers: Mapping[str, str], record: Record) -> None:
    """Accept a record that the producer of its topic signed, also one that was parked.

    Raises:
        ForgedMessage: it did not.
    """
    topic = origin_of(record.topic)
    if (producer := producers.get(topic)) is None:
        raise ForgedMessage("nobody publishes to this topic")
    keys.verify(producer, topic, record.key, record.headers, record.value or b"")


def _value(message: RawMessage) -> bytes | None:
    # Kafka has records with neither key nor value; this client reads them, but writes none.
    return b"" if message.key is None and message.value is None else message.value


class Subscription:
    """Reads a service's topics, and the topics where it parks messages, in two consumers of one group each.

    Parked messages wait for their time inside a batch; a consumer of their own keeps that from holding up fresh ones.
    """

    def __init__(
        self, settings: KafkaSettings, consumption: Consumption, group: str, *, health: Health, metrics: Metrics
    ) -> None:
        self._consumption = consumption
        self._probe = health.probe("consumption")
        self._notes = health.notes
        self._metrics = metrics
        self._watched: tuple[int, ...] = (0, 0, 0)
        self._watching = Repeating("consumption.watch", WATCH_EVERY_S, self._watch)
        self._broker = KafkaBroker(
            settings.access.bootstrap,
            client_id=settings.client_id,
            security=settings.access.security,
            allow_auto_create_topics=False,
            graceful_timeout=GRACEFUL_S,
            logger=None,
        )
        retries = [retry_topic(topic, group) for topic in consumption.topics]
        self._subscribers = (
            self._subscribe(consumption.topics, group, BATCH_RECORDS, settings.fetch_wait_ms, IDLE_MS),
            self._subscribe(retries, f"{group}.retry", RETRY_BATCH_RECORDS, PARKED_FETCH_WAIT_MS, PARKED_IDLE_MS),
        )

    def _subscribe(
        self, topics: Iterable[str], group: str, records: int, fetch_wait_ms: int, idle_ms: int
    ) -> BatchSubscriber:
        subscriber = self._broker.subscriber(
            *topics,
            batch=True,
            max_records=records,
            group_id=group,
            auto_offset_reset="earliest",
            ack_policy=AckPolicy.MANUAL,
            fetch_max_wait_ms=fetch_wait_ms,
            batch_timeout_ms=idle_ms,
            isolation_level="read_committed",  # what a foreign producer has taken back never happened
            session_timeout_ms=SESSION_TIMEOUT_MS,
            max_poll_interval_ms=MAX_POLL_INTERVAL_MS,
        )

        async def parse(records: tuple[Record, ...]) -> KafkaAckableMessage:
            # FastStream's own parser stops at a header without a value, which is legal; this one does not look inside.
            if subscriber.consumer is None:
                raise Unavailable("the consumer is stopping")
            return KafkaAckableMessage(raw_message=records, body=b"", consumer=subscriber.consumer)

        subscriber(self._take, parser=parse, decoder=_undecoded)
        return subscriber

    async def start(self) -> None:
        """Join the groups, which takes seconds each and therefore happens side by side, and begin to read."""
        await self._broker.connect()
        config = self._broker.config.broker_config
        options = cast("partial[object]", config.builder).keywords
        config.builder = partial(SkippingConsumer, unreadable=self._unreadable, blocked=self._blocked, **options)
        outcomes = await asyncio.gather(*(each.start() for each in self._subscribers), return_exceptions=True)
        if failures := [outcome for outcome in outcomes if outcome is not None]:
            await self._broker.stop()
            raise failures[0]
        await self._watching.start()

    async def stop(self) -> None:
        """Leave the groups. A batch in progress has `GRACEFUL_S` to end; else it is not committed and is read again."""
        await self._watching.stop()
        await self._broker.stop()

    async def ping(self) -> None:
        """Return if the broker answers.

        Raises:
            Unavailable: it does not.
        """
        if not await self._broker.ping(timeout=3.0):
            raise Unavailable("the broker does not answer")

    async def _unreadable(self, partition: TopicPartition, offset: int) -> None:
        await self._consumption.unreadable(partition.topic, partition.partition, offset)

    def _blocked(self, partition: TopicPartition | None, error: Exception) -> None:
        """Say that a partition cannot be read, or that a fetch failed, each time it was tried."""
        reason = f"{type(error).__name__}: {error}"
        if partition is None:
            log.error("consumption.fetch_failed", topics=list(self._consumption.topics), reason=reason)
            self._metrics.fetch_failures.labels("", "").inc()
            self._notes[_FETCH_FAILED] = type(error).__name__
            return
        topic, number = partition.topic, partition.partition
        log.error("consumption.blocked", topic=topic, partition=number, reason=reason)
        self._metrics.fetch_failures.labels(topic, number).inc()
        self._metrics.partition_blocked.labels(topic, number).set(1)
        self._notes[f"cannot read {topic}/{number}"] = type(error).__name__

    def _unblock(self) -> None:
        """Take back what was said of partitions that are read again, or that another member reads.

        A fetch that fails again says so again, within seconds.
        """
        self._notes.pop(_FETCH_FAILED, None)
        blocked = {partition for each in self._consumers() for partition in each.paused_until}
        for name in [name for name in self._notes if name.startswith("cannot read ")]:
            topic, _, number = name.removeprefix("cannot read ").rpartition("/")
            if TopicPartition(topic, int(number)) not in blocked:
                del self._notes[name]
                self._metrics.partition_blocked.remove(topic, number)

    async def _take(self, message: KafkaMessage) -> None:
        records: tuple[Record, ...] = message.raw_message
        try:
            left = await self._consumption.batch(records)
        except Exception:
            log.exception("consumption.rewound", records=len(records))
            _rewind(message, records)
            await asyncio.sleep(REWIND_PAUSE_S)
            return
        _rewind(message, left)
        try:
            await message.ack()
        except KafkaError as error:
            # The group was rebalanced, or the broker is away: the batch is committed with the next one, or read again.
            log.warning("consumption.not_committed", records=len(records), reason=type(error).__name__)

    async def _watch(self) -> None:
        """Tell a consumer that stands still from one that has nothing to do, or holds its batch for good reason."""
        self._unblock()
        lag = await self._lag()
        progress = (self._consumption.ended, *(each.polls for each in self._consumers()))
        handled, *asked = (now != then for now, then in zip(progress, self._watched, strict=True))
        blocked = any(each.paused_until for each in self._consumers())
        holding = self._consumption.held or self._consumption.waiting or blocked
        # A consumer that lost its partitions and its loop has no lag either, but it does not ask for records.
        if handled or holding or lag is None or (lag == 0 and all(asked)):
            self._probe.beat()
        self._watched = progress

    def _consumers(self) -> Iterator[SkippingConsumer]:
        return (each.consumer for each in self._subscribers if isinstance(each.consumer, SkippingConsumer))

    async def _lag(self) -> int | None:
        """Return the number of records not committed, or None if the broker does not answer."""
        total: Counter[str] = Counter()
        try:
            async with asyncio.timeout(WATCH_EVERY_S):
                for consumer in self._consumers():
                    ends = await consumer.end_offsets(consumer.assignment())
                    for partition, end in ends.items():
                        total[partition.topic] += end - (await consumer.committed(partition) or 0)
        except (KafkaError, TimeoutError):
            # Whether the broker answers is a question of readiness: restarting this process would not help.
            return None
        for topic in self._consumption.topics:
            self._metrics.consumer_lag.labels(topic).set(total[topic])
        return total.total()


def _rewind(message: KafkaMessage, records: Iterable[Record]) -> None:
    """Have these records read again, by whoever reads their partitions."""
    earliest: dict[TopicPartition, int] = {}
    for record in records:
        partition = TopicPartition(record.topic, record.partition)
        earliest[partition] = min(record.offset, earliest.get(partition, record.offset))
    for partition, offset in earliest.items():
        # A partition that went to another member is read from what is committed, which is earlier.
        with suppress(IllegalStateError):
            message.consumer.seek(partition, offset)


async def _undecoded(_: KafkaMessage) -> None:
    """Leave decoding to `Consumption`, which knows what to do with a record that cannot be decoded."""
