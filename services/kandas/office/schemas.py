"""What an officer is shown of an application."""

from datetime import date

from libs.common.contracts.http.kandas import AttachedDocument, OfficerItem, OfficerPerson, OfficerView
from libs.common.core.model import evolve
from libs.common.texts.languages import Language
from libs.common.texts.places import region_name
from services.kandas.application.schemas import person_view, status_text
from services.kandas.application.states import Checked, KeptApplication, Submitted
from services.kandas.application.wording import timeline
from services.kandas.texts import TEXTS


def item(state: KeptApplication, language: Language) -> OfficerItem:
    """Show an application as one line of a list."""
    due_on, overdue = _term(state)
    return OfficerItem(
        application_id=state.id,
        service=state.service,
        status=state.status,
        status_text=status_text(state, language),
        opened_at=state.opened_at,
        due_on=due_on,
        overdue=overdue,
        persons=len(state.persons),
        undecided=state.undecided(),
    )


def officer_view(state: KeptApplication, language: Language) -> OfficerView:
    """Show an application with all that its people stated and the ministry's system answered."""
    due_on, overdue = _term(state)
    return OfficerView(
        application_id=state.id,
        service=state.service,
        status=state.status,
        status_text=status_text(state, language),
        region=state.region,
        region_text=region_name(TEXTS, state.region, language),
        due_on=due_on,
        overdue=overdue,
        people=_people(state, language),
        attachments=tuple(
            evolve(each, AttachedDocument, kind_text=TEXTS.text(f"document_kind.{each.kind}", language))
            for each in state.attachments
        ),
        timeline=timeline(state, language),
    )


def _people(state: KeptApplication, language: Language) -> tuple[OfficerPerson, ...]:
    checks = {answer.person: answer for answer in state.answers} if isinstance(state, Checked) else {}
    return tuple(
        evolve(person_view(state, person, language), OfficerPerson, form=person.form.value, check=checks.get(person.id))
        for person in state.persons
    )


def _term(state: KeptApplication) -> tuple[date | None, bool]:
    return (state.due_on, state.overdue) if isinstance(state, Submitted | Checked) else (None, False)
