"""When a decision is published: once its sealed document is stored, never before."""

from datetime import datetime

from libs.common.contracts.kandas import KandasDecision, KandasExtended, KandasGranted, KandasRefused
from libs.common.core.errors import Refused
from libs.common.core.model import evolve
from libs.common.delivery.decisions import Decision
from services.kandas.application.domain import kept
from services.kandas.application.states import (
    ApplicationState,
    Checked,
    Draft,
    KandasApplication,
    KeptApplication,
    PersonDecision,
    Returned,
)
from services.kandas.application.transitions import finished, step
from services.kandas.refusals import KandasRefusal
from services.kandas.rules.law import Law


def record_document(
    state: ApplicationState | None, person_id: str, sha256: str, law: Law, now: datetime
) -> Decision[ApplicationState] | None:
    """Record that the sealed document of a decision is stored, and publish the decision. Only the first one counts."""
    made = state.decision(person_id) if isinstance(state, KandasApplication) else None
    if not isinstance(state, Checked | Returned) or made is None or made.document_sha256 is not None:
        return None
    sealed = evolve(made, PersonDecision, document_sha256=sha256)
    decisions = tuple(sealed if decision == made else decision for decision in state.decisions)
    after: ApplicationState = evolve(state, type(state), decisions=decisions)
    if isinstance(after, Checked) and not after.undecided() and not after.unsealed():
        after = finished(after, law, now)
    return step(after, now, f"kandas.{made.outcome}", _event(state, sealed, sha256), person=person_id)


def published(application: KeptApplication, person: str) -> tuple[PersonDecision, str]:
    """Return the decision about a person and the hash of its document, if that is stored.

    Raises:
        Refused: there is no document of this number, or it is not made yet.
    """
    decision = application.decision(person)
    if decision is None or decision.document_sha256 is None:
        raise _no_document()
    return decision, decision.document_sha256


def verified(state: ApplicationState | None, person: str) -> tuple[KeptApplication, PersonDecision, str]:
    """Return application, decision and document hash behind a document's number, for anybody who holds the document."""
    if state is None or isinstance(state, Draft):
        raise _no_document()
    application = kept(state)
    return application, *published(application, person)


def _no_document() -> Refused:
    return Refused(KandasRefusal.DOCUMENT_UNKNOWN)


def _event(state: KandasApplication, made: PersonDecision, sha256: str) -> KandasDecision:
    reasons = tuple(map(str, made.reasons))
    if made.valid_until is None:
        return KandasRefused(
            person=made.person,
            citizen_id=state.citizen_id,
            decided_at=made.decided_at,
            reasons=reasons,
            rules=made.rules,
            document_sha256=sha256,
        )
    positive = KandasGranted if made.outcome == "granted" else KandasExtended
    return positive(
        person=made.person,
        citizen_id=state.citizen_id,
        decided_at=made.decided_at,
        reasons=reasons,
        rules=made.rules,
        document_sha256=sha256,
        valid_until=made.valid_until,
    )
