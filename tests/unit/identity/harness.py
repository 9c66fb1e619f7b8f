"""Citizens, facts and a whole identity service in memory, from which tests begin."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import count
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import settings

from libs.common.contracts.biometrics import FaceMatched, FaceRejected, FaceReviewRequested
from libs.common.contracts.ca import CertIssued, CertRefused, CertRevoked, Profile
from libs.common.contracts.events import Event, Meta, Received
from libs.common.contracts.otp import OtpRejected, OtpSent, OtpVerified
from libs.common.contracts.people import Contact, Person
from libs.common.core.errors import Unavailable
from libs.common.core.metrics import Metrics
from libs.common.core.sealing import Keyring, Sealed
from libs.common.delivery.decisions import Decision
from libs.common.delivery.engine import Engine
from libs.common.testing.broker import MemoryPublisher
from libs.common.testing.memory import MemoryDocuments, MemoryReservations
from libs.common.web.tokens import TokenIssuer
from services.identity.accounts.domain import SignInRules
from services.identity.accounts.hashing import HashRules, Pins
from services.identity.accounts.service import Accounts
from services.identity.cabinet.service import CabinetService
from services.identity.collections import CITIZENS, JOURNEYS, REVOCATIONS, SIGN_INS
from services.identity.handlers import Handlers
from services.identity.journeys import domain
from services.identity.journeys.domain import Opening
from services.identity.journeys.facts import JourneyFact
from services.identity.journeys.progress import wake_at as wake_time
from services.identity.journeys.service import JourneyService
from services.identity.journeys.states import JourneyRules, JourneyState
from services.identity.mcb.gateway import PairRefused
from services.identity.mcb.states import PhonePair
from services.identity.metrics import JourneyMetrics
from services.identity.register.people import Resident
from services.identity.revocations.service import RevocationService

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
RULES = JourneyRules()
IIN, OTHER_IIN = "850412399015", "910725499027"
PHONE = "+77010000012"
PIN, OTHER_PIN = "483920", "605817"
JOURNEY = "7a4b3f0e-5a35-4d0a-9a51-6a5b8f6f4a01"
OTHER_JOURNEY = "7a4b3f0e-5a35-4d0a-9a51-6a5b8f6f4a02"
CITIZEN = "0f9d2a52-9d6e-4f0c-8c1e-3b0c1f4f2a11"
QUICK_HASH = HashRules(memory_kib=64, passes=1)
KEYRING = Keyring({name: {"1": bytes(range(32))} for name in ("person", "contact", "identity")}, bytes(32))
UNHURRIED = settings(deadline=None)  # a busy machine is no failure
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def resident(iin: str = IIN) -> Resident:
    person = Person(iin=iin, surname="ТОЛҚЫНБЕКОВА", given_name="АЙСҰЛУ", document_number="900000011")
    return Resident(person=person, birth_date=date(1985, 4, 12))


def opening(*, mcb_registered: bool = True) -> Opening:
    return Opening(
        resident=resident(),
        contact=Contact(phone=PHONE),
        person_ref="person-ref",
        phone_ref="phone-ref",
        mcb_registered=mcb_registered,
    )


def issued(profile: Profile, serial: str | None = None, citizen_id: str = CITIZEN) -> CertIssued:
    return CertIssued(
        serial=serial or {"SIGN": "aa01", "AUTH": "bb02"}[profile],
        key_id="01",
        issuer_key_id="02",
        profile=profile,
        not_before=NOON,
        not_after=NOON + 365 * DAY,
        citizen_id=citizen_id,
        person_ref="person-ref",
        holder=Sealed(resident().person),
    )


def revoked(serial: str, profile: Profile = "SIGN", citizen_id: str = CITIZEN) -> CertRevoked:
    return CertRevoked(
        serial=serial, profile=profile, reason="superseded", revoked_at=NOON + DAY, citizen_id=citizen_id
    )


SENT = OtpSent(number=1, expires_at=NOON + 3 * MINUTE)
VERIFIED = OtpVerified(phone_ref="phone-ref")
MATCHED = FaceMatched(model="m1")
REVIEW = FaceReviewRequested(due_at=NOON + DAY)


def code_refused(*, final: bool = False) -> OtpRejected:
    return OtpRejected(reason="expired", final=final, retry_at=None if final else NOON)


def face_refused(tries_left: int = 4, *, final: bool = False) -> FaceRejected:
    return FaceRejected(reasons=("selfie.blurred",), tries_left=tries_left, final=final)


def request_refused(*, final: bool = False) -> CertRefused:
    return CertRefused(reason="csr.key_size", final=final)


@dataclass
class Run:
    """One journey through the domain alone: its state, and everything it told."""

    state: JourneyState | None = None
    events: list[Event] = field(default_factory=list)
    rules: JourneyRules = RULES

    def take(self, decision: Decision[JourneyState] | None) -> "Run":
        if decision is not None:
            self.state = decision.state
            self.events.extend(decision.events)
        return self

    def start(self, *, mcb_registered: bool = True, now: datetime = NOON) -> "Run":
        return self.take(domain.start(self.state, opening(mcb_registered=mcb_registered), self.rules, now))

    def fact(self, fact: JourneyFact, at: datetime = NOON) -> "Run":
        return self.take(domain.take_in(self.state, fact, at, at))

    def pin(self, now: datetime = NOON) -> "Run":
        return self.take(domain.create_digital_id(self.state, CITIZEN, now))

    def cancel(self, now: datetime = NOON) -> "Run":
        return self.take(domain.cancel(self.state, now))

    def wake(self, now: datetime) -> "Run":
        return self.take(domain.enforce_deadline(self.state, now))

    @property
    def wake_at(self) -> datetime | None:
        return None if self.state is None else wake_time(self.state)

    @property
    def topics(self) -> list[str]:
        return [event.topic for event in self.events]


class Register:
    """A population register that can be away."""

    def __init__(self) -> None:
        self.away = False

    async def find(self, iin: str) -> Resident | None:
        if self.away:
            raise Unavailable("the population register does not answer")
        return resident(iin) if iin in (IIN, OTHER_IIN) else None


class Mcb:
    """A base that can be away or refuse, and remembers what it was asked."""

    def __init__(self) -> None:
        self.away = False
        self.refuses = False
        self.held: set[tuple[str, str]] = set()
        self.asked: list[str] = []

    async def holds(self, pair: PhonePair) -> bool:
        if self.away:
            raise Unavailable("the Mobile Citizens Base does not answer")
        return (pair.iin, pair.phone) in self.held

    async def register(self, pair: PhonePair, request_id: str) -> None:
        self.asked.append(request_id)
        if self.away:
            raise Unavailable("the Mobile Citizens Base does not answer")
        if self.refuses:
            raise PairRefused("the number has another owner")
        self.held.add((pair.iin, pair.phone))


class IdentityHarness:
    """The identity service with the engine's store, broker and reservations in memory, and a clock to be turned."""

    def __init__(self, rules: JourneyRules = RULES) -> None:
        self.now = NOON
        self.metrics = Metrics("identity")
        self.publisher = MemoryPublisher()
        self.reservations = MemoryReservations()
        self.register, self.mcb = Register(), Mcb()
        self.rows: dict[str, MemoryDocuments] = {}
        self.tokens = TokenIssuer(Ed25519PrivateKey.generate(), "identity", "1", self.clock)
        self._messages = count(1)
        ids = count(1)
        self.engine = Engine(
            source="identity",
            documents=lambda name, _: self.rows.setdefault(name, MemoryDocuments()),
            publisher=self.publisher,
            keyring=KEYRING,
            metrics=self.metrics,
            clock=self.clock,
            new_id=lambda: str(UUID(int=next(ids))),
        )
        self.journeys = self.engine.open(JOURNEYS)
        self.citizens = self.engine.open(CITIZENS)
        self.accounts = Accounts(
            self.citizens.aggregates,
            self.engine.open(SIGN_INS).aggregates,
            self.reservations,
            Pins(QUICK_HASH),
            self.tokens,
            rules=SignInRules(),
            keyring=KEYRING,
            clock=self.clock,
            new_id=lambda: str(UUID(int=next(ids))),
        )
        self.service = JourneyService(
            self.journeys.aggregates,
            self.accounts,
            self.register,
            self.mcb,
            rules=rules,
            keyring=KEYRING,
            metrics=JourneyMetrics(self.metrics),
            clock=self.clock,
        )
        self.cabinet = CabinetService(self.citizens.aggregates, self.accounts)
        wishes = self.engine.open(REVOCATIONS).aggregates
        self.revocations = RevocationService(wishes, self.accounts, self.tokens, self.clock)
        self.timers = self.engine.timers(self.journeys, self.service.wake)
        self.routes = {route.event.topic: route.handle for route in Handlers(self.service, self.cabinet).routes()}

    def clock(self) -> datetime:
        return self.now

    async def deliver(self, event: Event, subject: str = JOURNEY, message_id: str | None = None) -> Meta:
        """Deliver an event as its own handler gets it."""
        name = message_id or f"message-{next(self._messages)}"
        meta = Meta(name, event.type(), "elsewhere", self.now, subject, subject)
        await self.routes[event.topic](Received(event, meta))
        return meta

    async def wake_due(self) -> None:
        """Let every timer ring whose time has come."""
        now = int(self.now.timestamp() * 1000)
        for key, wake_at in await self.journeys.documents.due(now, 100):
            await self.timers.run_once(key, wake_at)

    async def started(self, journey_id: str = JOURNEY, iin: str = IIN) -> None:
        await self.service.start(journey_id, iin, Contact(phone=PHONE))

    async def proven(self, journey_id: str = JOURNEY, iin: str = IIN) -> None:
        """Bring a journey to where a PIN is chosen."""
        await self.started(journey_id, iin)
        await self.deliver(VERIFIED, journey_id, f"{journey_id}-verified")
        await self.deliver(MATCHED, journey_id, f"{journey_id}-matched")

    def topics(self, journey_id: str = JOURNEY) -> list[str]:
        return [each.topic for each in self.publisher.published if each.meta.subject == journey_id]

    def counted(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(f"onboarding_{name}_total", labels) or 0.0
