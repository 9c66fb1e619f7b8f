"""Events of kandas: applications, checks, decisions. The subject is the application."""

from datetime import date, datetime
from enum import StrEnum
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict

from libs.common.contracts.events import Event

Service = Literal["grant", "extension"]
Outcome = Literal["granted", "extended", "refused"]
Relation = Literal["spouse", "child", "parent", "sibling", "other"]


class RefusalGround(StrEnum):
    """The grounds of a refusal, as text keys. A closed list: an officer can give no other."""

    ALREADY_CITIZEN = "refusal.already_citizen"
    NOT_ETHNIC_KAZAKH = "refusal.nationality_not_shown"
    WINDOW_PASSED = "refusal.extension_window_passed"
    EXTENDED_BEFORE = "refusal.extended_before"
    FALSE_DATA = "refusal.false_data"
    NOT_CONFORMING = "refusal.not_conforming"


class DocumentKind(StrEnum):
    """What may be attached for one person."""

    AUTOBIOGRAPHY = "autobiography"
    IDENTITY_DOCUMENT = "identity_document"
    TRANSLATION = "identity_translation"
    NATIONALITY_PROOF = "nationality_proof"
    PHOTO = "photo"
    PREVIOUS_STATUS = "previous_status"


class KandasSubmitted(Event):
    """An application is complete and signed by the applicant. ``persons`` are ids within the application."""

    topic: ClassVar[str] = "kandas.submitted"

    service: Service
    citizen_id: str
    region: str
    persons: tuple[str, ...]
    document_sha256: str
    certificate_serial: str


class CheckAnswer(BaseModel):
    """What the ministry's system answered about one person. ``reasons`` are text keys."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    person: str
    clear: bool
    reasons: tuple[str, ...] = ()


class KandasChecked(Event):
    """The ministry's system answered about every person of an application."""

    topic: ClassVar[str] = "kandas.checked"

    answers: tuple[CheckAnswer, ...]
    due_on: date


class KandasReturned(Event):
    """The applicant must act: sign again, or complete the documents. ``reason`` is a text key."""

    topic: ClassVar[str] = "kandas.returned"

    reason: str
    citizen_id: str


class KandasDecision(Event):
    """What every decision about one person says. ``document_sha256`` is the hash of the sealed PDF."""

    person: str
    citizen_id: str
    decided_at: datetime
    reasons: tuple[str, ...]
    rules: str
    document_sha256: str


class KandasGranted(KandasDecision):
    """The local executive body granted the status."""

    topic: ClassVar[str] = "kandas.granted"

    valid_until: date


class KandasExtended(KandasDecision):
    """The local executive body extended the status."""

    topic: ClassVar[str] = "kandas.extended"

    valid_until: date


class KandasRefused(KandasDecision):
    """The local executive body refused, with reasons."""

    topic: ClassVar[str] = "kandas.refused"


class KandasOverdue(Event):
    """The term in working days passed without a decision."""

    topic: ClassVar[str] = "kandas.overdue"

    due_on: date
    region: str
