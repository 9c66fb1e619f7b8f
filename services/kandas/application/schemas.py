"""What a citizen is shown of an application, and whom it waits for."""

from datetime import datetime

from libs.common.contracts.http.kandas import (
    ApplicationCreated,
    ApplicationPerson,
    DocumentNeeded,
    KandasApplicationView,
    PersonView,
)
from libs.common.contracts.http.shapes import TimelineEntry
from services.kandas.application.states import (
    ApplicationState,
    Candidate,
    Checked,
    ClosedApplication,
    Decided,
    Draft,
    KandasApplication,
    KeptApplication,
    Milestone,
    Returned,
    Submitted,
)
from services.kandas.rules.working_days import end_of


def created(application: KandasApplication) -> ApplicationCreated:
    """Show a draft, and what it lacks."""
    return ApplicationCreated(
        application_id=application.id,
        persons=tuple(ApplicationPerson(person=person.id, role=person.role) for person in application.persons),
        documents_needed=_needed(application),
    )


def view(state: ApplicationState) -> KandasApplicationView:
    """Show an application to its citizen."""
    if isinstance(state, ClosedApplication):
        return KandasApplicationView(
            application_id=state.id, status=state.status, reason=state.reason, timeline=timeline(state.timeline)
        )
    waits_for, waits_until = waiting(state)
    under_way = state if isinstance(state, Submitted | Checked) else None
    return KandasApplicationView(
        application_id=state.id,
        status=state.status,
        waits_for=waits_for,
        waits_until=waits_until,
        due_on=under_way and under_way.due_on,
        overdue=under_way is not None and under_way.overdue,
        reason=state.reason if isinstance(state, Returned) else None,
        documents_needed=_needed(state) if isinstance(state, Draft | Returned) else (),
        timeline=timeline(state.timeline),
        persons=tuple(person_view(state, person) for person in state.persons),
    )


def waiting(state: KeptApplication) -> tuple[str | None, datetime | None]:
    """Return who must act and how, and until when."""
    match state:
        case Draft() | Returned():
            return "citizen.documents" if state.missing() else "citizen.signature", state.expires_at
        case Submitted():
            return "ministry.check", end_of(state.due_on)
        case Checked():
            return "officer.decision" if state.undecided() else "kandas.document", end_of(state.due_on)
        case Decided():
            return None, None


def timeline(milestones: tuple[Milestone, ...]) -> tuple[TimelineEntry, ...]:
    """Show a timeline."""
    return tuple(TimelineEntry(at=each.at, key=each.key, detail={**each.detail}) for each in milestones)


def person_view(state: KandasApplication, person: Candidate) -> PersonView:
    """Show a person, with the decision once its document is there."""
    shown = PersonView(person=person.id, role=person.role, name=person.form.value.full_name)
    decision = state.decision(person.id)
    if decision is None or decision.document_sha256 is None:
        return shown
    return PersonView(
        person=shown.person,
        role=shown.role,
        name=shown.name,
        outcome=decision.outcome,
        reasons=tuple(map(str, decision.reasons)),
        valid_until=decision.valid_until,
        document=True,
        document_sha256=decision.document_sha256,
    )


def _needed(application: KandasApplication) -> tuple[DocumentNeeded, ...]:
    return tuple(DocumentNeeded(person=person, kind=kind) for person, kind in application.missing())
