"""Face checks in memory: what outlives a process, the process itself, and an analyser that sees what it is told."""

import json
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Any, cast
from uuid import uuid4

import pytest

from libs.common.contracts.events import Event, Meta, Received
from libs.common.contracts.http.biometrics import Band
from libs.common.contracts.identity import JourneyClosed, JourneyStarted
from libs.common.contracts.otp import OtpVerified
from libs.common.contracts.people import Contact, Person
from libs.common.core.errors import Refused
from libs.common.core.metrics import Metrics
from libs.common.core.sealing import Keyring, Sealed
from libs.common.delivery.engine import Engine, OpenDocuments
from libs.common.storage.blobs import BlobMissing, Blobs
from libs.common.testing.memory import MemoryDocuments, MemoryReservations
from services.biometrics.analysis.analyser import stub_picture
from services.biometrics.analysis.known_faces import KnownFaces
from services.biometrics.analysis.pipeline import Pipeline
from services.biometrics.analysis.queue import AnalysisQueue
from services.biometrics.analysis.replay_check import ReplayCheck
from services.biometrics.analysis.reports import ClipReport, DocumentReport, Embedded, MatchResult, SelfieReport
from services.biometrics.analysis.service import CheckAnalysis
from services.biometrics.audit.service import Audit
from services.biometrics.capture.service import Captures, Chunks
from services.biometrics.capture.uploads import Uploads
from services.biometrics.check import states
from services.biometrics.check.parts import CARD, FACE, PAGE, Part
from services.biometrics.check.service import FaceChecks
from services.biometrics.check.states import Challenge
from services.biometrics.collections import CHECKS, FACES
from services.biometrics.document.mrz import Mrz
from services.biometrics.handlers import BiometricsEvents, NextStep
from services.biometrics.media.decode import GuidanceKey
from services.biometrics.metrics import FaceMetrics
from services.biometrics.problems import PROBLEMS
from services.biometrics.review.links import Links
from services.biometrics.review.service import Reviews
from tests.unit.common.faults import Faults, FaultyDocuments, FaultyPublisher, Log

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
LEASE = timedelta(seconds=121)
JOURNEY = "7a4b3f0e-5a35-4d0a-9a51-6a5b8f6f4a01"
OTHER = "7a4b3f0e-5a35-4d0a-9a51-6a5b8f6f4a02"
NUMBERS = b"the numbers of a face, which nobody may find"
IIN, DOCUMENT = "850412399015", "900000011"
RULES = states.CheckRules()
KEYRING = Keyring({name: {"1": bytes(range(32))} for name in ("person", "contact", "biometrics")}, bytes(32))
METRICS = Metrics("biometrics")
FACE_METRICS = FaceMetrics(METRICS)
BORN = date(1985, 4, 12)
PERSON = Person(iin=IIN, surname="ТОЛҚЫНБЕКОВА", given_name="АЙСҰЛУ", birth_date=BORN, document_number=DOCUMENT)
STARTED = JourneyStarted(
    person=Sealed(PERSON),
    contact=Sealed(Contact(phone="+77010000012")),
    person_ref="person-ref",
    phone_ref="phone-ref",
    mcb_registered=True,
    expires_at=NOON + timedelta(days=7),
)
VERIFIED = OtpVerified(phone_ref="phone-ref")
CLOSED = JourneyClosed(outcome="completed", reason="journey.completed")


def card(**change: object) -> bytes:
    """The back of a card: what its machine-readable zone says."""
    zone = Mrz(
        layout="TD1",
        document_type="ID",
        issuer="KAZ",
        document_number=DOCUMENT,
        iin=IIN,
        birth_date=BORN,
        expiry_date=date(2030, 1, 1),
        sex="F",
        nationality="KAZ",
        surname="TOLQYNBEKOVA",
        given_names="AISULU",
    )
    return stub_picture(zone.model_copy(update=change).model_dump_json().encode())


def picture(content: bytes) -> bytes:
    """A picture that begins as one, and holds the content."""
    return b"\xff\xd8\xff\xe0" + content


def clip(content: bytes) -> bytes:
    """A clip that begins as one, and holds the content."""
    return b"\x1a\x45\xdf\xa3" + content


async def stream(content: bytes, size: int = 65_536) -> AsyncIterator[bytes]:
    """Give the content as a server does, in pieces."""
    for at in range(0, len(content), size):
        yield content[at : at + size]


WITH_CARD: tuple[Part, ...] = (*FACE, *CARD)
WITH_PASSPORT: tuple[Part, ...] = (*FACE, *PAGE)
GOOD: dict[Part, bytes] = {
    "selfie": picture(b"selfie"),
    "clip": clip(b"clip"),
    "document-front": picture(b"front"),
    "document-back": card(),
    "document-page": card(),
}


def taken(part: Part, nonce: str = "n-1", subject: str = JOURNEY) -> bytes:
    """A good capture: of a face another one in each journey, and a clip for each challenge."""
    told = {"selfie": f" {subject}", "clip": f" {subject} {nonce}"}.get(part, "")
    return GOOD[part] + told.encode()


class FakeAnalyser:
    """An analyser that finds a fault where the media name one, and else what it is told about the likeness."""

    def __init__(self) -> None:
        self.band: Band = "match"
        self.failures: list[Exception] = []
        self.challenges: list[tuple[str, ...]] = []
        self.looks = 0
        self.model = "model-7"
        self.doubts: tuple[GuidanceKey, ...] = ()

    async def start(self) -> None:
        """Nothing is to be made ready."""

    async def stop(self) -> None:
        """Nothing is to be ended."""

    async def selfie(self, data: bytes) -> SelfieReport:
        self.looks += 1
        if self.failures:
            raise self.failures.pop(0)
        return SelfieReport(measures={}, profile="p", **self._seen(data))

    async def precheck(self, data: bytes) -> SelfieReport:
        if self.failures:
            raise self.failures.pop(0)
        seen = self._seen(data) | {"embedding": None}
        advice = () if seen["guidance"] else (GuidanceKey("selfie.come_closer"),)
        return SelfieReport(measures={}, profile="p", advice=advice, **seen)

    async def clip(self, data: bytes, challenge: tuple[str, ...]) -> ClipReport:
        self.challenges.append(challenge)
        return ClipReport(measures={}, profile="p", **self._seen(data))

    async def document(self, pictures: list[bytes]) -> DocumentReport:
        front, back = pictures[0], pictures[-1]
        faulty = back if back[4:].startswith(b"document.") else front
        zone = None if back[4:].startswith(b"document.") else Mrz.model_validate_json(back[6:-2])
        return DocumentReport(measures={}, profile="p", mrz=zone, **self._seen(faulty))

    async def match(self, selfie: Embedded, clip: Embedded, document: Embedded) -> MatchResult:
        assert all(each.embedding == NUMBERS for each in (selfie, clip, document))
        assert {each.model for each in (selfie, clip, document)} == {self.model}
        bands: dict[Any, Band] = {"selfie-clip": "match", "selfie-document": self.band, "clip-document": "match"}
        return MatchResult(distances=dict.fromkeys(bands, 0.1), bands=bands, model=self.model)

    async def alike(self, face: Embedded, model: str, others: list[bytes]) -> int:
        assert face.model == model == self.model
        return sum(each == face.embedding for each in others)

    def _seen(self, data: bytes) -> dict[str, Any]:
        said = data[4:]
        fault = said.decode() if said.startswith((b"selfie.", b"clip.", b"document.")) else None
        seen = {"model": self.model, "embedding": None if fault else NUMBERS}
        return {**seen, "guidance": (fault,) if fault else (), "doubts": () if fault else self.doubts}


class MemoryBlobs:
    """Blobs in a dictionary that outlives processes."""

    def __init__(self, kept: dict[str, bytes], faults: Faults) -> None:
        self._kept = kept
        self._faults = faults

    async def put(self, name: str, data: bytes, *, purge_at: datetime | None = None) -> None:
        assert purge_at is not None, "media must go even if nobody says that the journey ended"
        self._faults.step()
        self._kept[name] = data
        self._faults.step()

    async def sizes(self, prefix: str) -> dict[str, int]:
        self._faults.step()
        return {name: len(data) for name, data in self._kept.items() if name.startswith(prefix)}

    async def get(self, name: str) -> bytes:
        self._faults.step()
        if name not in self._kept:
            raise BlobMissing(name)
        return self._kept[name]

    async def delete_prefix(self, prefix: str) -> int:
        self._faults.step()
        found = [name for name in self._kept if name.startswith(prefix)]
        for name in found:
            del self._kept[name]
        self._faults.step()
        return len(found)


@dataclass
class World:
    """What outlives every process."""

    now: datetime = NOON
    rows: MemoryDocuments = field(default_factory=MemoryDocuments)
    faces: MemoryDocuments = field(default_factory=MemoryDocuments)
    log: Log = field(default_factory=Log)
    media: dict[str, bytes] = field(default_factory=dict)
    book: MemoryReservations = field(default_factory=MemoryReservations)
    eyes: FakeAnalyser = field(default_factory=FakeAnalyser)

    def __post_init__(self) -> None:
        self._ids, self._messages, self._challenges = count(1), count(1), count(1)

    def clock(self) -> datetime:
        return self.now

    def new_id(self) -> str:
        return f"id-{next(self._ids)}"

    def new_challenge(self) -> Challenge:
        number = next(self._challenges)
        return Challenge(actions=("left", "blink", "right") if number % 2 else ("right", "left"), nonce=f"n-{number}")

    def meta(self, event: Event, subject: str = JOURNEY, message_id: str | None = None) -> Meta:
        name = message_id or f"message-{next(self._messages)}"
        return Meta(name, event.type(), "elsewhere", self.now, subject, subject)

    def told(self, subject: str = JOURNEY) -> list[tuple[str, dict[str, Any]]]:
        """What was told about a journey, each event id once."""
        once = {each.meta.id: each for each in self.log.published if each.meta.subject == subject}
        return [(each.topic, json.loads(each.value)) for each in once.values()]

    @property
    def topics(self) -> list[str]:
        return [topic for topic, _ in self.told()]


class Harness:
    """One process of the service on a world; a crash ends it, and the next one begins on what it left."""

    def __init__(
        self,
        world: World,
        faults: Faults | None = None,
        *,
        blobs: Blobs | None = None,
        rules: states.CheckRules = RULES,
        faces_kept: timedelta | None = None,
        documents: OpenDocuments | None = None,
        backlog: int = 500,
        parallel: int = 8,
    ) -> None:
        self.world = world
        faults = faults or Faults()
        rows = {"checks": world.rows, "faces": world.faces}
        engine = Engine(
            source="biometrics",
            documents=documents or (lambda name, _searched: FaultyDocuments(rows[name], faults)),
            publisher=FaultyPublisher(world.log, faults),
            keyring=KEYRING,
            metrics=METRICS,
            clock=world.clock,
            new_id=world.new_id,
        )
        self.checks = engine.open(CHECKS)
        faces = engine.open(FACES)
        checks = self.checks.aggregates
        self.uploads = Uploads(blobs or cast("Blobs", MemoryBlobs(world.media, faults)))
        self.faces = KnownFaces(faces.aggregates, faces_kept or timedelta(0), 5000, world.clock)
        self.face_timers = engine.timers(faces, self.faces.wake)
        pipeline = Pipeline(
            self.uploads,
            world.eyes,
            world.clock,
            replays=ReplayCheck(world.book, KEYRING),
            reviewed=rules.review_documents,
            faces=self.faces if faces_kept else None,
        )
        queue = AnalysisQueue(checks, world.clock)
        challenged: Any = {"rules": rules, "clock": world.clock, "new_challenge": world.new_challenge}
        self.analysis = CheckAnalysis(checks, pipeline, queue, metrics=FACE_METRICS, **challenged)
        self.captures = Captures(checks, self.uploads, queue, clock=world.clock, backlog=backlog)
        links = Links(KEYRING, "biometrics", world.clock)
        self.reviews = Reviews(checks, self.uploads, links, metrics=FACE_METRICS, **challenged)
        self.audit = Audit(checks)
        face_checks = FaceChecks(checks, **challenged)
        next_step = NextStep(
            checks, face_checks=face_checks, captures=self.captures, analysis=self.analysis, reviews=self.reviews
        )
        self.timers = engine.timers(self.checks, next_step, lease_s=120, parallel=parallel)
        self._routes = {route.event.topic: route.handle for route in BiometricsEvents(face_checks).routes()}

    async def tell(self, event: Event, subject: str = JOURNEY, meta: Meta | None = None) -> None:
        await self._routes[event.topic](Received(event, meta or self.world.meta(event, subject)))

    async def opened(self, subject: str = JOURNEY) -> None:
        await self.tell(STARTED, subject)
        await self.tell(VERIFIED, subject)

    async def wake_due(self) -> None:
        """Let every timer ring whose time has come, until nothing more is due."""
        now = int(self.world.now.timestamp() * 1000)
        while due := await self.checks.documents.due(now, 100):
            for key, wake_at in due:
                await self.timers.run_once(key, wake_at)

    async def state(self, subject: str = JOURNEY) -> states.CheckState | None:
        state: states.CheckState | None = await self.checks.aggregates.get(subject)
        return state

    async def session(self, subject: str = JOURNEY) -> states.CheckOpen:
        state = await self.state(subject)
        assert isinstance(state, states.CheckOpen)
        return state

    async def receive(self, part: Part, nonce: str, content: bytes, subject: str = JOURNEY) -> None:
        """Take a whole capture in one request, as a new upload."""
        _, complete = await self.captures.receive(subject, Chunks(part, str(uuid4()), nonce, stream(content)))
        assert complete

    async def looked(self, part: Part, clerk: str, subject: str = JOURNEY) -> bytes:
        """Open a case and look at a capture."""
        _, links = await self.reviews.case(subject, clerk)
        return await self.reviews.picture(self.reviews.address(links[part]), clerk)

    async def send(self, media: dict[Part, bytes] | None = None, subject: str = JOURNEY) -> None:
        """Send what is still wanted, for the present challenge; a passport where its page is among the media."""
        session = await self.session(subject)
        parts = WITH_PASSPORT if set(PAGE) <= {*(media or {}), *session.captures} else WITH_CARD
        for part in parts:
            if part not in session.captures:
                content = (media or {}).get(part) or taken(part, session.challenge.nonce, subject)
                await self.receive(part, session.challenge.nonce, content, subject)

    async def tried(self, media: dict[Part, bytes] | None = None, subject: str = JOURNEY) -> None:
        """Send everything wanted and have it looked at."""
        await self.send(media, subject)
        await self.wake_due()


async def refused(doing: Awaitable[object]) -> tuple[str, int]:
    """Give the key and the status with which something is refused."""
    with pytest.raises(Refused) as error:
        await doing
    return error.value.key, PROBLEMS[error.value.key]
