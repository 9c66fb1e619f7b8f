"""What an application says of itself in words, to a reader who may see whose it is."""

from collections.abc import Mapping
from datetime import date

from libs.common.contracts.http.shapes import TimelineEntry
from libs.common.texts.languages import Language
from services.kandas.application.states import ApplicationState, Candidate, ClosedApplication, Milestone
from services.kandas.texts import TEXTS


def person_text(person: Candidate, language: Language) -> str:
    """Name a person by name and role."""
    role = TEXTS.text(f"role.{person.role}", language)
    return TEXTS.text("person.named", language, name=person.form.value.full_name, role=role)


def timeline(state: ApplicationState, language: Language) -> tuple[TimelineEntry, ...]:
    """Show the timeline, each line in words."""
    return tuple(
        TimelineEntry(at=each.at, key=each.key, detail={**each.detail}, text=_line(state, each, language))
        for each in state.timeline
    )


def _line(state: ApplicationState, milestone: Milestone, language: Language) -> str:
    line = TEXTS.text(milestone.key, language, **_facts(state, milestone.detail, language))
    reason = milestone.detail.get("reason")
    return line if reason is None else f"{line} {TEXTS.text(f'reason.{reason}', language)}"


def _facts(state: ApplicationState, detail: Mapping[str, str], language: Language) -> dict[str, object]:
    facts: dict[str, object] = {}
    if "person" in detail:
        person = None if isinstance(state, ClosedApplication) else state.person(detail["person"])
        facts["person"] = TEXTS.text("person.forgotten", language) if person is None else person_text(person, language)
    if "due_on" in detail:
        facts["due_on"] = date.fromisoformat(detail["due_on"])
    return facts
