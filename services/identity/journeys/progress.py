"""Where a journey stands: what its facts add up to. Everything here is derived, nothing is stored."""

from datetime import datetime
from typing import Final

from libs.common.contracts.ca import Profile
from libs.common.contracts.http.identity import JourneyStep, JourneyView, WaitsFor
from libs.common.contracts.http.shapes import TimelineEntry
from services.identity.journeys.states import ClosedJourney, JourneyState, OpenJourney
from services.identity.mcb.states import McbWanted

PROFILES: Final[frozenset[Profile]] = frozenset({"SIGN", "AUTH"})
VISIT_OFFICE: Final = "journey.visit_office"
FACE_REJECTED: Final = "journey.face_rejected"
CERTIFICATE_REFUSED: Final = "journey.certificate_refused"


def step(state: JourneyState) -> JourneyStep:
    """Return the first step that is not done."""
    if isinstance(state, ClosedJourney):
        return JourneyStep.CLOSED
    if state.phone_proven_at is None:
        return JourneyStep.CODE
    if state.face_matched_at is None and state.purpose == "enrolment":
        return JourneyStep.FACE
    return JourneyStep.PIN if state.digital_id is None else JourneyStep.CERTIFICATES


def complete(state: OpenJourney) -> bool:
    """Return whether everything is in: phone, face, Digital ID, a SIGN and an AUTH certificate."""
    return step(state) is JourneyStep.CERTIFICATES and {each.profile for each in state.certificates.held} >= PROFILES


def waits_for(state: OpenJourney) -> WaitsFor:
    """Name who must act."""
    match step(state):
        case JourneyStep.CODE:
            return "citizen.code"
        case JourneyStep.FACE:
            return "clerk.review" if _under_review(state) else "citizen.face"
        case JourneyStep.PIN:
            return "citizen.pin"
        case _:
            return "ca.issuance" if state.certificates.held else "citizen.requests"


def deadline(state: OpenJourney) -> datetime:
    """Return the time at which the journey is given up if nothing more happens."""
    return min(state.expires_at, _step_deadline(state))


def wake_at(state: JourneyState) -> datetime | None:
    """Return the time at which there is something to do without anybody asking for it."""
    wishes = [state.mcb.next_at] if isinstance(state.mcb, McbWanted) else []
    if isinstance(state, OpenJourney):
        due, noticed = deadline(state), state.noticed
        wishes.append(noticed.at + state.rules.grace if noticed is not None and noticed.deadline == due else due)
    return min(wishes, default=None)


def view(journey_id: str, state: JourneyState) -> JourneyView:
    """Return a journey as its citizen is shown it, without words."""
    if isinstance(state, ClosedJourney):
        return JourneyView(
            journey_id=journey_id,
            step=JourneyStep.CLOSED,
            outcome=state.outcome,
            reason=state.reason,
            timeline=_timeline(state),
            citizen_id=state.citizen_id,
            guidance=(VISIT_OFFICE,) if state.reason in (FACE_REJECTED, CERTIFICATE_REFUSED) else (),
            certificates=state.certificates.view(),
        )
    hints = {
        JourneyStep.CODE: state.code_hint,
        JourneyStep.FACE: state.face_hint,
        JourneyStep.CERTIFICATES: state.request_hint,
    }
    hint = hints.get(step(state))
    return JourneyView(
        journey_id=journey_id,
        step=step(state),
        waits_for=waits_for(state),
        waits_until=deadline(state),
        timeline=_timeline(state),
        citizen_id=None if state.digital_id is None else state.digital_id.citizen_id,
        guidance=() if hint is None else hint.keys,
        tries_left=None if hint is None else hint.tries_left,
        certificates=state.certificates.view(),
    )


def _timeline(state: JourneyState) -> tuple[TimelineEntry, ...]:
    return tuple(TimelineEntry(at=each.at, key=each.key, detail={**each.detail}) for each in state.timeline)


def _under_review(state: OpenJourney) -> bool:
    return state.review is not None and (state.face_hint is None or state.face_hint.at < state.review.at)


def _step_deadline(state: OpenJourney) -> datetime:
    rules = state.rules
    if state.digital_id is not None:
        return state.digital_id.created_at + rules.enrolment
    if state.phone_proven_at is None:
        return state.expires_at
    if state.face_matched_at is not None:
        return max(state.face_matched_at, state.phone_proven_at) + rules.choosing_pin
    # A clerk's time is not the citizen's: after it there must be room for another try.
    begins = state.phone_proven_at if state.review is None else max(state.phone_proven_at, state.review.due_at)
    return begins + rules.identification
