"""What the services answer. Unknown members are ignored, so that a service may grow before its clients do."""

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from libs.common.contracts.kandas import Service

Outcome = Literal["granted", "extended", "refused"]
Secret = Annotated[str, Field(repr=False)]
"""A token: usable as text, absent from what a traceback or a log shows of its model."""


PlainName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
"""A name given by a service that becomes part of a file's name here: nothing that could lead out of a folder."""


class Answer(BaseModel):
    """Base of all answers."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Step(StrEnum):
    """The steps of a journey, in order."""

    CODE = "code"
    FACE = "face"
    PIN = "pin"
    CERTIFICATES = "certificates"
    CLOSED = "closed"

    @property
    def place(self) -> int:
        """Where the step stands, from 0."""
        return list(Step).index(self)


class TimelineEntry(Answer):
    """Something that happened, by its text key."""

    at: datetime
    key: str
    detail: dict[str, object] = {}


class CertificateEntry(Answer):
    """A certificate as the cabinet lists it. `serial` is lower-case hexadecimal."""

    serial: str
    profile: Literal["SIGN", "AUTH"]
    not_after: datetime
    revoked: bool = False


class JourneyTicket(Answer):
    """What one needs to go on with a journey: its id and the token that proves it is ours."""

    journey_id: str
    token: Secret
    mcb_registered: bool = True
    expires_at: datetime


class JourneyView(Answer):
    """Where a journey stands and whom it waits for."""

    journey_id: str
    step: Step
    waits_for: str | None = None
    waits_until: datetime | None = None
    outcome: str | None = None
    reason: str | None = None
    timeline: tuple[TimelineEntry, ...] = ()
    citizen_id: str | None = None
    guidance: tuple[str, ...] = ()
    tries_left: int | None = None
    certificates: tuple[CertificateEntry, ...] = ()


class Session(Answer):
    """A citizen who signed in with IIN and PIN."""

    token: Secret
    citizen_id: str
    expires_at: datetime


class RevocationRequest(Answer):
    """A request to revoke that a code has to confirm; the token is for that code alone."""

    request_id: str
    token: Secret
    expires_at: datetime


class CabinetPerson(Answer):
    """What was decided about one person of an application."""

    person: PlainName
    outcome: str | None = None
    document_sha256: str | None = None
    valid_until: date | None = None


class CabinetApplication(Answer):
    """An application as the cabinet lists it."""

    application_id: str
    status: str
    updated_at: datetime
    persons: tuple[CabinetPerson, ...] = ()


class Cabinet(Answer):
    """The citizen's personal cabinet."""

    citizen_id: str
    certificates: tuple[CertificateEntry, ...] = ()
    applications: tuple[CabinetApplication, ...] = ()


class Sms(Answer):
    """A message in the inbox that the development profile has in place of a gateway."""

    at: datetime
    text: Secret


class CaptureProgress(Answer):
    """How far the look at captures is: how many citizens come before, and what is being looked at just now."""

    ahead: int
    stage: str | None = None


class PreCheck(Answer):
    """What to change before a picture is worth sending, and what would be better still."""

    guidance: tuple[str, ...]
    advice: tuple[str, ...] = ()


class CaptureView(Answer):
    """A face check: what to capture, in which order to move, and what came of it."""

    state: str
    challenge: tuple[str, ...] = ()
    nonce: str = ""
    expires_at: datetime | None = None
    tries_left: int | None = None
    received: dict[str, bool] = {}
    guidance: tuple[str, ...] = ()
    pending: bool = False
    progress: CaptureProgress | None = None

    @property
    def wants_captures(self) -> bool:
        """Whether it is the citizen's turn."""
        return self.state == "open" and not self.pending


class IssuedCertificate(Answer):
    """A certificate and its PEM text."""

    serial: str
    profile: Literal["SIGN", "AUTH"]
    pem: str


class CertificatesView(Answer):
    """How far the authority is with the certificates of a journey."""

    state: str
    certificates: tuple[IssuedCertificate, ...] = ()
    waits_for: str | None = None


class Form(BaseModel):
    """Base of what is sent: a mistyped field name is an error at once."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class PersonForm(Form):
    """What an application says of one person. Countries are ISO 3166-1 codes; XXA is a stateless person."""

    iin: str | None = None
    surname: str
    given_name: str
    patronymic: str | None = None
    birth_date: date
    citizenship: str
    origin_country: str
    document_number: str
    document_in_state_language: bool = False
    nationality_in_document: bool = True
    previous_end: date | None = None
    extensions_before: int = 0


class MemberForm(PersonForm):
    """A family member."""

    relation: Literal["spouse", "child", "parent", "sibling", "other"]


class ApplicationForm(Form):
    """An application for the applicant and any number of family members."""

    service: Service
    region: str
    applicant: PersonForm
    family: tuple[MemberForm, ...] = ()


class Review(Answer):
    """A face check that waits for a clerk, until `due_at`. `pictures` names the captures to look at."""

    journey_id: str
    due_at: datetime
    tries_left: int
    model: str
    pictures: tuple[PlainName, ...] = ()
    signals: tuple[str, ...] = ()
    decisions: int = 0


class PictureLink(Answer):
    """Where a capture is shown, to whoever opened the case, until then."""

    part: PlainName
    url: Annotated[str, StringConstraints(pattern=r"^/v1/reviews/pictures/[A-Za-z0-9._~-]{1,2000}$")]
    expires_at: datetime


class ReviewCase(Review):
    """A case, opened."""

    links: tuple[PictureLink, ...]
    distances: dict[str, float] = {}
    bands: dict[str, str] = {}


class ReviewDecision(Answer):
    """What became of a decision."""

    ended: bool


class ApplicationPerson(Answer):
    """A person of an application. `person` is an id within the application, in the order of the form."""

    person: PlainName
    role: str = ""


class DocumentNeeded(Answer):
    """A document to attach."""

    person: PlainName
    kind: PlainName


class ApplicationCreated(Answer):
    """A draft, and what it lacks."""

    application_id: str
    persons: tuple[ApplicationPerson, ...]
    documents_needed: tuple[DocumentNeeded, ...] = ()


class PersonView(Answer):
    """How far the application is for one person."""

    person: PlainName
    role: str = ""
    name: str | None = Field(default=None, repr=False)
    outcome: Outcome | None = None
    reasons: tuple[str, ...] = ()
    valid_until: date | None = None
    document: bool = False
    document_sha256: str | None = None


class ApplicationView(Answer):
    """Where an application stands and whom it waits for."""

    application_id: str
    status: str
    waits_for: str | None = None
    waits_until: datetime | None = None
    due_on: date | None = None
    overdue: bool = False
    reason: str | None = None
    documents_needed: tuple[DocumentNeeded, ...] = ()
    timeline: tuple[TimelineEntry, ...] = ()
    persons: tuple[PersonView, ...] = ()


class OfficerItem(Answer):
    """An application as an officer's queue lists it. `undecided` names the persons still to be decided about."""

    application_id: str
    service: Service
    status: str
    opened_at: datetime
    due_on: date | None = None
    overdue: bool = False
    persons: int
    undecided: tuple[str, ...] = ()


class SubmissionStatus(Answer):
    """What became of a signature."""

    status: str
