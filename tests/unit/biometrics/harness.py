"""Face checks in memory: the world that outlives a process, one process of the service, and a fake analyser."""

import json
from collections.abc import Awaitable
from datetime import datetime, timedelta
from itertools import count
from typing import Any, TypeVar, cast

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from typing_extensions import override

from libs.common.contracts.events import Event, read_meta
from libs.common.core.metrics import Metrics
from libs.common.core.sealing import Keyring
from libs.common.core.values import Clock
from libs.common.delivery.aggregates import Aggregates
from libs.common.delivery.documents import Documents, Searched
from libs.common.delivery.engine import Engine, Kind, OpenDocuments
from libs.common.delivery.mongo_documents import MongoDocuments
from libs.common.storage.blobs import Blobs, MongoBlobs
from libs.common.storage.mongo import Database
from libs.common.testing.backend import MemoryBackend, MemoryStore
from libs.common.testing.blobs import MemoryBlobs, StoredBlob
from libs.common.testing.broker import MemoryPublisher
from libs.common.testing.faults import Faults
from libs.common.testing.harness import Harness as ServiceHarness
from libs.common.testing.harness import Surroundings
from libs.common.testing.memory import MemoryDocuments, MemoryReservations
from services.biometrics.analysis.analyser import Analyser
from services.biometrics.app import build
from services.biometrics.capture.uploads import Uploads
from services.biometrics.check import states
from services.biometrics.check.parts import PAGE, Part
from services.biometrics.check.states import Challenge
from services.biometrics.collections import CHECKS, MEDIA_KEY
from services.biometrics.settings import BiometricsSettings
from tests.unit.biometrics.factories import (
    JOURNEY,
    NOON,
    RULES,
    STARTED,
    VERIFIED,
    WITH_CARD,
    WITH_PASSPORT,
    FakeAnalyser,
    taken,
)

S = TypeVar("S")


class ProblemAnswer(Exception):
    """The service answered with a problem document."""

    def __init__(self, answer: httpx.Response) -> None:
        assert answer.headers["content-type"] == "application/problem+json", answer.text
        self.document: dict[str, Any] = answer.json()
        self.key, self.status = str(self.document["key"]), answer.status_code
        super().__init__(self.key)


def succeeded(answer: httpx.Response) -> httpx.Response:
    if not answer.is_success:
        raise ProblemAnswer(answer)
    return answer


class StoredBackend(MemoryBackend):
    """Documents and blobs in a real store, all else in memory."""

    def __init__(self, world: "World", database: Database) -> None:
        super().__init__("biometrics", world.store, world.around.broker, world.clock)
        self.kept_blobs = MongoBlobs(database, world.keyring, world.clock, MEDIA_KEY)
        self._database = database

    @override
    def documents(self, name: str, searched: Searched = ()) -> Documents:
        return MongoDocuments(self._database, name, searched)

    @override
    def blobs(self, keyring: Keyring, clock: Clock, audience: str) -> Blobs:
        return self.kept_blobs


class World:
    """What outlives every process: time, broker and store, and the analyser that all of them ask."""

    def __init__(self, analyser: Analyser | None = None) -> None:
        self.around = Surroundings(NOON)
        self.store = self.around.stores.setdefault("biometrics", MemoryStore())
        self.keyring = self.around.keyring
        self.analyser: Any = analyser or FakeAnalyser()
        self._messages, self._challenges = count(1), count(1)

    @property
    def now(self) -> datetime:
        return self.around.clock.now

    @now.setter
    def now(self, moment: datetime) -> None:
        self.around.clock.now = moment

    @property
    def clock(self) -> Clock:
        return self.around.clock

    @property
    def rows(self) -> MemoryDocuments:
        """The face checks."""
        return self.store.documents["checks"]

    @property
    def faces(self) -> MemoryDocuments:
        return self.store.documents["faces"]

    @property
    def media(self) -> dict[str, StoredBlob]:
        return self.store.blobs

    @property
    def book(self) -> MemoryReservations:
        return self.store.reservations

    def new_challenge(self) -> Challenge:
        number = next(self._challenges)
        return Challenge(actions=("left", "blink", "right") if number % 2 else ("right", "left"), nonce=f"n-{number}")

    def message_id(self) -> str:
        return f"message-{next(self._messages)}"

    def published(self, subject: str = JOURNEY) -> list[tuple[str, dict[str, Any]]]:
        """What was published about a journey, each event id once."""
        once: dict[str, tuple[str, dict[str, Any]]] = {}
        for record in self.around.broker.written:
            meta = read_meta(record.headers, record.key)
            if (meta.source, meta.subject) == ("biometrics", subject):
                once.setdefault(meta.id, (record.topic, json.loads(record.value or b"")))
        return list(once.values())

    @property
    def topics(self) -> list[str]:
        return [topic for topic, _ in self.published()]

    def citizen(self, subject: str = JOURNEY) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.around.keys.tokens.journey(subject, timedelta(days=7))}"}

    def staff(self, role: str = "clerk", name: str = "clerk-7") -> dict[str, str]:
        issuer = self.around.keys.staff
        token = issuer.officer("KZ-75", name) if role == "officer" else getattr(issuer, role)(name)
        return {"Authorization": f"Bearer {token}"}

    def read(self, kind: Kind[S], documents: OpenDocuments | None = None) -> Aggregates[S]:
        """The aggregates of a kind, as whoever reads the store finds them."""
        engine = Engine(
            source="reader",
            documents=documents or (lambda name, _searched: cast("Documents", self.store.documents[name])),
            publisher=MemoryPublisher(),
            keyring=self.keyring,
            metrics=Metrics("reader"),
            clock=self.clock,
            new_id=self.around.new_id,
        )
        return engine.open(kind).aggregates


class Harness:
    """One process of the service on a world, made by `app.build`; a crash ends it, and the next one goes on."""

    def __init__(
        self,
        world: World,
        faults: Faults | None = None,
        *,
        backend: MemoryBackend | None = None,
        rules: states.CheckRules = RULES,
        faces_kept: timedelta | None = None,
        backlog: int = 500,
        parallel: int = 8,
    ) -> None:
        self.world = world
        around = world.around
        self.backend = backend or MemoryBackend("biometrics", world.store, around.broker, around.clock, faults=faults)
        settings = BiometricsSettings(
            **around.keys.settings("biometrics"),
            rules=rules,
            same_face_days=(faces_kept or timedelta(0)).days,
            backlog=backlog,
            workers=max(parallel // 2, 1),
        )
        app = build(
            settings,
            clock=around.clock,
            new_id=around.new_id,
            backend=self.backend,
            new_challenge=world.new_challenge,
            analyser=world.analyser,
        )
        self.process = ServiceHarness(around, app, self.backend, world.store)
        self.http = self.process.http
        self.timers, self.face_timers = app.timers
        self._checks = world.read(CHECKS, None if backend is None else backend.documents)

    async def deliver(self, event: Event, subject: str = JOURNEY, message_id: str | None = None) -> None:
        """Have the service take in an event, and nothing else that is due."""
        self.process.write(event, subject, message_id=message_id or self.world.message_id())
        for each in self.backend.subscriptions:
            await each.poll(self.world.now)

    async def opened(self, subject: str = JOURNEY) -> None:
        await self.deliver(STARTED, subject)
        await self.deliver(VERIFIED, subject)

    async def wake_due(self) -> None:
        """Let every timer ring whose time has come, until nothing more is due."""
        while await self.process.run_due():
            pass

    async def state(self, subject: str = JOURNEY) -> states.CheckState | None:
        return await self._checks.get(subject)

    async def session(self, subject: str = JOURNEY) -> states.CheckOpen:
        state = await self.state(subject)
        assert isinstance(state, states.CheckOpen)
        return state

    async def receive(self, part: Part, nonce: str, content: bytes, subject: str = JOURNEY) -> None:
        """Take a whole capture in one request, as a new upload."""
        headers = {**self.world.citizen(subject), "X-Capture-Nonce": nonce}
        url = f"/v1/journeys/{subject}/capture/{part}"
        assert succeeded(await self.http.put(url, content=content, headers=headers)).json()["complete"]

    async def links(self, clerk: str, subject: str = JOURNEY) -> dict[str, str]:
        """Open a case; return the address of each capture."""
        case = succeeded(await self.http.get(f"/v1/reviews/{subject}", headers=self.world.staff(name=clerk)))
        return {link["part"]: link["url"] for link in case.json()["links"]}

    async def viewed(self, part: Part, clerk: str, subject: str = JOURNEY) -> bytes:
        """Open a case and view a capture."""
        url = (await self.links(clerk, subject))[part]
        return succeeded(await self.http.get(url, headers=self.world.staff(name=clerk))).content

    async def decide(self, journey_id: str, *, matched: bool, clerk: str, reason: str) -> bool:
        """Decide a case; return whether that ends it."""
        url, form = f"/v1/reviews/{journey_id}/decision", {"match": matched, "reason": reason}
        answer = await self.http.post(url, json=form, headers=self.world.staff(name=clerk))
        return bool(succeeded(answer).json()["ended"])

    async def queue(self) -> list[str]:
        """The journeys that wait for a clerk."""
        answer = await self.http.get("/v1/reviews", headers=self.world.staff())
        return [each["journey_id"] for each in succeeded(answer).json()]

    async def counted(self, metric: str, **labels: str) -> float:
        """A sample of the service's metrics; 0 where there is none."""
        exposed = text_string_to_metric_families((await self.http.get("/metrics")).text)
        samples = [sample for family in exposed for sample in family.samples]
        return sum(each.value for each in samples if (each.name, each.labels) == (f"onboarding_{metric}", labels))

    async def media(self, place: str) -> bytes:
        """What the store holds at a place."""
        return await Uploads(MemoryBlobs(self.world.media, self.world.keyring, MEDIA_KEY)).whole(place)

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
    """Return the key and the status with which something is refused."""
    with pytest.raises(ProblemAnswer) as error:
        await doing
    return error.value.key, error.value.status
