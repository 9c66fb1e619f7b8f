"""The only place that talks to Kafka: one consumer for a service's topics, one for its retries, one producer.

Why so, and not with FastStream's defaults (each measured, `docs/architecture.md`): its acknowledgement policies
lose messages or spin, so offsets are committed here, by hand, when `Consumption` has brought a batch to its end;
a batch that fails for a reason of ours is rewound, never committed past.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import CommitFailedError, KafkaError
from faststream import AckPolicy
from faststream.kafka import KafkaBroker, KafkaMessage
from faststream.kafka.message import KafkaAckableMessage
from faststream.kafka.subscriber.usecase import BatchSubscriber

from libs.common.background import Repeating
from libs.common.consumption import Consumption
from libs.common.documents import Outgoing
from libs.common.errors import Unavailable
from libs.common.health import Probe
from libs.common.metrics import Metrics
from libs.common.retry import RawMessage, Record
from libs.common.topics import retry_topic

log = structlog.get_logger()

BATCH_RECORDS: Final = 500
RETRY_BATCH_RECORDS: Final = 50
MAX_POLL_INTERVAL_MS: Final = 300_000
SESSION_TIMEOUT_MS: Final = 6_000
FETCH_WAIT_MS: Final = 20
PUBLISH_TIMEOUT_S: Final = 8.0
REWIND_PAUSE_S: Final = 1.0
GRACEFUL_S: Final = 10.0
WATCH_EVERY_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class KafkaSettings:
    """How to reach the broker.

    ``idempotence`` is on with Apache Kafka; the embedded broker does not speak it to this client.
    """

    bootstrap: str
    client_id: str
    idempotence: bool = True


class KafkaPublisher:
    """One long-lived producer with a small linger: the events of many keys travel together."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._producer: AIOKafkaProducer | None = None

    async def start(self) -> None:
        """Connect."""
        self._producer = AIOKafkaProducer(
            bootstrap_servers=self._settings.bootstrap,
            client_id=self._settings.client_id,
            enable_idempotence=self._settings.idempotence,
            acks="all",
            linger_ms=2,
            request_timeout_ms=int(PUBLISH_TIMEOUT_S * 1000),
        )
        await self._producer.start()

    async def stop(self) -> None:
        """Send what is buffered, and disconnect."""
        if self._producer is not None:
            await self._producer.stop()

    async def publish(self, events: Sequence[Outgoing]) -> None:
        """Publish events in this order; see `libs.common.outbox.Publisher`."""
        await self._write(
            [
                RawMessage(event.topic, event.meta.subject.encode(), event.value.encode(), event.meta.headers())
                for event in events
            ]
        )

    async def publish_raw(self, message: RawMessage) -> None:
        """Write one record as it is; see `libs.common.consumption.RawPublisher`."""
        await self._write([message])

    async def _write(self, messages: Iterable[RawMessage]) -> None:
        if self._producer is None:
            raise Unavailable("the producer is not started")
        try:
            async with asyncio.timeout(PUBLISH_TIMEOUT_S):
                sent = [
                    await self._producer.send(each.topic, each.value, key=each.key, headers=list(each.headers))
                    for each in messages
                ]
                await asyncio.gather(*sent)
        except (KafkaError, TimeoutError, ConnectionError) as error:
            raise Unavailable(f"the broker does not take messages: {type(error).__name__}") from error


class Subscription:
    """Reads a service's topics, and the topics where it parks messages, in two consumers of one group each.

    Parked messages wait for their time inside a batch; a consumer of their own keeps that from holding up fresh ones.
    """

    def __init__(
        self, settings: KafkaSettings, consumption: Consumption, group: str, *, probe: Probe, metrics: Metrics
    ) -> None:
        self._consumption = consumption
        self._probe = probe
        self._metrics = metrics
        self._batches_ended = 0
        self._watched = 0
        self._watching = Repeating("consumption.watch", WATCH_EVERY_S, self._watch)
        self._broker = KafkaBroker(
            settings.bootstrap,
            client_id=settings.client_id,
            allow_auto_create_topics=False,
            graceful_timeout=GRACEFUL_S,
            logger=None,
        )
        retries = [retry_topic(topic, group) for topic in consumption.topics]
        self._subscribers = (
            self._subscribe(consumption.topics, group, BATCH_RECORDS),
            self._subscribe(retries, f"{group}.retry", RETRY_BATCH_RECORDS),
        )

    def _subscribe(self, topics: Iterable[str], group: str, records: int) -> BatchSubscriber:
        subscriber = self._broker.subscriber(
            *topics,
            batch=True,
            max_records=records,
            group_id=group,
            auto_offset_reset="earliest",
            ack_policy=AckPolicy.MANUAL,
            fetch_max_wait_ms=FETCH_WAIT_MS,
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
        """Join the groups and begin to read."""
        await self._broker.start()
        await self._watching.start()

    async def stop(self) -> None:
        """Leave the groups. A batch in progress is not committed and will be read again."""
        await self._watching.stop()
        await self._broker.stop()

    async def ping(self) -> None:
        """Return if the broker answers.

        Raises:
            Unavailable: it does not.
        """
        if not await self._broker.ping(timeout=3.0):
            raise Unavailable("the broker does not answer")

    async def _take(self, message: KafkaMessage) -> None:
        records: tuple[Record, ...] = message.raw_message
        try:
            await self._consumption.batch(records)
        except Exception:
            log.exception("consumption.rewound", records=len(records))
            await message.nack()
            await asyncio.sleep(REWIND_PAUSE_S)
            return
        try:
            await message.ack()
        except CommitFailedError:
            # The group was rebalanced meanwhile: whoever reads these partitions now sees the batch again.
            log.warning("consumption.rebalanced", records=len(records))
        self._batches_ended += 1

    async def _watch(self) -> None:
        """Tell a consumer that stands still from one that has nothing to do, or holds its batch for good reason."""
        lag = await self._lag()
        if lag == 0 or self._batches_ended != self._watched or self._consumption.held:
            self._probe.beat()
        self._watched = self._batches_ended

    async def _lag(self) -> int:
        total: Counter[str] = Counter()
        try:
            async with asyncio.timeout(WATCH_EVERY_S):
                for consumer in filter(None, (each.consumer for each in self._subscribers)):
                    ends = await consumer.end_offsets(consumer.assignment())
                    for partition, end in ends.items():
                        total[partition.topic] += end - (await consumer.committed(partition) or 0)
        except (KafkaError, TimeoutError):
            # Whether the broker answers is a question of readiness: restarting this process would not help.
            return 0
        for topic in self._consumption.topics:
            self._metrics.consumer_lag.labels(topic).set(total[topic])
        return total.total()


async def _undecoded(_: KafkaMessage) -> None:
    """Leave decoding to `Consumption`, which knows what to do with a record that cannot be decoded."""
