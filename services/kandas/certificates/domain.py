"""What follows from the certification authority's events about a certificate.

The events of issue and revocation may arrive in any order and more than once; the state after both is the same.
"""

from datetime import datetime

from libs.common.contracts.ca import CertIssued, CertRevoked
from libs.common.core.errors import Refused
from libs.common.core.model import evolve
from libs.common.delivery.decisions import Decision
from libs.common.pki.trust import CLOCK_DIFFERENCE
from services.kandas.certificates.states import (
    KnownCertificate,
    LiveCertificate,
    RevokedSeen,
    RevokedUnseen,
)
from services.kandas.refusals import KandasRefusal


def issued(state: KnownCertificate | None, fact: CertIssued) -> Decision[KnownCertificate] | None:
    """Record that a certificate was issued."""
    certificate = LiveCertificate(
        profile=fact.profile,
        citizen_id=fact.citizen_id,
        person_ref=fact.person_ref,
        not_before=fact.not_before,
        not_after=fact.not_after,
        holder=fact.holder,
    )
    match state:
        case None:
            return Decision(certificate)
        case RevokedUnseen(revoked_at=moment):
            return Decision(evolve(certificate, RevokedSeen, revoked_at=moment))
        case LiveCertificate() | RevokedSeen():
            return None


def revoked(state: KnownCertificate | None, fact: CertRevoked) -> Decision[KnownCertificate] | None:
    """Record that a certificate was revoked. The earliest moment reported stands."""
    match state:
        case None:
            return Decision(RevokedUnseen(revoked_at=fact.revoked_at))
        case LiveCertificate():
            return Decision(evolve(state, RevokedSeen, revoked_at=fact.revoked_at))
        case RevokedSeen() | RevokedUnseen():
            if fact.revoked_at >= state.revoked_at:
                return None
            return Decision(evolve(state, type(state), revoked_at=fact.revoked_at))


def usable(state: KnownCertificate | None, citizen_id: str, iin: str, now: datetime) -> LiveCertificate:
    """Return the certificate if the citizen with this IIN may sign with it now.

    Raises:
        Refused: it is not known here, was revoked, has expired, is for sign-in, or is somebody else's.
    """
    match state:
        case None:
            raise Refused(KandasRefusal.CERTIFICATE_UNKNOWN)
        case RevokedSeen() | RevokedUnseen():
            raise Refused(KandasRefusal.CERTIFICATE_REVOKED)
    if not state.not_before - CLOCK_DIFFERENCE <= now < state.not_after:
        raise Refused(KandasRefusal.CERTIFICATE_EXPIRED)
    if state.profile != "SIGN":
        raise Refused(KandasRefusal.CERTIFICATE_WRONG_PROFILE)
    if state.citizen_id != citizen_id or state.holder.value.iin != iin:
        raise Refused(KandasRefusal.SIGNATURE_NOT_APPLICANT)
    return state


def relied_on(state: LiveCertificate, application_id: str) -> Decision[KnownCertificate] | None:
    """Record that an application rests on this certificate, so that a revocation finds it."""
    if application_id in state.applications:
        return None
    return Decision(evolve(state, LiveCertificate, applications=(*state.applications, application_id)))
