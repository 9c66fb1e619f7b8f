"""Runs a citizen's program against the stub services, and records what was shown."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import date

import httpx

from libs.citizen.api.answers import Upload
from libs.citizen.api.biometrics import Part
from libs.citizen.api.caller import Patience
from libs.citizen.api.services import Endpoints, Services
from libs.citizen.journey.eds import CaptureTask, EdsApplicant, EdsJourney, start
from libs.citizen.journey.enrolment import Eds, MemoryPendingKeys
from libs.citizen.journey.folder import FolderPendingKeys
from libs.citizen.journey.kandas import KandasJourney
from libs.citizen.journey.progress import ProgressLine, WaitLimits
from libs.citizen.keys.private_keys import KeyAlgorithm
from libs.citizen.signing.cms import signer
from libs.common.contracts.http.identity import JourneyTicket
from libs.common.contracts.http.kandas import ApplicantForm, ApplicationForm, DocumentNeeded, MemberForm, PersonForm
from libs.common.contracts.kandas import Relation
from tests.unit.citizen.factories import IIN
from tests.unit.citizen.kandas_stub import STAFF
from tests.unit.citizen.stubs import CODE, PIN, StubServices

SHORT_LIMITS = WaitLimits(machines=3, people=3, first=0.001, longest=0.002)
SERVICES = ("identity", "otp", "biometrics", "ca", "kandas")
ME = EdsApplicant(IIN, "+77011234567", "aigul@example.kz")
APPLICANT = ApplicantForm(
    iin=IIN, surname="Тестова", given_name="Айгуль", birth_date=date(1983, 7, 17), citizenship="CN",
    origin_country="CN", document_number="E12345678",
)  # fmt: skip
RELATIVES: tuple[tuple[str, date, Relation], ...] = (
    ("Болат", date(1980, 1, 5), "spouse"),
    ("Дана", date(2010, 9, 1), "child"),
)
MEMBERS = tuple(
    MemberForm(
        surname="Тестов", given_name=name, birth_date=born, citizenship="CN", origin_country="CN",
        document_number="E87654321", relation=relation,
    )
    for name, born, relation in RELATIVES
)  # fmt: skip
FORM = ApplicationForm(service="grant", region="almaty", applicant=APPLICANT, family=MEMBERS)


@dataclass
class ScriptedCitizen:
    """A person who answers from lists, and the last answer for ever."""

    codes: list[str] = field(default_factory=lambda: [CODE])
    pins: list[str] = field(default_factory=lambda: [PIN])
    tasks: list[CaptureTask] = field(default_factory=list)
    passport: bool = False

    async def code(self, journey_id: str) -> str:
        assert journey_id
        return self.codes.pop(0) if len(self.codes) > 1 else self.codes[0]

    async def captures(self, task: CaptureTask) -> Mapping[Part, Upload]:
        self.tasks.append(task)
        parts = task.parts_with_passport if self.passport else task.parts
        return {part: Upload(f"{part} {len(self.tasks)}".encode(), "image/jpeg") for part in parts}

    async def pin(self) -> str:
        return self.pins.pop(0) if len(self.pins) > 1 else self.pins[0]


@dataclass
class CitizenRun:
    """One citizen's run against the stub services, and what was shown."""

    stub: StubServices
    person: ScriptedCitizen = field(default_factory=ScriptedCitizen)
    pending: MemoryPendingKeys | FolderPendingKeys = field(default_factory=MemoryPendingKeys)
    kind: KeyAlgorithm = KeyAlgorithm.EC_P256
    waiting: WaitLimits = SHORT_LIMITS
    transport: httpx.AsyncBaseTransport | None = None
    shown: list[ProgressLine] = field(default_factory=list)
    ticket: JourneyTicket | None = None

    def services(self) -> AbstractAsyncContextManager[Services]:
        endpoints = Endpoints.model_validate({name: f"http://{name}" for name in SERVICES})
        transport = self.transport or httpx.ASGITransport(self.stub.app)
        return Services.connect(endpoints, Patience(total=5, first=0.001, longest=0.002), transport)

    async def eds(self) -> Eds:
        """Go the whole way, from the beginning or from where the last run stopped."""
        async with self.services() as services:
            self.ticket = self.ticket or await start(services, ME, self.shown.append)
            journey = EdsJourney(
                services, self.ticket, self.person, self.shown.append, self.pending, self.kind, self.waiting
            )
            return await journey.complete()

    @property
    def keys(self) -> list[str]:
        return [progress.key for progress in self.shown]


async def applied(run: CitizenRun, eds: Eds) -> tuple[str, dict[str, bytes]]:
    """Apply for a family, have it granted; return the application's id and everybody's document."""

    async def photo(person: PersonForm, needed: DocumentNeeded) -> Upload:
        return Upload(f"{needed.kind} of {person.given_name}".encode(), "image/jpeg")

    async with run.services() as services:
        session = await services.identity.sign_in(IIN, PIN)
        journey = KandasJourney(services, session, run.shown.append, SHORT_LIMITS)
        submitted = await journey.apply(FORM, photo, signer(eds.sign))
        assert submitted.document == run.stub.kandas.applications[submitted.application_id].document
        [waiting] = await services.kandas.queue(STAFF)
        for person in ("p1", "p2", "p3"):
            await services.kandas.decide(STAFF, waiting.application_id, person, "granted")
        view = await journey.follow(submitted.application_id)
        return submitted.application_id, await journey.documents(view)
