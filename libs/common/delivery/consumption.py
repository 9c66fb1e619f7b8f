"""From a batch of Kafka records to handlers: one key in order, keys side by side, each record on its own feet.

A record ends in one of three ways: handled, parked for a later round, or a dead letter. Only what has ended may be
committed. While the store or the broker does not answer, nothing ends: the batch waits, because nothing is wrong with
its messages. A batch that takes too long gives back what it has not begun, so that the consumer stays in its group.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain, repeat
from time import monotonic, perf_counter
from traceback import format_tb
from typing import Any, Final, Generic, Protocol

import structlog

from libs.common.contracts.events import E, MalformedMessage, Meta, Received, decode, read_meta
from libs.common.contracts.signatures import ForgedMessage
from libs.common.contracts.topics import origin_of
from libs.common.core.background import uninterrupted
from libs.common.core.errors import Unavailable
from libs.common.core.metrics import Metrics
from libs.common.core.sealing import Keyring
from libs.common.core.tracing import traceparent
from libs.common.core.values import Clock
from libs.common.delivery import retry
from libs.common.delivery.retry import Circuit, RawMessage, Record, RetryPolicy

log = structlog.get_logger()

PARALLEL_KEYS: Final = 16
OUTAGE_PAUSES_S: Final = (0.2, 0.5, 1.0, 2.0)
MAX_HOLD_S: Final = 60.0
HANDLER_TIMEOUT_S: Final = 30.0
BATCH_S: Final = 120.0
"""After so long no more records of a batch are begun. With one handler's time it stays below the poll interval."""


@dataclass(frozen=True, slots=True)
class Route(Generic[E]):
    """Which function takes in which kind of event."""

    event: type[E]
    handle: Callable[[Received[E]], Awaitable[None]]


Authenticate = Callable[[Record], None]
"""Returns if the record is by the one service that may publish to its topic; raises `ForgedMessage` if not."""


class RawPublisher(Protocol):
    """Writes records as they are, to park them."""

    async def publish_raw(self, message: RawMessage) -> None:
        """Return when the broker has it.

        Raises:
            Unavailable: the broker does not answer.
        """
        ...


class Consumption:
    """What one consumer group does with what it reads.

    Args:
        group: the consumer group, which is the service's name.
        routes: the kinds of events it takes in. Anything else on its topics is a dead letter.
        authenticate: refuses records by anybody but the producer of their topic, before anything in them is read.
        handler_s: how long a handler may take for one message; it is cut off then, and the message parked.
        batch_s: how long records of a batch are begun.
    """

    def __init__(
        self,
        group: str,
        routes: Iterable[Route[Any]],
        *,
        authenticate: Authenticate,
        keyring: Keyring,
        publisher: RawPublisher,
        metrics: Metrics,
        clock: Clock,
        policy: RetryPolicy | None = None,
        circuit: Circuit | None = None,
        handler_s: float = HANDLER_TIMEOUT_S,
        batch_s: float = BATCH_S,
    ) -> None:
        self._group = group
        self._routes = {route.event.type(): route for route in routes}
        self._authenticate = authenticate
        self._keyring = keyring
        self._publisher = publisher
        self._metrics = metrics
        self._clock = clock
        self._policy = policy or RetryPolicy()
        self._circuit = circuit or Circuit()
        # Asked when metrics are read: a circuit closes by itself, as failures grow old.
        metrics.circuit_open.set_function(lambda: float(self._circuit.is_open(clock())))
        self._handler_s = handler_s
        self._batch_s = batch_s
        self._side_by_side = asyncio.Semaphore(PARALLEL_KEYS)
        self.topics: Final = tuple(sorted({route.event.topic for route in self._routes.values()}))
        """The topics to read."""
        self.ended = 0
        """Records brought to their end: it grows as long as there is progress."""
        self.held = 0
        """Records that wait because the store or the broker does not answer, or the circuit is open."""
        self.waiting = 0
        """Parked records that wait for their time."""

    async def batch(self, records: Sequence[Record]) -> Sequence[Record]:
        """Bring the records of a batch to their end. Gives those it did not come to: all others may be committed."""
        began, stop_at = self._clock(), monotonic() + self._batch_s
        by_key: dict[bytes | None, list[Record]] = {}
        for record in records:
            by_key.setdefault(record.key, []).append(record)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._in_order(same, began, stop_at)) for same in by_key.values()]
        return [record for task in tasks for record in task.result()]

    async def unreadable(self, topic: str, partition: int, offset: int) -> None:
        """Note a record that could not even be read among the dead letters.

        Raises:
            Unavailable: the broker does not answer.
        """
        await self._publisher.publish_raw(retry.unreadable(topic, partition, offset, self._group))
        self._metrics.handled(origin_of(topic), "dead_lettered", 0, None)
        log.error("message.unreadable", topic=topic, partition=partition, offset=offset)

    async def _in_order(self, records: Sequence[Record], began: datetime, stop_at: float) -> Sequence[Record]:
        for place, record in enumerate(records):
            await self._wait_until_due(record, began)
            async with self._side_by_side:
                if monotonic() > stop_at:
                    return records[place:]
                waits_for = await self._attempt(record)
            await self._until_it_ends(record, waits_for)
            self.ended += 1
        return ()

    async def _wait_until_due(self, record: Record, began: datetime) -> None:
        due = retry.not_before(record)
        if due is None:
            return
        self.waiting += 1
        try:
            # Reckoned from the batch's beginning: many records, or a time far ahead, hold it no longer than one.
            due = min(due, began + timedelta(seconds=MAX_HOLD_S))
            await asyncio.sleep(max((due - self._clock()).total_seconds(), 0))
        finally:
            self.waiting -= 1

    async def _attempt(self, record: Record) -> str | None:
        """Try a record once, and return what it waits for; None if it came to its end."""
        try:
            await self._once(record)
        except Unavailable as error:
            return str(error)
        return None

    async def _until_it_ends(self, record: Record, waits_for: str | None) -> None:
        """Hold a record while something does not answer; a held one takes no other's turn."""
        for pause in chain(OUTAGE_PAUSES_S, repeat(OUTAGE_PAUSES_S[-1])):
            if waits_for is None:
                return
            log.warning("consumption.waiting", topic=record.topic, reason=waits_for, pause_s=pause)
            await self._hold(pause)
            async with self._side_by_side:
                waits_for = await self._attempt(record)

    async def _hold(self, pause_s: float) -> None:
        self.held += 1
        self._metrics.messages_held.set(self.held)
        try:
            await asyncio.sleep(pause_s)
        finally:
            self.held -= 1
            self._metrics.messages_held.set(self.held)

    async def _once(self, record: Record) -> None:
        began = perf_counter()
        meta: Meta | None = None
        outcome = "handled"
        try:
            self._authenticate(record)
            meta = read_meta(record.headers, record.key)
            traceparent.set(meta.traceparent)
            await self._handle(record, meta)
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a handler raises, the record comes to its end
            outcome = await self._failed(record, error)
        self._account(record, meta, outcome, perf_counter() - began)

    async def _handle(self, record: Record, meta: Meta) -> None:
        route = self._routes.get(meta.type)
        if route is None:
            raise MalformedMessage(f"nobody here takes in {meta.type}")
        if route.event.topic != origin_of(record.topic):
            raise ForgedMessage(f"a fact of the type {meta.type} does not belong on this topic")
        event = decode(route.event, meta, record.value or b"", self._keyring)
        tries = 1
        while True:
            try:
                async with asyncio.timeout(self._handler_s):
                    return await uninterrupted(route.handle(Received(event, meta)))
            except (Unavailable, TimeoutError):
                raise
            except Exception as error:
                pause = None if retry.is_hopeless(error) else self._policy.pause_in_place(tries)
                if pause is None:
                    raise
            tries += 1
            await asyncio.sleep(pause)

    async def _failed(self, record: Record, error: Exception) -> str:
        now = self._clock()
        pause = None if retry.is_hopeless(error) else self._policy.pause_parked(retry.attempt_of(record))
        if pause is not None:
            await self._publisher.publish_raw(retry.parked(record, self._group, error, now + timedelta(seconds=pause)))
            log.warning("message.parked", topic=record.topic, failure=retry.failure_text(error), pause_s=pause)
            return "retried"
        if isinstance(error, ForgedMessage):
            self._metrics.messages_forged.labels(origin_of(record.topic)).inc()
        if not isinstance(error, MalformedMessage):
            # Malformed messages do not count: whoever can write to a topic must not be able to stop its readers.
            if self._circuit.is_open(now):
                raise Unavailable("too many messages were given up; waiting for somebody to look") from error
            self._circuit.gave_up(now)
        await self._publisher.publish_raw(retry.dead_letter(record, self._group, error))
        log.error("message.given_up", topic=record.topic, failure=retry.failure_text(error), trace=_frames(error))
        return "dead_lettered"

    def _account(self, record: Record, meta: Meta | None, outcome: str, seconds: float) -> None:
        topic = origin_of(record.topic)
        self._metrics.handled(topic, outcome, seconds, meta.time if meta else None)
        log.info(
            "message",
            topic=record.topic,
            type=meta and meta.type,
            id=meta and meta.id,
            correlation=meta and meta.correlation_id,
            subject=meta and meta.subject,
            outcome=outcome,
            attempt=retry.attempt_of(record),
            ms=round(seconds * 1000, 2),
        )


def _frames(error: Exception) -> str | None:
    """Where an unexpected error came from: the frames only, because its words may quote personal data."""
    return None if retry.is_hopeless(error) else "".join(format_tb(error.__traceback__))
