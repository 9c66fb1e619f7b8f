"""The officer's part of an application: exactly one final decision a person, and the document that tells it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from libs.common.contracts.kandas import KandasDecision, KandasExtended, KandasGranted, KandasRefused
from libs.common.core.errors import Refused
from libs.common.delivery.decisions import Decision
from services.kandas.calendar import today
from services.kandas.domain import unknown
from services.kandas.rules import DocumentKind, RefusalReason
from services.kandas.states import (
    Application,
    Checked,
    Draft,
    Outcome,
    PersonDecision,
    Returned,
    State,
    Submitted,
)
from services.kandas.transitions import Law, finished, returned, step


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an officer decides about one person. ``officer`` is the staff token's subject."""

    person: str
    outcome: Outcome
    reasons: tuple[RefusalReason, ...]
    officer: str


def send_back(
    state: State | None, documents: Sequence[tuple[str, DocumentKind]], law: Law, now: datetime
) -> Decision[State] | None:
    """Ask the applicant to bring these documents anew, and to sign the application that holds them."""
    checked = _with_officer(state)
    if not documents or not all(_asked_for(checked, person, kind) for person, kind in documents):
        raise Refused("attachment.not_asked_for", "Please name documents that this application asks for.", 422)
    kept = tuple(there for there in checked.attachments if (there.person, there.kind) not in documents)
    return returned(checked.model_copy(update={"attachments": kept}), "documents.incomplete", law, now)


def decide(state: State | None, verdict: Verdict, law: Law, now: datetime) -> Decision[State] | None:
    """Take the final decision about one person. Taken once more in the same words, nothing changes."""
    made = state.decision(verdict.person) if isinstance(state, Application) else None
    if made is not None:
        if (made.outcome, made.reasons) == (verdict.outcome, verdict.reasons):
            return None
        raise Refused("decision.already_made", "About this person it was decided already. A decision is final.")
    checked = _with_officer(state)
    decision = _decision(checked, verdict, law, now)
    after = checked.model_copy(update={"decisions": (*checked.decisions, decision)})
    return step(after, now, "application.person_decided", person=verdict.person)


def record_document(
    state: State | None, person_id: str, sha256: str, law: Law, now: datetime
) -> Decision[State] | None:
    """Take in that the sealed document of a decision is stored, and tell the decision. Only the first one counts."""
    made = state.decision(person_id) if isinstance(state, Application) else None
    if not isinstance(state, Checked | Returned) or made is None or made.document_sha256 is not None:
        return None
    sealed = made.model_copy(update={"document_sha256": sha256})
    decisions = tuple(sealed if decision == made else decision for decision in state.decisions)
    told = state.model_copy(update={"decisions": decisions})
    over = isinstance(told, Checked) and not told.undecided() and not told.unsealed()
    after: State = finished(told, law, now) if over else told
    return step(after, now, f"kandas.{made.outcome}", _event(told, sealed), person=person_id)


def _with_officer(state: State | None) -> Checked:
    match state:
        case Checked():
            return state
        case None | Draft():
            raise unknown()
        case Submitted():
            raise Refused("application.not_checked", "The ministry's system has not answered yet. Please wait for it.")
        case Returned():
            raise Refused("application.returned", "The application is with the applicant. It comes back when signed.")
        case _:
            raise Refused("application.over", "This application is over; nothing more is decided in it.")


def _decision(checked: Checked, verdict: Verdict, law: Law, now: datetime) -> PersonDecision:
    person = checked.person(verdict.person)
    if person is None:
        raise Refused("person.unknown", "This application has no such person.", 404)
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


def _allowed(checked: Checked, verdict: Verdict) -> None:
    positive: Outcome = "granted" if checked.service == "grant" else "extended"
    if verdict.outcome not in {positive, "refused"}:
        raise Refused(
            "decision.other_service", f"In an application of this kind a person is {positive} or refused.", 422
        )
    if verdict.outcome == "refused" and not verdict.reasons:
        raise Refused("decision.reason_missing", "A refusal names its grounds. Please give at least one.", 422)
    if verdict.outcome != "refused" and verdict.reasons:
        raise Refused("decision.reason_needless", "Grounds belong to a refusal only. Please leave them out.", 422)
    clear = all(answer.clear for answer in checked.answers if answer.person == verdict.person)
    if verdict.outcome != "refused" and not clear:
        raise Refused(
            "decision.check_not_clear",
            "The ministry's check found an obstacle for this person. The law allows only a refusal.",
            422,
        )


def _asked_for(checked: Checked, person_id: str, kind: DocumentKind) -> bool:
    person = checked.person(person_id)
    return person is not None and kind in person.needed and checked.decision(person_id) is None


def _event(state: Application, made: PersonDecision) -> KandasDecision:
    facts = {
        "person": made.person,
        "citizen_id": state.citizen_id,
        "decided_at": made.decided_at,
        "reasons": tuple(map(str, made.reasons)),
        "rules": made.rules,
        "document_sha256": made.document_sha256,
    }
    if made.outcome == "refused":
        return KandasRefused.model_validate(facts)
    kind = KandasGranted if made.outcome == "granted" else KandasExtended
    return kind.model_validate(facts | {"valid_until": made.valid_until})
