"""What other services report about a journey, and how it is kept: in any order, the same fact twice like once."""

from datetime import datetime
from typing import Final

from libs.common.contracts.biometrics import FaceMatched, FaceRejected, FaceReviewRequested
from libs.common.contracts.ca import CertIssued, CertRefused, CertRevoked
from libs.common.contracts.otp import OtpRejected, OtpSent, OtpVerified
from libs.common.core.model import evolve
from services.identity.journeys.states import ClerkReview, ClosedJourney, Hint, JourneyMilestone, OpenJourney

CodeFact = OtpSent | OtpVerified | OtpRejected
FaceFact = FaceMatched | FaceRejected | FaceReviewRequested
CertificateFact = CertIssued | CertRefused | CertRevoked
JourneyFact = CodeFact | FaceFact | CertificateFact

_SHOWN: Final = {"number", "expires_at", "reason", "retry_at", "tries_left", "due_at", "profile", "serial"}
"""The members of facts that the citizen is shown."""


def keep(state: OpenJourney, fact: JourneyFact, at: datetime) -> OpenJourney:
    """Keep a fact that came to be at ``at``."""
    milestone = _milestone(fact, at)
    if milestone in state.timeline:
        return state
    return evolve(_with_fact(state, fact, at), OpenJourney, timeline=(*state.timeline, milestone))


def keep_after_the_end(state: ClosedJourney, fact: JourneyFact, at: datetime) -> ClosedJourney:
    """Keep what still matters when a journey is over: which certificates there are, and which count no more."""
    milestone = _milestone(fact, at)
    if milestone in state.timeline or not isinstance(fact, CertIssued | CertRevoked):
        return state
    certificates = state.certificates.with_fact(fact)
    return evolve(state, ClosedJourney, certificates=certificates, timeline=(*state.timeline, milestone))


def _with_fact(state: OpenJourney, fact: JourneyFact, at: datetime) -> OpenJourney:
    match fact:
        case OtpSent() | OtpVerified() | OtpRejected():
            return _with_code(state, fact, at)
        case FaceMatched() | FaceRejected() | FaceReviewRequested():
            return _with_face(state, fact, at)
        case CertRefused():
            hint = _younger(state.request_hint, Hint(at=at, keys=(fact.reason,)))
            return evolve(state, OpenJourney, request_hint=hint)
        case CertIssued() | CertRevoked():
            return evolve(state, OpenJourney, certificates=state.certificates.with_fact(fact))


def _with_code(state: OpenJourney, fact: CodeFact, at: datetime) -> OpenJourney:
    match fact:
        case OtpSent():
            return evolve(state, OpenJourney, code_hint=_younger(state.code_hint, Hint(at=at, keys=())))
        case OtpVerified():
            return evolve(state, OpenJourney, phone_proven_at=state.phone_proven_at or at)
        case OtpRejected():
            hint = Hint(at=at, keys=(f"otp.{fact.reason}",))
            return evolve(state, OpenJourney, code_hint=_younger(state.code_hint, hint))


def _with_face(state: OpenJourney, fact: FaceFact, at: datetime) -> OpenJourney:
    match fact:
        case FaceMatched():
            return evolve(state, OpenJourney, face_matched_at=state.face_matched_at or at)
        case FaceRejected():
            hint = Hint(at=at, keys=fact.reasons, tries_left=fact.tries_left)
            return evolve(state, OpenJourney, face_hint=_younger(state.face_hint, hint))
        case FaceReviewRequested() if state.review is None or state.review.at < at:
            return evolve(state, OpenJourney, review=ClerkReview(at=at, due_at=fact.due_at))
        case FaceReviewRequested():
            return state


def _younger(known: Hint | None, hint: Hint) -> Hint:
    return hint if known is None or known.at < hint.at else known


def _milestone(fact: JourneyFact, at: datetime) -> JourneyMilestone:
    detail = fact.model_dump(mode="json", include=_SHOWN, exclude_none=True)
    return JourneyMilestone(at=at, key=fact.topic, detail=detail)
