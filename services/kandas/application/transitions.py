"""The moves that several capabilities make: to the applicant, to the end, and each with its line in the timeline."""

from datetime import datetime

from libs.common.contracts.events import Event
from libs.common.contracts.kandas import KandasReturned
from libs.common.core.model import evolve
from libs.common.delivery.decisions import Decision
from services.kandas.application.states import (
    ApplicationState,
    Checked,
    ClosedApplication,
    Decided,
    KeptApplication,
    Milestone,
    Returned,
    Submitted,
)
from services.kandas.rules.law import Law
from services.kandas.rules.working_days import end_of


def step(state: ApplicationState, now: datetime, key: str, *events: Event, **detail: str) -> Decision[ApplicationState]:
    """Decide: this state, this line in the timeline, these events."""
    milestone = Milestone(at=now, key=key, detail=detail)
    return Decision(evolve(state, type(state), timeline=(*state.timeline, milestone)), events)


def returned(before: Submitted | Checked, reason: str, law: Law, now: datetime) -> Decision[ApplicationState]:
    """Hand an application back to the applicant."""
    after = evolve(before, Returned, reason=reason, expires_at=now + law.returned)
    event = KandasReturned(reason=reason, citizen_id=before.citizen_id)
    return step(after, now, "application.returned", event, reason=reason)


def finished(before: Checked | Returned, law: Law, now: datetime) -> Decided:
    """End an application about which nothing more will be decided."""
    ends = [end_of(made.valid_until) for made in before.decisions if made.valid_until is not None]
    return evolve(
        before,
        Decided,
        attachments_until=now + law.attachments,
        documents_until=max([now, *ends]) + law.documents,
    )


def closed(before: KeptApplication, reason: str, now: datetime) -> ClosedApplication:
    """Let go of all that is personal; the blobs are deleted next."""
    return evolve(before, ClosedApplication, reason=reason, closed_at=now)
