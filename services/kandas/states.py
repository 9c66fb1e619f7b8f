"""The states of an application. What cannot be true at once cannot be written down."""

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from libs.common.contracts.kandas import CheckAnswer, Service
from libs.common.core.sealing import Sealed
from services.kandas.people import PersonForm, Relation
from services.kandas.rules import DocumentKind, RefusalReason

Outcome = Literal["granted", "extended", "refused"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class Entry(_Frozen):
    """One line of what the citizen is shown: when, a text key, and particulars without personal data."""

    at: datetime
    key: str
    detail: dict[str, str] = {}


class Applicant(_Frozen):
    """A person of an application. ``id`` means nothing outside it; ``needed`` must be attached for them."""

    id: str
    role: Literal["applicant"] | Relation
    form: Sealed[PersonForm]
    needed: tuple[DocumentKind, ...]


class Attachment(_Frozen):
    """A document the citizen attached: its blob, and the hash by which the signed application names it."""

    person: str
    kind: DocumentKind
    media: Literal["application/pdf", "image/jpeg"]
    sha256: str
    size: int

    def blob(self, application_id: str) -> str:
        """Name the blob. By content, so that a repeated upload changes nothing and two never overwrite each other."""
        return f"{application_id}/attachments/{self.person}/{self.kind}/{self.sha256}"


class Signature(_Frozen):
    """The applicant's signature as it was verified when given."""

    serial: str
    document_sha256: str
    cms_sha256: str
    at: datetime


class PersonDecision(_Frozen):
    """The final decision about one person. ``document_sha256`` is set once the sealed document is stored."""

    person: str
    outcome: Outcome
    reasons: tuple[RefusalReason, ...]
    decided_at: datetime
    officer: str
    rules: str
    valid_until: date | None
    document_sha256: str | None = None


class Application(_Frozen):
    """What every application has. ``round`` counts its signatures; ``timeline`` only grows."""

    id: str
    citizen_id: str
    service: Service
    region: str
    persons: tuple[Applicant, ...]
    attachments: tuple[Attachment, ...] = ()
    decisions: tuple[PersonDecision, ...] = ()
    opened_at: datetime
    round: int = 0
    timeline: tuple[Entry, ...] = ()

    def person(self, person_id: str) -> Applicant | None:
        """Give a person by the id within the application."""
        return next((person for person in self.persons if person.id == person_id), None)

    def decision(self, person_id: str) -> PersonDecision | None:
        """Give the decision about a person, if there is one."""
        return next((decision for decision in self.decisions if decision.person == person_id), None)

    def unsealed(self) -> tuple[PersonDecision, ...]:
        """Give the decisions whose document is still to be made."""
        return tuple(decision for decision in self.decisions if decision.document_sha256 is None)

    def undecided(self) -> tuple[str, ...]:
        """Give the persons about whom nothing is decided yet."""
        return tuple(person.id for person in self.persons if self.decision(person.id) is None)

    def missing(self) -> tuple[tuple[str, DocumentKind], ...]:
        """Give person and kind of every document still to be attached."""
        there = {(attachment.person, attachment.kind) for attachment in self.attachments}
        return tuple((p.id, kind) for p in self.persons for kind in p.needed if (p.id, kind) not in there)


class Draft(Application):
    """Being filled in. Closed if it is not signed by ``expires_at``."""

    status: Literal["draft"] = "draft"
    expires_at: datetime


class Submitted(Application):
    """Complete and signed; the ministry's system is to check it. The rules of that day are the measure."""

    status: Literal["submitted"] = "submitted"
    signature: Signature
    due_on: date
    overdue: bool = False


class Checked(Application):
    """The ministry's system answered; an officer of the region decides by ``due_on``."""

    status: Literal["checked"] = "checked"
    signature: Signature
    due_on: date
    overdue: bool = False
    answers: tuple[CheckAnswer, ...]


class Returned(Application):
    """The applicant must act by ``expires_at``. ``reason`` is a text key; ``signature`` serves no longer."""

    status: Literal["returned"] = "returned"
    signature: Signature
    reason: str
    expires_at: datetime


class Decided(Application):
    """Nothing more will be decided, and every decision has its sealed document. Both purge dates are fixed here."""

    status: Literal["decided"] = "decided"
    signature: Signature
    attachments_until: datetime
    documents_until: datetime


class Closed(_Frozen):
    """Over; nothing personal is left, once its blobs are ``purged`` too. ``reason`` is a text key."""

    status: Literal["closed"] = "closed"
    id: str
    citizen_id: str
    region: str
    reason: str
    closed_at: datetime
    purged: bool = False
    timeline: tuple[Entry, ...]


Held = Draft | Submitted | Checked | Returned | Decided
"""An application whose contents are kept."""

State = Annotated[Held | Closed, Field(discriminator="status")]
"""Any state of an application."""
