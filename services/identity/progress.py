"""Where a journey stands: what its facts add up to. Everything here is derived, nothing is stored."""

from datetime import datetime
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict

from libs.common.contracts.ca import EntityRole, Profile
from libs.common.contracts.identity import Outcome
from services.identity.states import Certificate, Closed, Entry, JourneyState, McbWanted, Open, Rules

Step = Literal["code", "face", "pin", "certificates", "closed"]
WaitsFor = Literal["citizen.code", "citizen.face", "clerk.review", "citizen.pin", "citizen.requests", "ca.issuance"]

PROFILES: Final[frozenset[Profile]] = frozenset({"SIGN", "AUTH"})
VISIT_OFFICE: Final = "journey.visit_office"
FACE_REJECTED: Final = "journey.face_rejected"
CERTIFICATE_REFUSED: Final = "journey.certificate_refused"


class CertificateView(BaseModel):
    """A certificate, whether it was revoked, and whether it is time to renew it."""

    serial: str
    profile: Profile
    not_after: datetime
    revoked: bool
    expiring: bool = False
    acts_for: EntityRole | None = None


class JourneyView(BaseModel):
    """What the citizen is shown: the step, who must act and until when, and what has happened so far."""

    model_config = ConfigDict(frozen=True)

    journey_id: str
    step: Step
    waits_for: WaitsFor | None = None
    waits_until: datetime | None = None
    outcome: Outcome | None = None
    reason: str | None = None
    timeline: tuple[Entry, ...]
    citizen_id: str | None
    guidance: tuple[str, ...] = ()
    tries_left: int | None = None
    certificates: tuple[CertificateView, ...]


def step(state: JourneyState) -> Step:
    """Give the first step that is not done."""
    if isinstance(state, Closed):
        return "closed"
    if state.phone_proven_at is None:
        return "code"
    if state.face_matched_at is None and state.purpose == "enrolment":
        return "face"
    return "pin" if state.digital_id is None else "certificates"


def complete(state: Open) -> bool:
    """Tell whether everything is in: phone, face, Digital ID, a SIGN and an AUTH certificate."""
    return step(state) == "certificates" and {each.profile for each in state.certificates} >= PROFILES


def waits_for(state: Open) -> WaitsFor:
    """Name who must act."""
    match step(state):
        case "code":
            return "citizen.code"
        case "face":
            return "clerk.review" if _under_review(state) else "citizen.face"
        case "pin":
            return "citizen.pin"
        case _:
            return "ca.issuance" if state.certificates else "citizen.requests"


def deadline(state: Open, rules: Rules) -> datetime:
    """Give the time at which the journey is given up if nothing more happens."""
    return min(state.expires_at, _step_deadline(state, rules))


def wake_at(state: JourneyState, rules: Rules) -> datetime | None:
    """Give the time at which there will be something to do without anybody asking for it."""
    wishes = [state.mcb.next_at] if isinstance(state.mcb, McbWanted) else []
    if isinstance(state, Open):
        due, noticed = deadline(state, rules), state.noticed
        wishes.append(noticed.at + rules.grace if noticed is not None and noticed.deadline == due else due)
    return min(wishes, default=None)


def view(journey_id: str, state: JourneyState, rules: Rules) -> JourneyView:
    """Show a journey to its citizen."""
    certificates = certificate_views(state.certificates, state.revoked)
    if isinstance(state, Closed):
        return JourneyView(
            journey_id=journey_id,
            step="closed",
            outcome=state.outcome,
            reason=state.reason,
            timeline=state.timeline,
            citizen_id=state.citizen_id,
            guidance=(VISIT_OFFICE,) if state.reason in (FACE_REJECTED, CERTIFICATE_REFUSED) else (),
            certificates=certificates,
        )
    hint = {"code": state.code_hint, "face": state.face_hint, "certificates": state.request_hint}.get(step(state))
    return JourneyView(
        journey_id=journey_id,
        step=step(state),
        waits_for=waits_for(state),
        waits_until=deadline(state, rules),
        timeline=state.timeline,
        citizen_id=None if state.digital_id is None else state.digital_id.citizen_id,
        guidance=() if hint is None else hint.keys,
        tries_left=None if hint is None else hint.tries_left,
        certificates=certificates,
    )


def certificate_views(
    certificates: tuple[Certificate, ...], revoked: tuple[str, ...], expiring: tuple[str, ...] = ()
) -> tuple[CertificateView, ...]:
    """Show certificates with what became of them."""
    return tuple(
        CertificateView(
            serial=each.serial,
            profile=each.profile,
            not_after=each.not_after,
            revoked=each.serial in revoked,
            expiring=each.serial in expiring and each.serial not in revoked,
            acts_for=each.acts_for,
        )
        for each in certificates
    )


def _under_review(state: Open) -> bool:
    return state.review is not None and (state.face_hint is None or state.face_hint.at < state.review.at)


def _step_deadline(state: Open, rules: Rules) -> datetime:
    if state.digital_id is not None:
        return state.digital_id.created_at + rules.enrolment
    if state.phone_proven_at is None:
        return state.expires_at
    if state.face_matched_at is not None:
        return max(state.face_matched_at, state.phone_proven_at) + rules.choosing_pin
    # A clerk's time is not the citizen's: after it there must be room for another try.
    begins = state.phone_proven_at if state.review is None else max(state.phone_proven_at, state.review.due_at)
    return begins + rules.identification
