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
from libs.common.delivery.aggregates import Aggregates
from libs.common.delivery.decisions import Decision
from libs.common.delivery.engine import Engine
from libs.common.storage.blobs import MongoBlobs
from libs.common.testing.broker import MemoryPublisher
from libs.common.testing.memory import MemoryDocuments
from services.kandas import domain
from services.kandas.certificate_view import CertificateView
from services.kandas.certificates import Certificate
from services.kandas.effects import Effects, Press
from services.kandas.ministry import MinistryAway
from services.kandas.office import Office
from services.kandas.seal import Seal
from services.kandas.states import Applicant, State
from tests.unit.kandas.seals import PASSPHRASE, make_seal
from tests.unit.kandas.situations import APPLICATION, CITIZEN, IIN, LAW, NOW, SERIAL, Given, issued, revocation, signing

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
class Ministry:
    """Finds nothing against anybody; away while told so. Remembers under which keys it was asked."""

    away: bool = False
    keys: list[str] = field(default_factory=list)

    async def check(
        self,
        service: Service,  # noqa: ARG002 - it finds nothing in either
        persons: Sequence[Applicant],
        idempotency_key: str,
    ) -> tuple[CheckAnswer, ...]:
        self.keys.append(idempotency_key)
        await asyncio.sleep(0)
        if self.away:
            raise MinistryAway("it is away")
        return tuple(CheckAnswer(person=person.id, clear=True) for person in persons)


class Desk:
    """Everything behind the HTTP routes."""

    def __init__(self) -> None:
        self.now = NOW
        self.ministry = Ministry()
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
        self.kind = engine.kind(State, "applications")
        self.applications: Aggregates[State] = self.kind.aggregates
        certificates: Aggregates[Certificate] = engine.kind(Certificate, "certificates").aggregates
        self.view = CertificateView(certificates, self.applications, law=LAW, clock=self.clock)
        self.office = Office(self.applications, self.view, self.blobs, law=LAW, clock=self.clock)
        self.press = Press(Seal(make_seal(), PASSPHRASE), FONTS, "https://onboarding.example/v1/documents")
        self.effects = self.another_process()

    def another_process(self) -> Effects:
        """Give what wakes applications, as a replica has it."""
        return Effects(self.applications, self.view, self.blobs, self.ministry, self.press, law=LAW, clock=self.clock)

    def clock(self) -> datetime:
        return self.now

    async def hears_of_certificate(self) -> None:
        await self.view.issued(issued(), meta("cert.issued.v1"))

    async def hears_of_revocation(self) -> None:
        await self.view.revoked(revocation(self.now), meta("cert.revoked.v1"))

    async def submitted(self, given: Given) -> None:
        """Bring a complete application to be signed."""
        complete = given.complete()
        await self.applications.apply(APPLICATION, lambda _: Decision(complete))
        await self.hears_of_certificate()
        await self.view.rely_on(SERIAL, APPLICATION, CITIZEN, IIN)
        await self.applications.apply(APPLICATION, lambda state: domain.sign(state, signing(), LAW))

    async def wake(self) -> None:
        """Wake the application as its timer does when it is due; nothing happens when it is not."""
        document = await self.kind.documents.load(APPLICATION)
        assert document is not None
        if document.wake_at is not None and document.wake_at <= self.now.timestamp() * 1000:
            await self.effects.wake(APPLICATION, self.now)

    async def state(self) -> State:
        state = await self.applications.get(APPLICATION)
        assert state is not None
        return state

    @property
    def told(self) -> list[str]:
        return [event.topic for event in self.publisher.published]


def meta(kind: str) -> Meta:
    return Meta(str(uuid4()), kind, "ca", NOW, "journey", "journey")
