"""What a citizen is shown of an application, and whom it waits for."""

from datetime import datetime

from libs.common.contracts.http.kandas import (
    ApplicationCreated,
    ApplicationPerson,
    DocumentNeeded,
    KandasApplicationView,
    PersonView,
)
from libs.common.core.model import evolve
from libs.common.texts.languages import Language
from services.kandas.application.states import (
    ApplicationState,
    Candidate,
    Checked,
    ClosedApplication,
    Decided,
    Draft,
    KandasApplication,
    KeptApplication,
    Returned,
    Submitted,
)
from services.kandas.application.wording import person_text, timeline
from services.kandas.rules.working_days import end_of
from services.kandas.texts import TEXTS


def created(application: KandasApplication, language: Language) -> ApplicationCreated:
    """Show a draft, and what it lacks."""
    return ApplicationCreated(
        application_id=application.id,
        persons=tuple(_person(person, language) for person in application.persons),
        documents_needed=_needed(application, language),
    )


def view(state: ApplicationState, language: Language) -> KandasApplicationView:
    """Show an application to its citizen."""
    if isinstance(state, ClosedApplication):
        return KandasApplicationView(
            application_id=state.id,
            status=state.status,
            status_text=status_text(state, language),
            reason=state.reason,
            reason_text=TEXTS.text(f"reason.{state.reason}", language),
            timeline=timeline(state, language),
        )
    waits_for, waits_until = waiting(state)
    under_way = state if isinstance(state, Submitted | Checked) else None
    return KandasApplicationView(
        application_id=state.id,
        status=state.status,
        status_text=status_text(state, language),
        waits_for=waits_for,
        waits_for_text="" if waits_for is None else TEXTS.text(f"waits.{waits_for}", language),
        waits_until=waits_until,
        due_on=None if under_way is None else under_way.due_on,
        overdue=under_way is not None and under_way.overdue,
        reason=state.reason if isinstance(state, Returned) else None,
        reason_text=TEXTS.text(f"reason.{state.reason}", language) if isinstance(state, Returned) else "",
        documents_needed=_needed(state, language) if isinstance(state, Draft | Returned) else (),
        timeline=timeline(state, language),
        persons=tuple(person_view(state, person, language) for person in state.persons),
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


def status_text(state: ApplicationState, language: Language) -> str:
    """Return where an application stands, in words."""
    return TEXTS.text(f"application_status.{state.status}", language)


def person_view(state: KandasApplication, person: Candidate, language: Language) -> PersonView:
    """Show a person, with the decision once its document is there."""
    shown = evolve(_person(person, language), PersonView, name=person.form.value.full_name)
    decision = state.decision(person.id)
    if decision is None or decision.document_sha256 is None:
        return evolve(shown, PersonView, outcome_text=TEXTS.text("decision.open", language))
    return evolve(
        shown,
        PersonView,
        outcome=decision.outcome,
        outcome_text=TEXTS.text(f"decision.{decision.outcome}", language),
        reasons=tuple(map(str, decision.reasons)),
        reasons_text=tuple(TEXTS.text(reason, language) for reason in decision.reasons),
        valid_until=decision.valid_until,
        document=True,
        document_sha256=decision.document_sha256,
    )


def _person(person: Candidate, language: Language) -> ApplicationPerson:
    role_text = TEXTS.text(f"role.{person.role}", language)
    return ApplicationPerson(person=person.id, role=person.role, role_text=role_text)


def _needed(application: KandasApplication, language: Language) -> tuple[DocumentNeeded, ...]:
    return tuple(
        DocumentNeeded(
            person=person.id,
            kind=kind,
            person_text=person_text(person, language),
            kind_text=TEXTS.text(f"document_kind.{kind}", language),
        )
        for person in application.persons
        for kind in application.missing_for(person)
    )
