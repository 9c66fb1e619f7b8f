"""The service on a store in memory, with a clock that tests move and a ministry that can go away."""

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from uuid import uuid4

from typing_extensions import override

from libs.common.contracts.events import Meta
from libs.common.contracts.kandas import CheckAnswer, Service
from libs.common.core.metrics import Metrics
from libs.common.core.sealing import Keyring
from libs.common.core.values import new_id
from libs.common.delivery.decisions import Decision
from libs.common.delivery.engine import Engine
from libs.common.storage.blobs import MongoBlobs
from libs.common.testing.broker import MemoryPublisher
from libs.common.testing.memory import MemoryDocuments
from services.kandas.application import domain
from services.kandas.application.deadlines import Deadlines
from services.kandas.application.revocations import SignatureRevocations
from services.kandas.application.states import ApplicationState, Candidate
from services.kandas.certificates.service import KnownCertificates
from services.kandas.collections import APPLICATIONS, CERTIFICATES
from services.kandas.documents.renderer import DocumentRenderer
from services.kandas.documents.seal import Seal
from services.kandas.documents.service import SealedDocuments
from services.kandas.handlers import Wakes
from services.kandas.ministry.client import MinistryAway
from services.kandas.ministry.service import MinistryChecks
from services.kandas.office.service import OfficerService
from tests.unit.kandas.factories import APPLICATION, CITIZEN, IIN, LAW, NOW, SERIAL, Given, issued, revocation, signing
from tests.unit.kandas.seals import PASSPHRASE, make_seal

FONTS = Path("/usr/share/fonts/truetype/dejavu")


class MemoryBlobs(MongoBlobs):
    """Blobs in a dictionary."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}

    @override
    async def put(self, name: str, data: bytes, *, purge_at: datetime | None = None) -> None:
        self.kept[name] = data

    @override
    async def get(self, name: str) -> bytes:
        return self.kept[name]

    @override
    async def delete_prefix(self, prefix: str) -> int:
        found = [name for name in self.kept if name.startswith(prefix)]
        for name in found:
            del self.kept[name]
        return len(found)


@dataclass
class StubMinistry:
    """A ministry that finds nothing, and does not answer while `away`. Keeps the keys it was asked under."""

    away: bool = False
    keys: list[str] = field(default_factory=list)

    async def check(
        self,
        service: Service,  # noqa: ARG002 - it finds nothing in either
        persons: Sequence[Candidate],
        idempotency_key: str,
    ) -> tuple[CheckAnswer, ...]:
        self.keys.append(idempotency_key)
        await asyncio.sleep(0)
        if self.away:
            raise MinistryAway("it is away")
        return tuple(CheckAnswer(person=person.id, clear=True) for person in persons)


class KandasHarness:
    """Everything behind the HTTP routes."""

    def __init__(self) -> None:
        self.now = NOW
        self.ministry = StubMinistry()
        self.blobs = MemoryBlobs()
        self.publisher = MemoryPublisher()
        keyring = Keyring({name: {"1": os.urandom(32)} for name in ("kandas", "person")}, os.urandom(32))
        engine = Engine(
            source="kandas",
            documents=lambda _name, _searched: MemoryDocuments(),
            publisher=self.publisher,
            keyring=keyring,
            metrics=Metrics("kandas"),
            clock=self.clock,
            new_id=new_id,
        )
        self.collection = engine.open(APPLICATIONS)
        self.applications = self.collection.aggregates
        self.certificates = KnownCertificates(engine.open(CERTIFICATES).aggregates, self.clock)
        self.revocations = SignatureRevocations(self.applications, self.certificates, law=LAW, clock=self.clock)
        self.officers = OfficerService(self.applications, self.revocations, self.blobs, law=LAW, clock=self.clock)
        seal = Seal(make_seal(), PASSPHRASE)
        self.renderer = DocumentRenderer(seal, FONTS, "https://onboarding.example/v1/documents")
        self.wakes = self.another_process()

    def another_process(self) -> Wakes:
        """Return what wakes applications, as a replica has it."""
        checks = MinistryChecks(self.applications, self.revocations, self.ministry, law=LAW, clock=self.clock)
        documents = SealedDocuments(self.applications, self.blobs, self.renderer, law=LAW, clock=self.clock)
        return Wakes(self.applications, checks, documents, Deadlines(self.applications, self.blobs, LAW))

    def clock(self) -> datetime:
        return self.now

    async def certificate_issued(self) -> None:
        await self.certificates.issued(issued(), meta("cert.issued.v1"))

    async def certificate_revoked(self) -> None:
        await self.revocations.revoked(revocation(self.now), meta("cert.revoked.v1"))

    async def submitted(self, given: Given) -> None:
        """Bring a complete application to be signed."""
        complete = given.complete()
        await self.applications.apply(APPLICATION, lambda _: Decision(complete))
        await self.certificate_issued()
        await self.certificates.rely_on(SERIAL, APPLICATION, CITIZEN, IIN)
        await self.applications.apply(APPLICATION, lambda state: domain.sign(state, signing(), LAW))

    async def wake(self) -> None:
        """Wake the application as its timer does when it is due; nothing happens when it is not."""
        document = await self.collection.documents.load(APPLICATION)
        assert document is not None
        if document.wake_at is not None and document.wake_at <= self.now.timestamp() * 1000:
            await self.wakes.wake(APPLICATION, self.now)

    async def state(self) -> ApplicationState:
        state = await self.applications.get(APPLICATION)
        assert state is not None
        return state

    @property
    def topics(self) -> list[str]:
        return [event.topic for event in self.publisher.published]


def meta(kind: str) -> Meta:
    return Meta(str(uuid4()), kind, "ca", NOW, "journey", "journey")
