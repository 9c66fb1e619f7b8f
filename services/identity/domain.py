"""Journeys: what is decided about them. Pure: time, ids and rules come in as arguments.

Facts of other services may come in any order and more than once. Each is kept, and after each the same question is
asked: is the journey over, is there something to tell, when is there something to do next.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from libs.common.contracts.biometrics import FaceRejected
from libs.common.contracts.ca import CertRefused
from libs.common.contracts.events import Event
from libs.common.contracts.identity import DigitalIdCreated, JourneyClosed, JourneyStarted, McbRegistered, Outcome
from libs.common.contracts.otp import OtpRejected
from libs.common.contracts.people import Contact
from libs.common.core.errors import Refused
from libs.common.core.sealing import Sealed
from libs.common.delivery.decisions import Decision
from services.identity import facts, progress
from services.identity.facts import Fact
from services.identity.states import (
    Closed,
    Detail,
    DigitalId,
    Entry,
    JourneyState,
    McbKnown,
    McbLacking,
    McbRefused,
    McbWanted,
    Noticed,
    Open,
    Pair,
    Resident,
    Rules,
)

Result = Decision[JourneyState]

COMPLETED: Final = "journey.completed"
EXPIRED: Final = "journey.expired"
CANCELLED: Final = "journey.cancelled"


@dataclass(frozen=True, slots=True)
class Opening:
    """What a journey begins with.

    Attributes:
        mcb_registered: the Mobile Citizens Base holds person and phone as a pair.
        renewal_of: the Digital ID whose certificates are to be renewed.
    """

    resident: Resident
    contact: Contact
    person_ref: str
    phone_ref: str
    mcb_registered: bool
    renewal_of: str | None = None


def start(state: JourneyState | None, opening: Opening, rules: Rules, now: datetime) -> Result | None:
    """Begin a journey, unless it has begun already."""
    if state is not None:
        return None
    begun = Open(
        started_at=now,
        expires_at=now + rules.journey,
        resident=Sealed(opening.resident),
        contact=Sealed(opening.contact),
        person_ref=opening.person_ref,
        phone_ref=opening.phone_ref,
        mcb=McbKnown() if opening.mcb_registered else McbLacking(),
        timeline=(Entry(at=now, key="journey.started" if opening.renewal_of is None else "renewal.started"),),
        purpose="enrolment" if opening.renewal_of is None else "renewal",
        digital_id=None if opening.renewal_of is None else DigitalId(citizen_id=opening.renewal_of, created_at=now),
    )
    started = JourneyStarted(
        person=Sealed(opening.resident.person),
        contact=begun.contact,
        person_ref=opening.person_ref,
        phone_ref=opening.phone_ref,
        mcb_registered=opening.mcb_registered,
        expires_at=begun.expires_at,
        purpose=begun.purpose,
        citizen_id=opening.renewal_of,
    )
    return Decision(begun, (started,), progress.wake_at(begun, rules))


def take_in(state: JourneyState | None, fact: Fact, at: datetime, rules: Rules, now: datetime) -> Result | None:
    """Take in a fact of another service, which came to be at ``at``.

    A journey we do not know was never begun here, for it is stored before anybody hears of it: there is nothing to do.
    """
    match state:
        case Open():
            kept = facts.keep(state, fact, at)
            return None if kept == state else _follow(kept, fact, rules, now)
        case Closed():
            late = facts.keep_after_the_end(state, fact, at)
            return None if late == state else Decision(late, wake_at=progress.wake_at(late, rules))
        case None:
            return None


def check_ready_for_pin(state: JourneyState | None) -> Open | None:
    """Give the journey if it may have its Digital ID now; None if it has it already.

    Raises:
        Refused: the phone or the face is not proven yet, or the journey is over.
    """
    match state:
        case Open(digital_id=DigitalId()):
            return None
        case Closed(citizen_id=str()):
            return None
        case Open(face_matched_at=None):
            detail = "Your face has not been matched with your document yet. Please finish the face check first."
            raise Refused("journey.face_missing", detail)
        case Open(phone_proven_at=None):
            raise Refused("journey.phone_missing", "Please type the code from the SMS first.")
        case Open():
            return state
        case _:
            raise over()


def create_digital_id(state: JourneyState | None, citizen_id: str, rules: Rules, now: datetime) -> Result | None:
    """The citizen chose a PIN: tell that the Digital ID exists, once.

    Raises:
        Refused: as `check_ready_for_pin`.
    """
    ready = check_ready_for_pin(state)
    if ready is None:
        return None
    entry = Entry(at=now, key="digital_id.created")
    created = ready.model_copy(
        update={
            "digital_id": DigitalId(citizen_id=citizen_id, created_at=now),
            "timeline": (*ready.timeline, entry),
        }
    )
    told = DigitalIdCreated(citizen_id=citizen_id, person_ref=ready.person_ref)
    return _end_if_complete(created, (told,), rules, now)


def citizen_id(state: JourneyState) -> str:
    """Give the citizen whose Digital ID came of this journey.

    Raises:
        Refused: there is none.
    """
    match state:
        case Open(digital_id=DigitalId(citizen_id=known)) | Closed(citizen_id=str(known)):
            return known
        case _:
            raise over()


def cancel(state: JourneyState | None, rules: Rules, now: datetime) -> Result | None:
    """The citizen gives the journey up. Doing it twice is doing it once.

    Raises:
        Refused: it is over already, with another outcome.
    """
    match state:
        case Open():
            return _close(state, "cancelled", CANCELLED, rules, now)
        case Closed(outcome="cancelled"):
            return None
        case _:
            raise over()


def enforce_deadline(state: JourneyState | None, rules: Rules, now: datetime) -> Result | None:
    """Close a journey whose time has passed.

    First the passing is only noticed, and facts that were on their way have the grace to arrive: after an outage this
    timer may well ring before the messages that waited are read.
    """
    if state is None:
        return None
    if isinstance(state, Closed):
        return Decision(state, wake_at=progress.wake_at(state, rules))
    due = progress.deadline(state, rules)
    if due <= now and (state.noticed is None or state.noticed.deadline != due):
        state = state.model_copy(update={"noticed": Noticed(deadline=due, at=now)})
    if state.noticed is None or state.noticed.deadline != due or now < state.noticed.at + rules.grace:
        return Decision(state, wake_at=progress.wake_at(state, rules))
    return _close(state, "expired", EXPIRED, rules, now, detail={"waited_for": progress.waits_for(state)})


def mcb_registered(state: JourneyState | None, rules: Rules, now: datetime) -> Result | None:
    """The Mobile Citizens Base took the pair."""
    if state is None or not isinstance(state.mcb, McbWanted):
        return None
    told = McbRegistered(person_ref=state.mcb.person_ref, phone_ref=state.mcb.phone_ref)
    return _settle_mcb(state, McbKnown(), Entry(at=now, key="mcb.registered"), (told,), rules)


def mcb_refused(state: JourneyState | None, rules: Rules, now: datetime) -> Result | None:
    """The Mobile Citizens Base will not take the pair; the journey goes on, for the phone itself was proven."""
    if state is None or not isinstance(state.mcb, McbWanted):
        return None
    return _settle_mcb(state, McbRefused(), Entry(at=now, key="mcb.refused"), (), rules)


def mcb_postponed(state: JourneyState | None, rules: Rules, now: datetime) -> Result | None:
    """The Mobile Citizens Base is away: ask again, at growing distances, for as long as it takes."""
    if state is None or not isinstance(state.mcb, McbWanted):
        return None
    tries = state.mcb.tries + 1
    pause = min(timedelta(seconds=2 ** min(tries, 20)), rules.mcb_longest_pause)
    later = state.model_copy(update={"mcb": state.mcb.model_copy(update={"tries": tries, "next_at": now + pause})})
    return Decision(later, wake_at=progress.wake_at(later, rules))


def over() -> Refused:
    """Make the refusal for what comes after the end."""
    return Refused("journey.closed", "This journey is over. Its outcome is shown with the journey; begin a new one.")


def _follow(state: Open, fact: Fact, rules: Rules, now: datetime) -> Result:
    state = _with_mcb_wish(state, now)
    match fact:
        case OtpRejected(final=True):
            return _close(state, "failed", "journey.phone_not_proven", rules, now)
        case FaceRejected(final=True):
            return _close(state, "failed", progress.FACE_REJECTED, rules, now)
        case CertRefused(final=True):
            return _close(state, "failed", progress.CERTIFICATE_REFUSED, rules, now)
        case _:
            return _end_if_complete(state, (), rules, now)


def _end_if_complete(state: Open, told: tuple[Event, ...], rules: Rules, now: datetime) -> Result:
    if progress.complete(state):
        return _close(state, "completed", COMPLETED, rules, now, told=told)
    return Decision(state, told, progress.wake_at(state, rules))


def _close(
    state: Open,
    outcome: Outcome,
    reason: str,
    rules: Rules,
    now: datetime,
    *,
    told: tuple[Event, ...] = (),
    detail: Detail | None = None,
) -> Result:
    """End a journey, keeping nothing personal."""
    entry = Entry(at=now, key=f"journey.{outcome}", detail={"reason": reason, **(detail or {})})
    closed = Closed(
        started_at=state.started_at,
        expires_at=state.expires_at,
        mcb=state.mcb,
        certificates=state.certificates,
        revoked=state.revoked,
        timeline=(*state.timeline, entry),
        outcome=outcome,
        reason=reason,
        citizen_id=None if state.digital_id is None else state.digital_id.citizen_id,
    )
    return Decision(closed, (*told, JourneyClosed(outcome=outcome, reason=reason)), progress.wake_at(closed, rules))


def _with_mcb_wish(state: Open, now: datetime) -> Open:
    """Ask for the registration of a pair that the Mobile Citizens Base lacks, once phone and face are proven."""
    if not isinstance(state.mcb, McbLacking) or state.phone_proven_at is None or state.face_matched_at is None:
        return state
    pair = Pair(iin=state.resident.value.person.iin, phone=state.contact.value.phone)
    wish = McbWanted(pair=Sealed(pair), person_ref=state.person_ref, phone_ref=state.phone_ref, next_at=now)
    return state.model_copy(update={"mcb": wish})


def _settle_mcb(
    state: JourneyState, mcb: McbKnown | McbRefused, entry: Entry, told: tuple[Event, ...], rules: Rules
) -> Result:
    settled = state.model_copy(update={"mcb": mcb, "timeline": (*state.timeline, entry)})
    return Decision(settled, told, progress.wake_at(settled, rules))
