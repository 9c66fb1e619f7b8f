"""From a batch of Kafka records to handlers: one key in order, keys side by side, each record on its own feet.

A record ends in one of three ways: handled, parked for a later round, or a dead letter. Only when every record of
the batch has ended may its offsets be committed. While the store or the broker does not answer, nothing ends: the
batch waits, because nothing is wrong with its messages.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain, repeat
from time import perf_counter
from traceback import format_tb
from typing import Any, Final, Generic, Protocol

import structlog

from libs.common import retry
from libs.common.errors import Unavailable
from libs.common.events import E, MalformedMessage, Meta, Received, decode, read_meta
from libs.common.metrics import Metrics
from libs.common.retry import Circuit, RawMessage, Record, RetryPolicy
from libs.common.sealing import Keyring
from libs.common.tracing import traceparent
from libs.common.values import Clock

log = structlog.get_logger()

PARALLEL_KEYS: Final = 16
OUTAGE_PAUSES_S: Final = (0.2, 0.5, 1.0, 2.0)
MAX_HOLD_S: Final = 60.0
HANDLER_TIMEOUT_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Route(Generic[E]):
    """Which function takes in which kind of event."""

    event: type[E]
    handle: Callable[[Received[E]], Awaitable[None]]


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
    """

    def __init__(
        self,
        group: str,
        routes: Iterable[Route[Any]],
        *,
        keyring: Keyring,
        publisher: RawPublisher,
        metrics: Metrics,
        clock: Clock,
        policy: RetryPolicy | None = None,
        circuit: Circuit | None = None,
    ) -> None:
        self._group = group
        self._routes = {route.event.type(): route for route in routes}
        self._keyring = keyring
        self._publisher = publisher
        self._metrics = metrics
        self._clock = clock
        self._policy = policy or RetryPolicy()
        self._circuit = circuit or Circuit()
        self._side_by_side = asyncio.Semaphore(PARALLEL_KEYS)
        self.held = 0
        """Records that wait because the store or the broker does not answer, or the circuit is open."""

    @property
    def topics(self) -> tuple[str, ...]:
        """The topics to read."""
        return tuple(sorted({route.event.topic for route in self._routes.values()}))

    async def batch(self, records: Sequence[Record]) -> None:
        """Bring every record of a batch to its end. Returning means: all of them may be committed."""
        by_key: dict[bytes | None, list[Record]] = {}
        for record in records:
            by_key.setdefault(record.key, []).append(record)
        async with asyncio.TaskGroup() as group:
            for same_key in by_key.values():
                group.create_task(self._in_order(same_key))

    async def _in_order(self, records: Sequence[Record]) -> None:
        for record in records:
            await self._wait_until_due(record)
            async with self._side_by_side:
                await self._to_its_end(record)

    async def _wait_until_due(self, record: Record) -> None:
        due = retry.not_before(record)
        if due is not None:
            await asyncio.sleep(min(max((due - self._clock()).total_seconds(), 0), MAX_HOLD_S))

    async def _to_its_end(self, record: Record) -> None:
        for pause in chain(OUTAGE_PAUSES_S, repeat(OUTAGE_PAUSES_S[-1])):
            try:
                await self._once(record)
            except Unavailable as error:
                log.warning("consumption.waiting", topic=record.topic, reason=str(error), pause_s=pause)
            else:
                return
            await self._hold(pause)

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
        event = decode(route.event, meta, record.value or b"", self._keyring)
        tries = 1
        while True:
            try:
                async with asyncio.timeout(HANDLER_TIMEOUT_S):
                    return await route.handle(Received(event, meta))
            except Unavailable:
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
        if not isinstance(error, MalformedMessage):
            # Malformed messages do not count: whoever can write to a topic must not be able to stop its readers.
            if self._circuit.is_open(now):
                raise Unavailable("too many messages were given up; waiting for somebody to look") from error
            self._circuit.gave_up(now)
        await self._publisher.publish_raw(retry.dead_letter(record, self._group, error))
        log.error("message.given_up", topic=record.topic, failure=retry.failure_text(error), trace=_frames(error))
        return "dead_lettered"

    def _account(self, record: Record, meta: Meta | None, outcome: str, seconds: float) -> None:
        topic = record.topic if record.topic in self.topics else retry.origin_topic(record)
        self._metrics.handled(
            topic if topic in self.topics else "unknown", outcome, seconds, meta.time if meta else None
        )
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
