"""A system for tests: broker, store, installation, observer, and citizens who go their way in it."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from itertools import count
from logging import getLogger
from pathlib import Path
from secrets import token_hex

import structlog

from deploy.embedded.installation import SERVICES, Installation
from deploy.embedded.observer import Observer
from deploy.embedded.process import Server, free_port
from deploy.embedded.services import RunningServices, in_one_process
from deploy.embedded.stack import Broker, Store
from libs.citizen.api.caller import Patience
from libs.citizen.api.services import Services
from libs.citizen.journey.eds import EdsJourney, start
from libs.citizen.journey.enrolment import Eds
from libs.citizen.journey.kandas import KandasJourney, SignedApplication
from libs.citizen.journey.progress import ProgressLine, WaitLimits
from libs.citizen.signing.cms import signer
from libs.common.contracts.http.identity import CitizenSession, JourneyTicket
from libs.common.contracts.http.kandas import KandasApplicationView
from libs.common.core import logging
from libs.common.core.kafka_access import KafkaAccess
from libs.common.delivery.topic_admin import create_topics
from tests.fixtures.people import (
    PIN,
    REGION,
    Camera,
    Invented,
    Volunteer,
    attach,
    bench_camera,
    family_of,
    grant_all,
    invent,
    register_of,
)
from tests.journey import invariants
from tests.journey.invariants import Facts
from tests.journey.quiescence import Quiescence, watching
from tests.journey.records import Growing, Record
from tests.stack.kafka import KafkaServer, kafka_jars

PEOPLE = 400
PARTITIONS = 2
WAITING = WaitLimits(machines=240.0, people=240.0)


@dataclass
class System:
    """An installation, and those who live in it.

    Attributes:
        events: the file of the observer.
        logs: the folder with everything that was logged.
        foreign: places of records that a test wrote, which are no facts of the services.
    """

    installation: Installation
    services: Services
    observer: Observer
    quiescence: Quiescence
    events: Path
    logs: Path
    waiting: WaitLimits = WAITING
    foreign: set[tuple[str, int, int]] = field(default_factory=set)
    tickets: dict[str, JourneyTicket] = field(default_factory=dict)
    sessions: dict[str, CitizenSession] = field(default_factory=dict)
    people: list[Invented] = field(default_factory=list)
    lines: list[ProgressLine] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))
    _records: list[Record] = field(default_factory=list)
    _files: dict[tuple[Path, str], Growing] = field(default_factory=dict)

    def person(self) -> Invented:
        """Give somebody who has never been here."""
        number = next(self._numbers)
        assert number < PEOPLE, "the register has no more people: raise PEOPLE"
        self.people.append(invent(number))
        return self.people[-1]

    async def begin(self, person: Invented) -> JourneyTicket:
        """Begin a journey."""
        ticket = await start(self.services, person.applicant, self.lines.append)
        self.tickets[ticket.journey_id] = ticket
        return ticket

    def way(self, person: Invented, ticket: JourneyTicket, camera: Camera | None = None) -> EdsJourney:
        """Give the journey, to be gone."""
        volunteer = Volunteer(self.services, camera or bench_camera(person))
        return EdsJourney(self.services, ticket, volunteer, self.lines.append, waiting=self.waiting)

    async def eds(self, person: Invented, camera: Camera | None = None) -> Eds:
        """Go the whole way to an electronic signature."""
        return await self.way(person, await self.begin(person), camera).complete()

    async def sign_in(self, person: Invented) -> CitizenSession:
        """Open the cabinet."""
        return await self.services.identity.sign_in(person.iin, PIN)

    def kandas(self, session: CitizenSession) -> KandasJourney:
        """Give a kandas journey, to be gone."""
        return KandasJourney(self.services, session, self.lines.append, waiting=self.waiting)

    async def apply(self, person: Invented, session: CitizenSession, eds: Eds) -> SignedApplication:
        """Apply for the person's family, and sign."""
        submitted = await self.kandas(session).apply(family_of(person), attach, signer(eds.sign))
        self.sessions[submitted.application_id] = session
        return submitted

    @property
    def officer(self) -> str:
        """An officer's token."""
        return self.installation.staff.officer(REGION)

    async def decide(self, application_id: str) -> KandasApplicationView:
        """Have an officer decide in favour of everybody; give the application when the applicant sees the end."""
        await grant_all(self.services, self.officer, application_id, self.waiting)
        return await self.kandas(self.sessions[application_id]).follow(application_id)

    async def whole_way(self, person: Invented) -> tuple[Eds, KandasApplicationView]:
        """From an IIN and a phone to decisions about the whole family."""
        eds = await self.eds(person)
        submitted = await self.apply(person, await self.sign_in(person), eds)
        return eds, await self.decide(submitted.application_id)

    def records(self) -> Sequence[Record]:
        """Give what has been seen on the topics so far, but for what tests wrote."""
        lines = self._growing(self.events, "to parse").lines()
        self._records += [Record(**json.loads(line)) for line in lines]
        return [record for record in self._records if record.place not in self.foreign]

    async def facts(self) -> Facts:
        """Give the facts, when no more come: everything that was begun has come to its end."""
        going_on: str | None = "nobody has looked"
        try:
            async with asyncio.timeout(self.waiting.machines):
                while (going_on := await self.quiescence.unrest(self.observer)) is not None:  # noqa: ASYNC110 - nobody tells
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise AssertionError(f"no rest after {self.waiting.machines:.0f} seconds: {going_on}") from None
        return Facts(self.records())

    async def check(self) -> None:
        """Fail if an invariant does not hold, when no more facts come."""
        facts = await self.facts()
        assert invariants.violations(facts.records) == []
        for journey in facts.unfinished_journeys & self.tickets.keys():
            seen = await self.services.identity.journey(self.tickets[journey])
            assert seen.waits_for, f"5: journey {journey} has not ended, and waits for nobody"
            assert seen.waits_until, f"5: journey {journey} waits for ever"
        for application in facts.unfinished_applications & self.sessions.keys():
            view = await self.services.kandas.application(self.sessions[application], application)
            assert view.waits_for or view.status == "closed", f"5: application {application} waits for nobody"
            assert view.waits_until or view.status == "closed", f"5: application {application} waits for ever"
        self.check_nothing_personal()

    def check_nothing_personal(self) -> None:
        """Fail if a person's data stand in clear in a record or a log."""
        for file in (self.events, *self.logs.glob("*.log")):
            text = "\n".join(self._growing(file, "to search").lines())
            for person in self.people:
                found = [kind for kind, value in enumerate(person.planted) if value in text]
                assert not found, f"6: {file.name} holds personal data in clear, of kinds {found}"

    def _growing(self, file: Path, use: str) -> Growing:
        """What is new in a file since it was last read for this use; only people known by then can stand in it."""
        return self._files.setdefault((file, use), Growing(file))


@asynccontextmanager
async def prepared(
    folder: Path, broker: str, mongo_uri: str, *, idempotence: bool, profile: str = "bench"
) -> AsyncIterator[System]:
    """Make an installation with topics, keys, authority and observer. Starting the services is left to the caller."""
    await create_topics(KafkaAccess(broker), partitions=PARTITIONS)
    register = folder / "register.json"
    register.write_text(register_of([invent(number) for number in range(PEOPLE)]), encoding="utf-8")
    installation = Installation(
        folder,
        broker,
        mongo_uri,
        {service: free_port() for service in SERVICES},
        idempotence=idempotence,
        profile=profile,
        prefix=f"t{token_hex(4)}_",
        people=register,
    )
    installation.prepare()
    logs = folder / "logs"
    logs.mkdir()
    events = folder / "events.jsonl"
    events.touch()
    observer = Observer(broker, events)
    await observer.start()
    try:
        async with (
            Services.connect(installation.endpoints, Patience(total=240.0)) as services,
            watching(installation) as quiescence,
        ):
            yield System(installation, services, observer, quiescence, events, logs)
    finally:
        await observer.stop()


def make_broker(kind: str, folder: Path) -> Server:
    """Make the broker that the suite was started with, one of one's own."""
    return KafkaServer(folder, kafka_jars()) if kind == "kafka" else Broker(folder)


@dataclass(frozen=True)
class OwnSystem:
    """A system for one test alone, with broker and store to be stopped and killed at will."""

    system: System
    running: RunningServices
    broker: Server
    store: Store


@asynccontextmanager
async def own_system(kind: str, folder: Path, profile: str = "bench") -> AsyncIterator[OwnSystem]:
    """Make a system for one test alone, or for the tests of one file."""
    async with AsyncExitStack() as stack:
        broker = await stack.enter_async_context(make_broker(kind, folder))
        store = await stack.enter_async_context(Store(folder))
        idempotence = kind == "kafka"
        system = await stack.enter_async_context(
            prepared(folder, broker.address, store.uri, idempotence=idempotence, profile=profile)
        )
        stack.enter_context(logged(system.logs / "services.log"))
        running = await stack.enter_async_context(in_one_process(system.installation))
        yield OwnSystem(system, running, broker, store)


@contextmanager
def logged(file: Path) -> Iterator[None]:
    """Send all logs of this process to a file, then put the set-up back as it was."""
    root, before = getLogger(), structlog.get_config()
    handlers, level = root.handlers[:], root.level
    with file.open("w", encoding="utf-8") as stream:
        logging.configure("system", json=True, stream=stream)
        try:
            yield
        finally:
            root.handlers[:] = handlers
            root.setLevel(level)
            structlog.configure(**before)


def log_lines(system: System, event: str) -> list[dict[str, object]]:
    """Give the lines that the services logged about one thing."""
    lines = (json.loads(line) for file in system.logs.glob("*.log") for line in file.read_text().splitlines())
    return [line for line in lines if line.get("event") == event]
