"""The states of an application. What cannot be true at once cannot be written down."""

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import Field

from libs.common.contracts.kandas import CheckAnswer, DocumentKind, Outcome, RefusalGround, Relation, Service
from libs.common.core.model import Model
from libs.common.core.sealing import Sealed
from services.kandas.application.people import Particulars
from services.kandas.rules.working_days import end_of


class Milestone(Model):
    """One line of the timeline: when, a text key, and particulars without personal data."""

    at: datetime
    key: str
    detail: dict[str, str] = Field(default_factory=dict)


Role = Literal["applicant"] | Relation


class Candidate(Model):
    """A person of an application. ``id`` means nothing outside it; ``needed`` must be attached for them."""

    id: str
    role: Role
    form: Sealed[Particulars]
    needed: tuple[DocumentKind, ...]


class Attachment(Model):
    """A document the citizen attached: its blob, and the hash by which the signed application names it."""

    person: str
    kind: DocumentKind
    media: Literal["application/pdf", "image/jpeg"]
    sha256: str
    size: int

    def blob(self, application_id: str) -> str:
        """Name the blob. By content, so that a repeated upload changes nothing and two never overwrite each other."""
        return f"{application_id}/attachments/{self.person}/{self.kind}/{self.sha256}"


class ApplicantSignature(Model):
    """The applicant's signature as it was verified when given."""

    serial: str
    document_sha256: str
    cms_sha256: str
    at: datetime


class PersonDecision(Model):
    """The final decision about one person. ``document_sha256`` is set once the sealed document is stored."""

    person: str
    outcome: Outcome
    reasons: tuple[RefusalGround, ...]
    decided_at: datetime
    officer: str
    rules: str
    valid_until: date | None
    document_sha256: str | None = None


class KandasApplication(Model):
    """What every application has. ``round`` counts its signatures; ``timeline`` only grows."""

    id: str
    citizen_id: str
    service: Service
    region: str
    persons: tuple[Candidate, ...]
    attachments: tuple[Attachment, ...] = ()
    decisions: tuple[PersonDecision, ...] = ()
    opened_at: datetime
    round: int = 0
    timeline: tuple[Milestone, ...] = ()

    def person(self, person_id: str) -> Candidate | None:
        """Return a person by the id within the application."""
        return next((person for person in self.persons if person.id == person_id), None)

    def decision(self, person_id: str) -> PersonDecision | None:
        """Return the decision about a person, if there is one."""
        return next((decision for decision in self.decisions if decision.person == person_id), None)

    def unsealed(self) -> tuple[PersonDecision, ...]:
        """Return the decisions whose document is still to be made."""
        return tuple(decision for decision in self.decisions if decision.document_sha256 is None)

    def undecided(self) -> tuple[str, ...]:
        """Return the persons about whom nothing is decided yet."""
        return tuple(person.id for person in self.persons if self.decision(person.id) is None)

    def missing(self) -> tuple[tuple[str, DocumentKind], ...]:
        """Return person and kind of every document still to be attached."""
        return tuple((person.id, kind) for person in self.persons for kind in self.missing_for(person))

    def missing_for(self, person: Candidate) -> tuple[DocumentKind, ...]:
        """Return the kinds of the documents still to be attached for one person."""
        there = {attachment.kind for attachment in self.attachments if attachment.person == person.id}
        return tuple(kind for kind in person.needed if kind not in there)


class Draft(KandasApplication):
    """Being filled in. Closed if it is not signed by ``expires_at``."""

    status: Literal["draft"] = "draft"
    expires_at: datetime


class Submitted(KandasApplication):
    """Complete and signed; the ministry's system is to check it. The rules of that day are the measure."""

    status: Literal["submitted"] = "submitted"
    signature: ApplicantSignature
    due_on: date
    overdue: bool = False


class Checked(KandasApplication):
    """The ministry's system answered; an officer of the region decides by ``due_on``."""

    status: Literal["checked"] = "checked"
    signature: ApplicantSignature
    due_on: date
    overdue: bool = False
    answers: tuple[CheckAnswer, ...]


class Returned(KandasApplication):
    """The applicant must act by ``expires_at``. ``reason`` is a text key; ``signature`` serves no longer."""

    status: Literal["returned"] = "returned"
    signature: ApplicantSignature
    reason: str
    expires_at: datetime


class Decided(KandasApplication):
    """Nothing more will be decided, and every decision has its sealed document. Both purge dates are fixed here."""

    status: Literal["decided"] = "decided"
    signature: ApplicantSignature
    attachments_until: datetime
    documents_until: datetime


class ClosedApplication(Model):
    """Over; nothing personal is left, once its blobs are ``purged`` too. ``reason`` is a text key."""

    status: Literal["closed"] = "closed"
    id: str
    citizen_id: str
    region: str
    reason: str
    closed_at: datetime
    purged: bool = False
    timeline: tuple[Milestone, ...]


KeptApplication = Draft | Submitted | Checked | Returned | Decided
"""An application whose contents are kept."""

ApplicationState = KeptApplication | ClosedApplication
"""Any state of an application."""

AnyApplication = Annotated[ApplicationState, Field(discriminator="status")]
"""The schema by which a state is stored."""


def wake_at(state: ApplicationState) -> datetime | None:
    """Return when there is work without an event: at once (a time gone by), later, or never (None)."""
    match state:
        case Checked() | Returned() if state.unsealed():
            return min(decision.decided_at for decision in state.unsealed())
        case Draft() | Returned():
            return state.expires_at
        case Submitted():
            return state.signature.at
        case Checked():
            return None if state.overdue else end_of(state.due_on)
        case Decided():
            return state.attachments_until if state.attachments else state.documents_until
        case ClosedApplication():
            return None if state.purged else state.closed_at
