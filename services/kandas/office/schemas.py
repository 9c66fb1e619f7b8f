"""What an officer is shown of an application."""

from datetime import date

from libs.common.contracts.http.kandas import AttachedDocument, OfficerItem, OfficerPerson, OfficerView
from libs.common.core.model import evolve
from services.kandas.application.schemas import person_view, timeline
from services.kandas.application.states import Checked, KeptApplication, Submitted


def item(state: KeptApplication) -> OfficerItem:
    """Show an application as one line of a list."""
    due_on, overdue = _term(state)
    return OfficerItem(
        application_id=state.id,
        service=state.service,
        status=state.status,
        opened_at=state.opened_at,
        due_on=due_on,
        overdue=overdue,
        persons=len(state.persons),
        undecided=state.undecided(),
    )


def officer_view(state: KeptApplication) -> OfficerView:
    """Show an application with all that its people stated and the ministry's system answered."""
    due_on, overdue = _term(state)
    return OfficerView(
        application_id=state.id,
        service=state.service,
        status=state.status,
        region=state.region,
        due_on=due_on,
        overdue=overdue,
        people=_people(state),
        attachments=tuple(evolve(each, AttachedDocument) for each in state.attachments),
        timeline=timeline(state.timeline),
    )


def _people(state: KeptApplication) -> tuple[OfficerPerson, ...]:
    checks = {answer.person: answer for answer in state.answers} if isinstance(state, Checked) else {}
    return tuple(
        evolve(person_view(state, person), OfficerPerson, form=person.form.value, check=checks.get(person.id))
        for person in state.persons
    )


def _term(state: KeptApplication) -> tuple[date | None, bool]:
    return (state.due_on, state.overdue) if isinstance(state, Submitted | Checked) else (None, False)
