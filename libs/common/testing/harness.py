"""Runs a service in memory, built by its own `app.build`: what a test drives it through, and what it reads back.

    @pytest.fixture
    async def otp(surroundings: Surroundings) -> AsyncIterator[Harness]:
        async with surroundings.run("otp", build, Settings) as harness:
            yield harness

    async def test_a_code_is_sent(otp: Harness) -> None:
        await otp.receive(JourneyStarted(...), JOURNEY)          # as bytes, through the service's own consumption
        answer = await otp.http.post(f"/v1/journeys/{JOURNEY}/code", json={"code": "123456"}, headers=...)
        await otp.advance(timedelta(minutes=3))                  # fires timers, each at its own time
        assert otp.published(OtpRejected, subject=JOURNEY) == [...]

Nothing runs in the background: `settle` hands over messages, does wakes and publishes what is left, until nothing is
due at the present moment. Several services that share `Surroundings` exchange their events; `Surroundings.settle` and
`Surroundings.advance` drive them all. Work that a service repeats by the wall clock (purges, counts) is done by calling
`Harness.repeat`. Systems that are not ours are functions from request to answer, `Surroundings.outside`.

`Surroundings.stores` outlives a harness: run the service again on the same surroundings and it goes on with what the
last process left. ``faults=Faults(n)`` ends the process at its n-th call to store or broker, with `Crash`.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, Final, Protocol, TypeVar
from uuid import UUID

import httpx
from fastapi import FastAPI

from libs.common.contracts.events import Event, Meta, Received, decode, encode, read_meta
from libs.common.contracts.topics import TOPICS, is_dead_letter_topic, is_retry_topic
from libs.common.core.background import Repeating
from libs.common.core.sealing import Keyring
from libs.common.core.settings import ServiceSettings
from libs.common.core.values import Clock, NewId
from libs.common.delivery.documents import Outgoing
from libs.common.delivery.kafka import signed
from libs.common.testing.backend import Answering, MemoryBackend, MemoryStore, MovableClock
from libs.common.testing.broker import BrokerRecord, MemoryBroker
from libs.common.testing.event_keys import EveryProducer
from libs.common.testing.faults import Faults
from libs.common.testing.trial_keys import TrialKeys
from libs.common.web.backend import Backend
from libs.common.web.service import App

NOON: Final = datetime(2026, 3, 2, 12, tzinfo=UTC)
ROUNDS: Final = 1000
"""After so many rounds something goes in a circle."""

S = TypeVar("S", bound=ServiceSettings)
S_contra = TypeVar("S_contra", bound=ServiceSettings, contravariant=True)
E = TypeVar("E", bound=Event)


class Build(Protocol[S_contra]):
    """A service's `app.build`."""

    def __call__(self, settings: S_contra, *, clock: Clock, new_id: NewId, backend: Backend | None) -> App:
        """Make the application."""
        ...


class Surroundings:
    """What services of one test share and what outlives their processes: time, broker, stores, keys, other systems."""

    def __init__(self, now: datetime = NOON) -> None:
        self.clock = MovableClock(now)
        self.broker = MemoryBroker()
        self.stores: dict[str, MemoryStore] = {}
        self.keys = TrialKeys(self.clock)
        self.keyring = Keyring.parse(self.keys.sealing)
        self.outside: dict[str, Answering] = {}
        self._ids = count(1)
        self._running: list[Harness] = []

    def new_id(self) -> str:
        """Return an identifier nobody has used: the same ones in each run."""
        return str(UUID(int=next(self._ids)))

    @asynccontextmanager
    async def run(
        self, name: str, build: Build[S], settings: type[S], *, faults: Faults | None = None, **overrides: Any
    ) -> AsyncIterator["Harness"]:
        """Run one process of a service.

        Args:
            name: the service's name.
            build, settings: its own.
            faults: where the process ends before its time.
            overrides: settings beside, or in place of, those that all services share.
        """
        store = self.stores.setdefault(name, MemoryStore())
        backend = MemoryBackend(name, store, self.broker, self.clock, outside=self.outside, faults=faults)
        read = settings(**{**self.keys.settings(name), **overrides})
        app = build(read, clock=self.clock, new_id=self.new_id, backend=backend)
        harness = Harness(self, app, backend, store)
        self._running.append(harness)
        try:
            async with harness.running():
                yield harness
        finally:
            self._running.remove(harness)

    async def settle(self) -> None:
        """Let all services do what is due at the present moment, and what follows from it."""
        for _ in range(ROUNDS):
            if not sum([await harness.run_due() for harness in self._running]):
                return
        raise AssertionError(f"after {ROUNDS} rounds there is still something due")

    async def advance(self, by: timedelta) -> None:
        """Let time pass: whatever falls due on the way is done at its own time."""
        until = self.clock.now + by
        await self.settle()
        while (due := self._next_due()) is not None and due <= until:
            self.clock.now = max(self.clock.now, due)
            await self.settle()
        self.clock.now = until
        await self.settle()

    def _next_due(self) -> datetime | None:
        return min((due for each in self._running if (due := each.next_due()) is not None), default=None)


class Harness:
    """One process of a service in memory. Made by `Surroundings.run`.

    Attributes:
        app: what the service's `app.build` made.
        http: a client of its HTTP side.
        store: what it has stored.
    """

    def __init__(self, surroundings: Surroundings, app: App, backend: MemoryBackend, store: MemoryStore) -> None:
        self.app = app
        self.store = store
        self.http = http_client(app.http, f"http://{app.name}")
        self._around = surroundings
        self._backend = backend

    @property
    def clock(self) -> MovableClock:
        """The present moment of all services in the test."""
        return self._around.clock

    @property
    def keys(self) -> TrialKeys:
        """Who signs tokens."""
        return self._around.keys

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Start and stop what the service runs, but for what repeats by the wall clock."""
        async with AsyncExitStack() as running:
            running.push_async_callback(self.http.aclose)
            for component in self.app.components:
                if not isinstance(component, Repeating):
                    await component.start()
                    running.push_async_callback(component.stop)
            yield

    async def receive(self, event: Event, subject: str, **attributes: Any) -> Meta:
        """Have the service read an event of another service, and do what follows from it; see `write`."""
        meta = self.write(event, subject, **attributes)
        await self.settle()
        return meta

    def write(self, event: Event, subject: str, *, message_id: str | None = None, source: str = "elsewhere") -> Meta:
        """Put an event of another service on its topic."""
        around = self._around
        meta = Meta(message_id or around.new_id(), event.type(), source, around.clock(), subject, subject)
        value = encode(event, meta, around.keyring).decode()
        around.broker.write(signed(Outgoing(event.topic, meta, value), EveryProducer()))
        return meta

    async def settle(self) -> None:
        """Do what is due at the present moment, and what follows from it; other services in the test do theirs."""
        await self._around.settle()

    async def advance(self, by: timedelta) -> None:
        """Let time pass for all services in the test: whatever falls due on the way is done at its own time."""
        await self._around.advance(by)

    async def repeat(self, name: str) -> None:
        """Do once what the service repeats under this name."""
        (work,) = (each for each in self.app.components if isinstance(each, Repeating) and each.name == name)
        await work.once()

    def published(self, kind: type[E], subject: str | None = None) -> list[Received[E]]:
        """Return the events of a kind that this service published, each once, in the order of their first writing."""
        found = (each for each in self.all_published(subject) if isinstance(each.event, kind))
        return [Received(each.event, each.meta) for each in found if isinstance(each.event, kind)]

    def all_published(self, subject: str | None = None) -> list[Received[Event]]:
        """Return all events that this service published, each once, in the order of their first writing."""
        once: dict[str, Received[Event]] = {}
        for record in self._around.broker.written:
            if (kind := _KINDS.get(record.topic)) is not None:
                meta = read_meta(record.headers, record.key)
                if meta.source == self.app.name and subject in (None, meta.subject) and meta.id not in once:
                    once[meta.id] = Received(decode(kind, meta, record.value or b"", self._around.keyring), meta)
        return list(once.values())

    def dead_letters(self) -> Sequence[BrokerRecord]:
        """Return what this service gave up on."""
        return self._set_aside(is_dead_letter_topic)

    def parked(self) -> Sequence[BrokerRecord]:
        """Return what this service parked to try again later."""
        return self._set_aside(is_retry_topic)

    def _set_aside(self, where: Callable[[str], bool]) -> list[BrokerRecord]:
        suffix = f".{self.app.name}"
        return [each for each in self._around.broker.written if where(each.topic) and each.topic.endswith(suffix)]

    def next_due(self) -> datetime | None:
        """Return when an aggregate wants to be woken, or a parked message tried."""
        due = [self.store.next_wake(), *(each.next_due() for each in self._backend.subscriptions)]
        return min((each for each in due if each is not None), default=None)

    async def run_due(self) -> int:
        """Do what is due now, once, and return how much that was."""
        read = [await each.poll(self.clock()) for each in self._backend.subscriptions]
        woken = [await each.run_due() for each in self.app.timers]
        for outbox in self.app.outboxes:
            await outbox.sweep()
        return sum(read) + sum(woken)


_KINDS: Final[Mapping[str, type[Event]]] = {topic.name: topic.event for topic in TOPICS}


def http_client(app: FastAPI, base_url: str) -> httpx.AsyncClient:
    """Make a client that calls an application in this process."""
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=base_url)
