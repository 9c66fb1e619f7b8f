"""What is shown of an application, and whom it waits for."""

from datetime import date, datetime
from typing import Final

from pydantic import BaseModel

from services.kandas.calendar import end_of
from services.kandas.rules import DocumentKind, RefusalReason
from services.kandas.states import (
    Checked,
    Closed,
    Decided,
    Draft,
    Entry,
    Held,
    Outcome,
    PersonDecision,
    Returned,
    State,
    Submitted,
)


class PersonView(BaseModel):
    """How far the application is for one person. ``document``: the sealed document can be fetched."""

    person: str
    role: str
    name: str
    outcome: Outcome | None = None
    reasons: list[RefusalReason] = []
    valid_until: date | None = None
    document: bool = False
    document_sha256: str | None = None


class MissingDocument(BaseModel):
    """A document that is still to be attached."""

    person: str
    kind: DocumentKind


class ApplicationView(BaseModel):
    """Where an application stands, whom it waits for and until when."""

    application_id: str
    status: str
    waits_for: str | None = None
    waits_until: datetime | None = None
    due_on: date | None = None
    overdue: bool = False
    reason: str | None = None
    documents_needed: list[MissingDocument] = []
    timeline: list[Entry]
    persons: list[PersonView] = []


def view(state: State) -> ApplicationView:
    """Show an application to its citizen."""
    if isinstance(state, Closed):
        return ApplicationView(
            application_id=state.id, status=state.status, reason=state.reason, timeline=list(state.timeline)
        )
    waits_for, waits_until = waiting(state)
    under_way = state if isinstance(state, Submitted | Checked) else None
    return ApplicationView(
        application_id=state.id,
        status=state.status,
        waits_for=waits_for,
        waits_until=waits_until,
        due_on=under_way and under_way.due_on,
        overdue=under_way is not None and under_way.overdue,
        reason=state.reason if isinstance(state, Returned) else None,
        documents_needed=[MissingDocument(person=person, kind=kind) for person, kind in state.missing()]
        if isinstance(state, Draft | Returned)
        else [],
        timeline=list(state.timeline),
        persons=persons(state),
    )


def waiting(state: Held) -> tuple[str | None, datetime | None]:
    """Say who must act and how, and until when."""
    match state:
        case Draft() | Returned():
            return "citizen.documents" if state.missing() else "citizen.signature", state.expires_at
        case Submitted():
            return "ministry.check", end_of(state.due_on)
        case Checked():
            return "officer.decision" if state.undecided() else "kandas.document", end_of(state.due_on)
        case Decided():
            return None, None


def persons(state: Held) -> list[PersonView]:
    """Show each person, with the decision as far as it is told."""
    return [
        PersonView(person=person.id, role=person.role, name=person.form.value.full_name, **_told(state, person.id))
        for person in state.persons
    ]


def _told(state: Held, person: str) -> dict[str, object]:
    decision = state.decision(person)
    if decision is None or decision.document_sha256 is None:
        return {}
    return {"document": True, **decision.model_dump(include=_SHOWN)}


_SHOWN: Final = set(PersonDecision.model_fields) & set(PersonView.model_fields) - {"person"}
