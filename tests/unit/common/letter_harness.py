"""A consumer of letters whose handler does what it is told, and the letters."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import ClassVar

from libs.common.contracts.events import Event, Meta, Received, encode
from libs.common.core.errors import Unavailable
from libs.common.core.metrics import Metrics
from libs.common.core.sealing import Sealed
from libs.common.delivery.consumption import Authenticate, Consumption, Route
from libs.common.delivery.retry import Circuit, RawMessage, Record, RetryPolicy
from libs.common.testing.broker import BrokerRecord
from tests.unit.common.shop_harness import KEYRING, NOON, Buyer
from tests.waiting import PATIENCE_S

GROUP = "clerk"
RETRIES = "letter.sent.retry.clerk"
GIVEN_UP = "letter.sent.dlq.clerk"
QUICK = RetryPolicy(in_place=3, pause_s=0.0001, parked_s=(2.0, 10.0))
Headers = tuple[tuple[str, bytes | None], ...]


class LetterSent(Event):
    topic: ClassVar[str] = "letter.sent"

    number: int
    to: Sealed[Buyer] | None = None


class Broker:
    """Takes what is parked, unless it is away."""

    def __init__(self) -> None:
        self.parked: list[RawMessage] = []
        self.away = 0

    async def publish_raw(self, message: RawMessage) -> None:
        if self.away:
            self.away -= 1
            raise Unavailable("the broker is away")
        self.parked.append(message)


def anybody(_: Record) -> None:
    """Let everybody write letters: who may is asked in `test_authors.py`."""


class LetterConsumer:
    """A consumer with one handler that does what it is told for a letter's number."""

    def __init__(
        self,
        policy: RetryPolicy = QUICK,
        circuit: Circuit | None = None,
        authenticate: Authenticate = anybody,
        **limits: float,
    ) -> None:
        self.broker = Broker()
        self.metrics = Metrics(GROUP)
        self.now = NOON
        self.handled: list[int] = []
        self.tries: Counter[int] = Counter()
        self.does: dict[int, Callable[[int], Awaitable[None]]] = {}
        self.consumption = Consumption(
            GROUP,
            [Route(LetterSent, self.handle)],
            authenticate=authenticate,
            keyring=KEYRING,
            publisher=self.broker,
            metrics=self.metrics,
            clock=lambda: self.now,
            policy=policy,
            circuit=circuit,
            **limits,
        )

    async def handle(self, message: Received[LetterSent]) -> None:
        number = message.event.number
        self.tries[number] += 1
        if number in self.does:
            await self.does[number](self.tries[number])
        self.handled.append(number)

    def fails(self, number: int, *errors: BaseException | None) -> None:
        """Let a letter fail with these errors, one a try; the last one stays."""

        async def fail(tried: int) -> None:
            error = errors[min(tried, len(errors)) - 1]
            if error is not None:
                raise error

        self.does[number] = fail

    async def batch(self, *records: BrokerRecord) -> None:
        async with asyncio.timeout(PATIENCE_S):
            assert not await self.consumption.batch(records)

    def outcomes(self, outcome: str, topic: str = "letter.sent") -> float:
        labels = {"topic": topic, "outcome": outcome}
        return self.metrics.registry.get_sample_value("onboarding_messages_total", labels) or 0


def meta_of(number: int, key: str = "a") -> Meta:
    return Meta(f"id-{number}", LetterSent.type(), "post", NOON, key, "correlation")


def letter(number: int, key: str = "a", to: str | None = None) -> BrokerRecord:
    meta = meta_of(number, key)
    event = LetterSent(number=number, to=Sealed(Buyer(name=to)) if to else None)
    return BrokerRecord("letter.sent", number, key.encode(), encode(event, meta, KEYRING), meta.headers())


def with_header(record: BrokerRecord, name: str, value: bytes | None) -> BrokerRecord:
    kept = tuple(pair for pair in record.headers if pair[0] != name)
    return replace(record, headers=(*kept, (name, value)))


def as_read(message: RawMessage, offset: int = 0) -> BrokerRecord:
    return BrokerRecord(message.topic, offset, message.key, message.value, message.headers)


def header(message: RawMessage, name: str) -> str:
    (value,) = (value for header, value in message.headers if header == name)
    assert value is not None
    return value.decode()
