"""The officer's part of an application: exactly one final decision a person."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from libs.common.contracts.kandas import DocumentKind, Outcome, RefusalGround
from libs.common.core.errors import Refused
from libs.common.core.model import evolve
from libs.common.delivery.decisions import Decision
from services.kandas.application.domain import unknown
from services.kandas.application.states import (
    ApplicationState,
    Checked,
    Draft,
    KandasApplication,
    PersonDecision,
    Returned,
    Submitted,
)
from services.kandas.application.transitions import returned, step
from services.kandas.refusals import KandasRefusal
from services.kandas.rules.law import Law
from services.kandas.rules.working_days import today


@dataclass(frozen=True, slots=True)
class OfficerDecision:
    """What an officer decides about one person. ``officer`` is the staff token's subject."""

    person: str
    outcome: Outcome
    reasons: tuple[RefusalGround, ...]
    officer: str


def send_back(
    state: ApplicationState | None, documents: Sequence[tuple[str, DocumentKind]], law: Law, now: datetime
) -> Decision[ApplicationState] | None:
    """Ask the applicant to bring these documents anew, and to sign the application that holds them."""
    checked = _with_officer(state)
    if not documents or not all(_asked_for(checked, person, kind) for person, kind in documents):
        raise Refused(KandasRefusal.ATTACHMENT_NOT_ASKED_FOR)
    kept = tuple(there for there in checked.attachments if (there.person, there.kind) not in documents)
    return returned(evolve(checked, Checked, attachments=kept), "documents.incomplete", law, now)


def decide(
    state: ApplicationState | None, verdict: OfficerDecision, law: Law, now: datetime
) -> Decision[ApplicationState] | None:
    """Take the final decision about one person. Taken once more in the same words, nothing changes."""
    made = state.decision(verdict.person) if isinstance(state, KandasApplication) else None
    if made is not None:
        if (made.outcome, made.reasons) == (verdict.outcome, verdict.reasons):
            return None
        raise Refused(KandasRefusal.DECISION_ALREADY_MADE)
    checked = _with_officer(state)
    decision = _decision(checked, verdict, law, now)
    after = evolve(checked, Checked, decisions=(*checked.decisions, decision))
    return step(after, now, "application.person_decided", person=verdict.person)


def _with_officer(state: ApplicationState | None) -> Checked:
    match state:
        case Checked():
            return state
        case None | Draft():
            raise unknown()
        case Submitted():
            raise Refused(KandasRefusal.APPLICATION_NOT_CHECKED)
        case Returned():
            raise Refused(KandasRefusal.APPLICATION_RETURNED)
        case _:
            raise Refused(KandasRefusal.APPLICATION_OVER)


def _decision(checked: Checked, verdict: OfficerDecision, law: Law, now: datetime) -> PersonDecision:
    person = checked.person(verdict.person)
    if person is None:
        raise Refused(KandasRefusal.PERSON_UNKNOWN)
    _allowed(checked, verdict)
    rules = law.book.on(today(checked.signature.at))
    refused = verdict.outcome == "refused"
    return PersonDecision(
        person=verdict.person,
        outcome=verdict.outcome,
        reasons=verdict.reasons,
        decided_at=now,
        officer=verdict.officer,
        rules=rules.id,
        valid_until=None if refused else rules.valid_until(checked.service, today(now), person.form.value.previous_end),
    )


def _allowed(checked: Checked, verdict: OfficerDecision) -> None:
    positive: Outcome = "granted" if checked.service == "grant" else "extended"
    if verdict.outcome not in {positive, "refused"}:
        raise Refused(KandasRefusal.DECISION_OTHER_SERVICE)
    if verdict.outcome == "refused" and not verdict.reasons:
        raise Refused(KandasRefusal.DECISION_REASON_MISSING)
    if verdict.outcome != "refused" and verdict.reasons:
        raise Refused(KandasRefusal.DECISION_REASON_NEEDLESS)
    clear = all(answer.clear for answer in checked.answers if answer.person == verdict.person)
    if verdict.outcome != "refused" and not clear:
        raise Refused(KandasRefusal.DECISION_CHECK_NOT_CLEAR)


def _asked_for(checked: Checked, person_id: str, kind: DocumentKind) -> bool:
    person = checked.person(person_id)
    return person is not None and kind in person.needed and checked.decision(person_id) is None
