"""What other services tell about a journey, and how it is kept: in any order, the same fact twice like once."""

from datetime import datetime
from typing import Final

from libs.common.contracts.biometrics import FaceMatched, FaceRejected, FaceReviewRequested
from libs.common.contracts.ca import CertIssued, CertRefused, CertRevoked
from libs.common.contracts.otp import OtpRejected, OtpSent, OtpVerified
from services.identity.states import Certificate, Closed, Detail, Entry, Hint, Open, Review

CodeFact = OtpSent | OtpVerified | OtpRejected
FaceFact = FaceMatched | FaceRejected | FaceReviewRequested
CertificateFact = CertIssued | CertRefused | CertRevoked
Fact = CodeFact | FaceFact | CertificateFact

_SHOWN: Final = {"number", "expires_at", "reason", "retry_at", "tries_left", "due_at", "profile", "serial"}
"""The members of facts that the citizen is shown."""


def keep(state: Open, fact: Fact, at: datetime) -> Open:
    """Keep a fact that came to be at ``at``."""
    entry = Entry(at=at, key=fact.topic, detail=_detail(fact))
    if entry in state.timeline:
        return state
    match fact:
        case OtpSent() | OtpVerified() | OtpRejected():
            update = _of_code(state, fact, at)
        case FaceMatched() | FaceRejected() | FaceReviewRequested():
            update = _of_face(state, fact, at)
        case CertRefused():
            update = {"request_hint": _younger(state.request_hint, Hint(at=at, keys=(fact.reason,)))}
        case CertIssued() | CertRevoked():
            update = _of_certificate(state, fact)
    return state.model_copy(update=update | {"timeline": (*state.timeline, entry)})


def keep_after_the_end(state: Closed, fact: Fact, at: datetime) -> Closed:
    """Keep what still matters when a journey is over: which certificates there are, and which count no more."""
    entry = Entry(at=at, key=fact.topic, detail=_detail(fact))
    if entry in state.timeline or not isinstance(fact, CertIssued | CertRevoked):
        return state
    return state.model_copy(update=_of_certificate(state, fact) | {"timeline": (*state.timeline, entry)})


def add_certificate(certificates: tuple[Certificate, ...], issued: CertIssued) -> tuple[Certificate, ...]:
    """Add a certificate, once."""
    if any(each.serial == issued.serial for each in certificates):
        return certificates
    certificate = Certificate(
        serial=issued.serial, profile=issued.profile, not_after=issued.not_after, acts_for=issued.acts_for
    )
    return (*certificates, certificate)


def add_serial(serials: tuple[str, ...], serial: str) -> tuple[str, ...]:
    """Add a serial number, once."""
    return serials if serial in serials else (*serials, serial)


def _of_code(state: Open, fact: CodeFact, at: datetime) -> dict[str, object]:
    match fact:
        case OtpSent():
            return {"code_hint": _younger(state.code_hint, Hint(at=at, keys=()))}
        case OtpVerified():
            return {"phone_proven_at": state.phone_proven_at or at}
        case OtpRejected():
            return {"code_hint": _younger(state.code_hint, Hint(at=at, keys=(f"otp.{fact.reason}",)))}


def _of_face(state: Open, fact: FaceFact, at: datetime) -> dict[str, object]:
    match fact:
        case FaceMatched():
            return {"face_matched_at": state.face_matched_at or at}
        case FaceRejected():
            hint = Hint(at=at, keys=fact.reasons, tries_left=fact.tries_left)
            return {"face_hint": _younger(state.face_hint, hint)}
        case FaceReviewRequested():
            asked = Review(at=at, due_at=fact.due_at)
            return {"review": asked if state.review is None or state.review.at < at else state.review}


def _of_certificate(state: Open | Closed, fact: CertIssued | CertRevoked) -> dict[str, object]:
    if isinstance(fact, CertIssued):
        return {"certificates": add_certificate(state.certificates, fact)}
    return {"revoked": add_serial(state.revoked, fact.serial)}


def _younger(known: Hint | None, hint: Hint) -> Hint:
    return hint if known is None or known.at < hint.at else known


def _detail(fact: Fact) -> Detail:
    return fact.model_dump(mode="json", include=_SHOWN, exclude_none=True)
