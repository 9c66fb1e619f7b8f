"""An authority's office in memory: what outlives a process, the process itself, and citizens with their keys."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from itertools import count
from typing import Any
from uuid import UUID

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from typing_extensions import override

from libs.citizen.keys.keystore import KeyEntry
from libs.common.contracts.biometrics import FaceMatched
from libs.common.contracts.events import Event, Meta, Received
from libs.common.contracts.identity import DigitalIdCreated, JourneyClosed, JourneyStarted, Outcome
from libs.common.contracts.otp import OtpVerified
from libs.common.contracts.people import Contact, Person
from libs.common.core.metrics import Metrics
from libs.common.core.sealing import Keyring, Sealed
from libs.common.delivery.engine import Collection, Engine
from libs.common.delivery.timers import Timers
from libs.common.storage.chain import Entry
from libs.common.storage.records import Fields
from libs.common.testing.chain import MemoryChain
from libs.common.testing.faults import Faults, faulty
from libs.common.testing.memory import MemoryDocuments, MemoryReservations
from libs.common.testing.records import MemoryRecords
from services.ca.authority.issuers import PrivateKey
from services.ca.collections import CONFIRMATIONS, ENROLMENTS, LISTS, SUPERSEDING
from services.ca.crl.publishing import RevocationLists, every_list
from services.ca.enrolment.blocklists import Blocklist
from services.ca.enrolment.csr_intake import CsrIntake
from services.ca.enrolment.issue import Issuance
from services.ca.enrolment.renewal import RenewalSignatures
from services.ca.enrolment.service import EnrolmentService
from services.ca.handlers import Handlers
from services.ca.issuance.authority import IssuingAuthority
from services.ca.ledger.chain import ChainLedger
from services.ca.model.certificate import Certificate
from services.ca.revocation.service import Revocations
from services.ca.status.records import Statuses
from tests.unit.ca.hierarchies import NOW, PERSON, CertificationAuthority
from tests.unit.common.kept_log import FaultyPublisher, Log

JOURNEY = "7a4b3f0e-5a35-4d0a-9a51-6a5b8f6f4a01"
NEWER = "7a4b3f0e-5a35-4d0a-9a51-6a5b8f6f4a02"
CITIZEN = "0f9d2a52-9d6e-4f0c-8c1e-3b0c1f4f2a11"
STRANGER = "0f9d2a52-9d6e-4f0c-8c1e-3b0c1f4f2a12"
PHONE = "+77010000012"
LEASE = timedelta(seconds=31)
KEYRING = Keyring({name: {"1": bytes(range(32))} for name in ("person", "contact", "ca")}, bytes(32))
METRICS = Metrics("ca")

STARTED = JourneyStarted(
    person=Sealed(
        Person(iin=PERSON.iin, surname=PERSON.surname, given_name=PERSON.given_name, patronymic=PERSON.patronymic)
    ),
    contact=Sealed(Contact(phone=PHONE)),
    person_ref="person-ref",
    phone_ref="phone-ref",
    mcb_registered=True,
    expires_at=NOW + timedelta(days=7),
)
VERIFIED = OtpVerified(phone_ref="phone-ref")
MATCHED = FaceMatched(model="m1")
CREATED = DigitalIdCreated(citizen_id=CITIZEN, person_ref="person-ref")
FACTS: tuple[Event, ...] = (STARTED, VERIFIED, MATCHED, CREATED)


def closed(outcome: Outcome) -> JourneyClosed:
    return JourneyClosed(outcome=outcome, reason=f"journey.{outcome}")


@cache
def key(number: int) -> ec.EllipticCurvePrivateKey:
    """A citizen's key; the same number is the same key."""
    del number
    return ec.generate_private_key(ec.SECP256R1())


def csr(private: PrivateKey) -> str:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "anybody")])
    made = x509.CertificateSigningRequestBuilder(name).sign(private, hashes.SHA256())
    return made.public_bytes(Encoding.PEM).decode()


@cache
def csrs(first: int = 1) -> tuple[str, str]:
    """Requests for keys ``first`` and the one after it."""
    return csr(key(first)), csr(key(first + 1))


def holding_of(certificate: Certificate, number: int) -> KeyEntry:
    """A certificate with the key it was asked for, as the citizen keeps them."""
    return KeyEntry(key(number), x509.load_pem_x509_certificate(certificate.text.value.pem.encode()))


class FaultyBook(MemoryReservations):
    """Reservations at which a process may die, before they take effect or after."""

    def __init__(self, book: MemoryReservations, faults: Faults) -> None:
        self.owners = book.owners
        self._faults = faults

    async def take(self, kind: str, value: str, owner: str) -> None:
        self._faults.step()
        await super().take(kind, value, owner)
        self._faults.step()


class FaultyChain(MemoryChain):
    """A chain at which a process may die, before an append takes effect or after."""

    def __init__(self, chain: MemoryChain, faults: Faults) -> None:
        self.begins = chain.begins
        self.entries = chain.entries
        self._faults = faults

    @override
    async def extend(self, entries: Sequence[Entry]) -> int:
        self._faults.step()
        stored = await super().extend(entries)
        self._faults.step()
        return stored


class FaultyRecords(MemoryRecords):
    """Records at which a process may die, before a write takes effect or after."""

    def __init__(self, records: MemoryRecords, faults: Faults) -> None:
        self.rows = records.rows
        self._faults = faults

    async def add(self, records: Mapping[str, Fields]) -> None:
        self._faults.step()
        await super().add(records)
        self._faults.step()

    async def amend(self, record_id: str, fields: Fields, *, unless: str) -> bool:
        self._faults.step()
        amended = await super().amend(record_id, fields, unless=unless)
        self._faults.step()
        return amended


@dataclass
class World:
    """What outlives every process."""

    now: datetime = NOW
    rows: dict[str, MemoryDocuments] = field(default_factory=dict)
    log: Log = field(default_factory=Log)
    records: dict[str, MemoryRecords] = field(default_factory=dict)
    book: MemoryReservations = field(default_factory=MemoryReservations)
    chain: MemoryChain = field(default_factory=MemoryChain)

    def __post_init__(self) -> None:
        self._ids = count(1)
        self._messages = count(1)

    def clock(self) -> datetime:
        return self.now

    def steady(self) -> float:
        return self.now.timestamp()

    def new_id(self) -> str:
        return str(UUID(int=next(self._ids)))

    def meta(self, event: Event, subject: str, message_id: str | None = None) -> Meta:
        name = message_id or f"message-{next(self._messages)}"
        return Meta(name, event.type(), "elsewhere", self.now, subject, subject)

    def sent(self, *topics: str) -> list[dict[str, Any]]:
        """What was told on these topics (all, if none is named), each event id once."""
        once = {each.meta.id: each for each in self.log.published if not topics or each.topic in topics}
        return [{"topic": each.topic, "journey": each.meta.subject, **json.loads(each.value)} for each in once.values()]

    def everything(self) -> str:
        """All that stands in the store and on the topics."""
        return (
            str(self.rows)
            + str({name: each.rows for name, each in self.records.items()})
            + str(self.log.published)
            + str(self.book.owners)
        )


class Office:
    """One process of the service on a world; a crash ends it, and the next one begins on what it left."""

    def __init__(
        self,
        world: World,
        authority: CertificationAuthority,
        faults: Faults | None = None,
        blocked_keys: Blocklist = Blocklist(),  # noqa: B008 - it cannot change
    ) -> None:
        self.world = world
        self.faults = faults or Faults()
        publication = authority.publication
        self.issuing = IssuingAuthority(authority.hierarchy, publication, authority.keys, shards=2)
        self.engine = Engine(
            source="ca",
            documents=lambda name, _: faulty(world.rows.setdefault(name, MemoryDocuments()), self.faults),
            publisher=FaultyPublisher(world.log, self.faults),
            keyring=KEYRING,
            metrics=METRICS,
            clock=world.clock,
            new_id=world.new_id,
        )
        self.enrolments = self.engine.open(ENROLMENTS)
        self.superseding = self.engine.open(SUPERSEDING)
        self.list_kind = self.engine.open(LISTS)
        self.ledger = ChainLedger(FaultyChain(world.chain, self.faults), KEYRING, world.clock)
        book = FaultyBook(world.book, self.faults)
        self.intake = CsrIntake(
            self.enrolments.aggregates,
            reservations=book,
            renewals=RenewalSignatures(
                self.enrolments.aggregates, reservations=world.book, trust=authority.trust, clock=world.clock
            ),
            blocked_keys=blocked_keys,
            clock=world.clock,
        )
        self.statuses = Statuses(FaultyRecords(world.records.setdefault("statuses", MemoryRecords()), self.faults))
        self.lists = RevocationLists(
            self.list_kind.aggregates,
            FaultyRecords(world.records.setdefault("pages", MemoryRecords()), self.faults),
            self.statuses,
            authority=self.issuing,
            ledger=self.ledger,
            clock=world.clock,
        )
        self.wishes = self.engine.open(CONFIRMATIONS)
        self.revocations = Revocations(
            self.enrolments.aggregates,
            self.wishes.aggregates,
            statuses=self.statuses,
            reservations=FaultyBook(world.book, self.faults),
            trust=authority.trust,
            ledger=self.ledger,
            clock=world.clock,
        )
        self.service = EnrolmentService(
            self.enrolments.aggregates,
            self.superseding.aggregates,
            issuance=Issuance(
                self.enrolments.aggregates,
                authority=self.issuing,
                reservations=book,
                ledger=self.ledger,
                clock=world.clock,
            ),
            statuses=self.statuses,
            lists=self.lists,
            ledger=self.ledger,
            clock=world.clock,
        )
        self.timers: tuple[tuple[Collection[Any], Timers], ...] = (
            (self.enrolments, self.engine.timers(self.enrolments, self.service.wake)),
            (self.list_kind, self.engine.timers(self.list_kind, self.lists.wake)),
            (self.wishes, self.engine.timers(self.wishes, self.revocations.wake)),
        )
        self._routes = {route.event.topic: route.handle for route in Handlers(self.service, self.revocations).routes()}

    async def receive(self, event: Event, subject: str = JOURNEY, meta: Meta | None = None) -> None:
        """Deliver an event as its own handler gets it."""
        await self._routes[event.topic](Received(event, meta or self.world.meta(event, subject)))

    async def opened(self, subject: str = JOURNEY, facts: Sequence[Event] = FACTS) -> None:
        for fact in facts:
            await self.receive(fact, subject)

    async def request(self, subject: str, sign_csr: str, auth_csr: str, signature: bytes | None = None) -> None:
        """Ask for the two certificates of a journey."""
        await self.intake.take(subject, {"SIGN": sign_csr, "AUTH": auth_csr}, signature)

    async def wake_due(self) -> None:
        """Let every timer ring whose time has come, until nothing more is due."""
        now = int(self.world.now.timestamp() * 1000)
        due = True
        while due:
            due = False
            for kind, timers in self.timers:
                for each, wake_at in await kind.documents.due(now, 100):
                    due = True
                    await timers.run_once(each, wake_at)

    async def issued(self, subject: str = JOURNEY, first_key: int = 1) -> tuple[Certificate, ...]:
        """Bring a journey to its two certificates."""
        await self.opened(subject)
        await self.request(subject, *csrs(first_key))
        await self.wake_due()
        return await self.certificates(subject)

    async def certificates(self, subject: str = JOURNEY) -> tuple[Certificate, ...]:
        return tuple((await self.service.certificates(subject))[1])

    async def state(self, subject: str = JOURNEY) -> str:
        return (await self.service.certificates(subject))[0]

    async def listed(self) -> set[str]:
        """Every serial number on the editions that relying parties get."""
        found: set[str] = set()
        for place in every_list(self.issuing, self.world.now):
            der = await self.lists.revocation_list(place)
            found |= {f"{each.serial_number:x}" for each in x509.load_der_x509_crl(der)} if der else set()
        return found
