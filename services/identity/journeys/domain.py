"""What is decided about journeys. Pure: time, ids and rules come in as arguments.

Facts of other services may come in any order and more than once. Each is kept, and after each the same question is
asked: is the journey over, is there something to publish, when is there something to do next.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeVar

from libs.common.contracts.biometrics import FaceRejected
from libs.common.contracts.ca import CertRefused
from libs.common.contracts.events import Event
from libs.common.contracts.identity import DigitalIdCreated, JourneyClosed, JourneyStarted, McbRegistered, Outcome
from libs.common.contracts.otp import OtpRejected
from libs.common.contracts.people import Contact
from libs.common.core.errors import Refused
from libs.common.core.model import evolve
from libs.common.core.sealing import Sealed
from libs.common.delivery.decisions import Decision
from services.identity.journeys import facts, progress
from services.identity.journeys.facts import JourneyFact
from services.identity.journeys.states import (
    ClosedJourney,
    DigitalId,
    JourneyMilestone,
    JourneyRules,
    JourneyState,
    OpenJourney,
    PassedDeadline,
)
from services.identity.mcb.states import McbKnown, McbLacking, McbRefused, McbWanted, PhonePair
from services.identity.refusals import Refusal
from services.identity.register.people import Resident

JourneyDecision = Decision[JourneyState]

COMPLETED: Final = "journey.completed"
EXPIRED: Final = "journey.expired"
CANCELLED: Final = "journey.cancelled"
PHONE_NOT_PROVEN: Final = "journey.phone_not_proven"


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


def start(state: JourneyState | None, opening: Opening, rules: JourneyRules, now: datetime) -> JourneyDecision | None:
    """Begin a journey, unless it has begun already."""
    if state is not None:
        return None
    renewal_of = opening.renewal_of
    begun = OpenJourney(
        started_at=now,
        expires_at=now + rules.journey,
        rules=rules,
        resident=Sealed(opening.resident),
        contact=Sealed(opening.contact),
        person_ref=opening.person_ref,
        phone_ref=opening.phone_ref,
        mcb=McbKnown() if opening.mcb_registered else McbLacking(),
        timeline=(JourneyMilestone(at=now, key="journey.started" if renewal_of is None else "renewal.started"),),
        purpose="enrolment" if renewal_of is None else "renewal",
        digital_id=None if renewal_of is None else DigitalId(citizen_id=renewal_of, created_at=now),
    )
    started = JourneyStarted(
        person=Sealed(opening.resident.person),
        contact=begun.contact,
        person_ref=opening.person_ref,
        phone_ref=opening.phone_ref,
        mcb_registered=opening.mcb_registered,
        expires_at=begun.expires_at,
        purpose=begun.purpose,
        citizen_id=renewal_of,
    )
    return Decision(begun, (started,))


def take_in(state: JourneyState | None, fact: JourneyFact, at: datetime, now: datetime) -> JourneyDecision | None:
    """Take in a fact of another service, which came to be at ``at``.

    A journey we do not know was never begun here, for it is stored before anybody hears of it: there is nothing to do.
    """
    match state:
        case OpenJourney():
            kept = facts.keep(state, fact, at)
            return None if kept == state else _follow(kept, fact, now)
        case ClosedJourney():
            late = facts.keep_after_the_end(state, fact, at)
            return None if late == state else Decision(late)
        case None:
            return None


def check_ready_for_pin(state: JourneyState | None) -> OpenJourney | None:
    """Return the journey if it may have its Digital ID now; None if it has it already.

    Raises:
        Refused: the phone or the face is not proven yet, or the journey is over.
    """
    match state:
        case OpenJourney(digital_id=DigitalId()):
            return None
        case ClosedJourney(citizen_id=str()):
            return None
        case OpenJourney(face_matched_at=None):
            raise Refused(Refusal.FACE_MISSING)
        case OpenJourney(phone_proven_at=None):
            raise Refused(Refusal.PHONE_MISSING)
        case OpenJourney():
            return state
        case _:
            raise over()


def create_digital_id(state: JourneyState | None, citizen_id: str, now: datetime) -> JourneyDecision | None:
    """Publish that the Digital ID exists, once: the citizen chose a PIN.

    Raises:
        Refused: as `check_ready_for_pin`.
    """
    ready = check_ready_for_pin(state)
    if ready is None:
        return None
    created = _with(ready, JourneyMilestone(at=now, key="digital_id.created"))
    created = evolve(created, OpenJourney, digital_id=DigitalId(citizen_id=citizen_id, created_at=now))
    return _end_if_complete(created, (DigitalIdCreated(citizen_id=citizen_id, person_ref=ready.person_ref),), now)


def citizen_id(state: JourneyState) -> str:
    """Return the citizen whose Digital ID came of this journey.

    Raises:
        Refused: there is none.
    """
    match state:
        case OpenJourney(digital_id=DigitalId(citizen_id=known)) | ClosedJourney(citizen_id=str(known)):
            return known
        case _:
            raise over()


def cancel(state: JourneyState | None, now: datetime) -> JourneyDecision | None:
    """End a journey because the citizen gives it up. Doing it twice is doing it once.

    Raises:
        Refused: it is over already, with another outcome.
    """
    match state:
        case OpenJourney():
            return _close(state, "cancelled", CANCELLED, now)
        case ClosedJourney(outcome="cancelled"):
            return None
        case _:
            raise over()


def enforce_deadline(state: JourneyState | None, now: datetime) -> JourneyDecision | None:
    """Close a journey whose time has passed. A decision without a change sets the timer anew.

    First the passing is only noticed, and facts that were on their way have the grace to arrive: after an outage this
    timer may well ring before the messages that waited are read.
    """
    if state is None:
        return None
    if isinstance(state, ClosedJourney):
        return Decision(state)
    due = progress.deadline(state)
    if due <= now and (state.noticed is None or state.noticed.deadline != due):
        state = evolve(state, OpenJourney, noticed=PassedDeadline(deadline=due, at=now))
    if state.noticed is None or state.noticed.deadline != due or now < state.noticed.at + state.rules.grace:
        return Decision(state)
    return _close(state, "expired", EXPIRED, now, waited_for=progress.waits_for(state))


def mcb_registered(state: JourneyState | None, now: datetime) -> JourneyDecision | None:
    """Publish that the Mobile Citizens Base took the pair."""
    if state is None or not isinstance(state.mcb, McbWanted):
        return None
    registered = McbRegistered(person_ref=state.mcb.person_ref, phone_ref=state.mcb.phone_ref)
    settled = evolve(state, type(state), mcb=McbKnown())
    return Decision(_with(settled, JourneyMilestone(at=now, key="mcb.registered")), (registered,))


def mcb_refused(state: JourneyState | None, now: datetime) -> JourneyDecision | None:
    """Keep that the Mobile Citizens Base will not take the pair; the journey goes on, for the phone was proven."""
    if state is None or not isinstance(state.mcb, McbWanted):
        return None
    settled = evolve(state, type(state), mcb=McbRefused())
    return Decision(_with(settled, JourneyMilestone(at=now, key="mcb.refused")))


def mcb_postponed(state: JourneyState | None, now: datetime) -> JourneyDecision | None:
    """Ask the Mobile Citizens Base again later, at growing distances, for as long as it takes."""
    if state is None or not isinstance(state.mcb, McbWanted):
        return None
    tries = state.mcb.tries + 1
    pause = min(timedelta(seconds=2 ** min(tries, 20)), state.rules.mcb_longest_pause)
    later = evolve(state.mcb, McbWanted, tries=tries, next_at=now + pause)
    return Decision(evolve(state, type(state), mcb=later))


def over() -> Refused:
    """Return the refusal of what comes after the end."""
    return Refused(Refusal.JOURNEY_CLOSED)


def _follow(state: OpenJourney, fact: JourneyFact, now: datetime) -> JourneyDecision:
    state = _with_mcb_wish(state, now)
    match fact:
        case OtpRejected(final=True):
            return _close(state, "failed", PHONE_NOT_PROVEN, now)
        case FaceRejected(final=True):
            return _close(state, "failed", progress.FACE_REJECTED, now)
        case CertRefused(final=True):
            return _close(state, "failed", progress.CERTIFICATE_REFUSED, now)
        case _:
            return _end_if_complete(state, (), now)


def _end_if_complete(state: OpenJourney, events: tuple[Event, ...], now: datetime) -> JourneyDecision:
    if not progress.complete(state):
        return Decision(state, events)
    closed = _close(state, "completed", COMPLETED, now)
    return Decision(closed.state, (*events, *closed.events))


def _close(
    state: OpenJourney, outcome: Outcome, reason: str, now: datetime, *, waited_for: str | None = None
) -> JourneyDecision:
    """End a journey, keeping nothing personal."""
    detail = {"reason": reason} | ({} if waited_for is None else {"waited_for": waited_for})
    closed = evolve(
        state,
        ClosedJourney,
        timeline=(*state.timeline, JourneyMilestone(at=now, key=f"journey.{outcome}", detail={**detail})),
        outcome=outcome,
        reason=reason,
        citizen_id=None if state.digital_id is None else state.digital_id.citizen_id,
    )
    return Decision(closed, (JourneyClosed(outcome=outcome, reason=reason),))


def _with_mcb_wish(state: OpenJourney, now: datetime) -> OpenJourney:
    """Ask for the registration of a pair that the Mobile Citizens Base lacks, once phone and face are proven."""
    if not isinstance(state.mcb, McbLacking) or state.phone_proven_at is None or state.face_matched_at is None:
        return state
    pair = PhonePair(iin=state.resident.value.person.iin, phone=state.contact.value.phone)
    wish = McbWanted(pair=Sealed(pair), person_ref=state.person_ref, phone_ref=state.phone_ref, next_at=now)
    return evolve(state, OpenJourney, mcb=wish)


J = TypeVar("J", bound=JourneyState)


def _with(state: J, milestone: JourneyMilestone) -> J:
    return evolve(state, type(state), timeline=(*state.timeline, milestone))
