"""A one-time code service in memory: what outlives a process, the process itself, and a gateway that can fail."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID

from libs.common.contracts.events import Event, Meta, Received
from libs.common.contracts.identity import JourneyClosed, JourneyStarted, RevocationRequested
from libs.common.contracts.people import Contact, Person
from libs.common.core.metrics import Metrics
from libs.common.core.sealing import Keyring, Sealed
from libs.common.delivery.engine import Engine
from libs.common.testing.memory import MemoryDocuments
from services.otp import domain, limits
from services.otp.collections import CODES, INBOXES, USAGE
from services.otp.handlers import Handlers
from services.otp.service import OtpService
from tests.unit.common.faults import Faults, FaultyDocuments, FaultyPublisher, Log

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
JOURNEY = "7a4b3f0e-5a35-4d0a-9a51-6a5b8f6f4a01"
PHONE = "+77010000012"
KEYRING = Keyring({"contact": {"1": bytes(range(32))}, "person": {"1": bytes(32)}}, bytes(32))
METRICS = Metrics("otp")
RULES = domain.CodeRules()
LIMITS = limits.LimitRules()
CLOSED = JourneyClosed(outcome="cancelled", reason="journey.cancelled")


def journey(number: int) -> str:
    return str(UUID(int=number + 1))


def started(person: str = "person-1", phone: str = "phone-1") -> JourneyStarted:
    return JourneyStarted(
        person=Sealed(Person(iin="850412399015", surname="ТОЛҚЫНБЕКОВА", given_name="АЙСҰЛУ")),
        contact=Sealed(Contact(phone=PHONE)),
        person_ref=person,
        phone_ref=phone,
        mcb_registered=True,
        expires_at=NOON + 7 * 24 * HOUR,
    )


class Gateway:
    """A gateway that honours its idempotency key, and fails as it is told."""

    def __init__(self) -> None:
        self.delivered: dict[str, str] = {}
        self.asked: list[tuple[str, str]] = []
        self.failure: Exception | None = None

    async def send(self, journey_id: str, phone: str, text: str, sms_id: str) -> None:
        self.asked.append((journey_id, sms_id))
        assert phone == PHONE
        if self.failure is not None:
            raise self.failure
        self.delivered.setdefault(sms_id, text)


@dataclass
class World:
    """What outlives every process: rows, log, time, the codes drawn, and the gateway."""

    now: datetime = NOON
    rows: dict[str, MemoryDocuments] = field(default_factory=dict)
    log: Log = field(default_factory=Log)
    gateway: Gateway = field(default_factory=Gateway)
    codes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._ids = count(1)
        self._messages = count(1)

    def clock(self) -> datetime:
        return self.now

    def new_id(self) -> str:
        return f"id-{next(self._ids)}"

    def new_code(self) -> tuple[str, str]:
        code = f"{271_828 + 37 * len(self.codes):06d}"
        self.codes.append(code)
        return code, f"sms-{len(self.codes)}"

    @property
    def code(self) -> str:
        """The digits in the newest SMS that was delivered."""
        return list(self.gateway.delivered.values())[-1][: RULES.code_digits]

    @property
    def wrong(self) -> str:
        return "000000"

    def meta(self, event: Event, subject: str = JOURNEY, message_id: str | None = None) -> Meta:
        name = message_id or f"message-{next(self._messages)}"
        return Meta(name, event.type(), "identity", self.now, subject, subject)

    def published(self, subject: str = JOURNEY) -> list[tuple[str, dict[str, Any]]]:
        """Every fact about a journey, once, in the order of its first publication."""
        once = {each.meta.id: each for each in self.log.published if each.meta.subject == subject}
        return [(each.topic, json.loads(each.value)) for each in once.values()]

    def topics(self, subject: str = JOURNEY) -> list[str]:
        return [topic for topic, _ in self.published(subject)]


class OtpProcess:
    """One process of the service on a world; a crash ends it, and the next one begins on what it left."""

    def __init__(
        self,
        world: World,
        faults: Faults | None = None,
        rules: domain.CodeRules = RULES,
        limit_rules: limits.LimitRules = LIMITS,
    ) -> None:
        self.world = world
        faults = faults or Faults()
        engine = Engine(
            source="otp",
            documents=lambda name, _: FaultyDocuments(world.rows.setdefault(name, MemoryDocuments()), faults),
            publisher=FaultyPublisher(world.log, faults),
            keyring=KEYRING,
            metrics=METRICS,
            clock=world.clock,
            new_id=world.new_id,
        )
        self.codes = engine.open(CODES)
        self.usage = engine.open(USAGE)
        self.inboxes = engine.open(INBOXES)
        self.service = OtpService(
            self.codes.aggregates,
            self.usage.aggregates,
            world.gateway,
            rules=rules,
            limit_rules=limit_rules,
            clock=world.clock,
            new_code=world.new_code,
        )
        self.timers = engine.timers(self.codes, self.service.wake)
        self._routes = {route.event.topic: route.handle for route in Handlers(self.service).routes()}

    async def start(
        self,
        subject: str = JOURNEY,
        event: JourneyStarted | RevocationRequested | None = None,
        meta: Meta | None = None,
    ) -> None:
        event = event or started()
        await self._routes[event.topic](Received(event, meta or self.world.meta(event, subject)))

    async def close(self, subject: str = JOURNEY, meta: Meta | None = None) -> None:
        await self._routes[CLOSED.topic](Received(CLOSED, meta or self.world.meta(CLOSED, subject)))

    async def wake_due(self) -> None:
        """Let every timer ring whose time has come."""
        now = int(self.world.now.timestamp() * 1000)
        for key, wake_at in await self.codes.documents.due(now, 100):
            await self.timers.run_once(key, wake_at)

    async def sent(self, subject: str = JOURNEY, event: JourneyStarted | RevocationRequested | None = None) -> None:
        """Bring a journey to where its citizen has an SMS."""
        await self.start(subject, event)
        await self.wake_due()

    async def state(self, subject: str = JOURNEY) -> domain.CodesState | None:
        return await self.codes.aggregates.get(subject)
