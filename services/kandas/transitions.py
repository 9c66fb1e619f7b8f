"""How an application moves from one state to another: what is kept, what is told, when it is looked at again."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from libs.common.contracts.events import Event
from libs.common.contracts.kandas import KandasReturned
from libs.common.delivery.decisions import Decision
from services.kandas.calendar import WorkingDays, end_of
from services.kandas.rules import RuleBook
from services.kandas.states import Application, Checked, Closed, Decided, Draft, Entry, Returned, State, Submitted

A = TypeVar("A", bound=Application)


@dataclass(frozen=True, slots=True)
class Law:
    """What decisions are measured by.

    Args:
        book: the dated rules.
        calendar: the working days in which terms are counted.
        draft: how long a draft may wait for its signature.
        returned: how long a returned application may wait for the applicant.
        attachments: how long attachments are kept after the last decision.
        documents: how long sealed documents are kept after the status they show has ended.
    """

    book: RuleBook
    calendar: WorkingDays
    draft: timedelta
    returned: timedelta
    attachments: timedelta
    documents: timedelta


def become(kind: type[A], before: Application, **facts: Any) -> A:
    """Give an application in another state: what all states share, and what this one adds."""
    shared = {name: getattr(before, name) for name in Application.model_fields}
    return kind(**(shared | facts))


def step(state: State, now: datetime, key: str, *events: Event, **detail: str) -> Decision[State]:
    """Decide: this state, this line in the timeline, these events."""
    entry = Entry(at=now, key=key, detail=detail)
    after: State = state.model_copy(update={"timeline": (*state.timeline, entry)})
    return Decision(after, events, wake_at(after))


def returned(before: Submitted | Checked, reason: str, law: Law, now: datetime) -> Decision[State]:
    """Hand an application back to the applicant."""
    after = become(Returned, before, signature=before.signature, reason=reason, expires_at=now + law.returned)
    event = KandasReturned(reason=reason, citizen_id=before.citizen_id)
    return step(after, now, "application.returned", event, reason=reason)


def finished(before: Checked | Returned, law: Law, now: datetime) -> Decided:
    """End an application about which nothing more will be decided."""
    ends = [end_of(made.valid_until) for made in before.decisions if made.valid_until is not None]
    return become(
        Decided,
        before,
        signature=before.signature,
        attachments_until=now + law.attachments,
        documents_until=max([now, *ends]) + law.documents,
    )


def closed(before: Application, reason: str, now: datetime) -> Closed:
    """Let go of all that is personal; the blobs are deleted next."""
    return Closed(
        id=before.id,
        citizen_id=before.citizen_id,
        region=before.region,
        reason=reason,
        closed_at=now,
        timeline=before.timeline,
    )


def wake_at(state: State) -> datetime | None:
    """Give when there is something to do without being told: at once (a time gone by), later, or never (None)."""
    match state:
        case Checked() | Returned() if state.unsealed():
            return min(decision.decided_at for decision in state.unsealed())
        case Draft() | Returned():
            return state.expires_at
        case Submitted():
            return state.signature.at
        case Checked():
            return None if state.overdue else end_of(state.due_on)
        case Decided():
            return state.attachments_until if state.attachments else state.documents_until
        case Closed():
            return None if state.purged else state.closed_at
