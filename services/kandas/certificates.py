"""What this service knows of the citizens' certificates, from the facts of the certification authority alone.

A fact of issue and a fact of revocation may arrive in any order and more than once; the view after both is the same.
"""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from libs.common.contracts.ca import CertIssued, CertRevoked, Profile
from libs.common.contracts.people import Person
from libs.common.core.errors import Refused
from libs.common.core.sealing import Sealed
from libs.common.delivery.decisions import Decision


class _Facts(BaseModel):
    model_config = ConfigDict(frozen=True)

    profile: Profile
    citizen_id: str
    person_ref: str
    not_before: datetime
    not_after: datetime
    holder: Sealed[Person]
    applications: tuple[str, ...] = ()


class Live(_Facts):
    """Issued, and nothing was heard against it. ``applications`` rest on a signature made with it."""

    kind: Literal["live"] = "live"


class Revoked(_Facts):
    """Issued, and revoked since."""

    kind: Literal["revoked"] = "revoked"
    revoked_at: datetime


class RevokedUnseen(BaseModel):
    """Revoked, while the fact of its issue has not arrived yet."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["revoked_unseen"] = "revoked_unseen"
    revoked_at: datetime


Certificate = Annotated[Live | Revoked | RevokedUnseen, Field(discriminator="kind")]


def issued(state: Certificate | None, fact: CertIssued) -> Decision[Certificate] | None:
    """Take in that a certificate was issued."""
    facts = fact.model_dump(include={"profile", "citizen_id", "person_ref", "not_before", "not_after", "holder"})
    match state:
        case None:
            return Decision(Live(**facts))
        case RevokedUnseen(revoked_at=moment):
            return Decision(Revoked(**facts, revoked_at=moment))
        case Live() | Revoked():
            return None


def revoked(state: Certificate | None, fact: CertRevoked) -> Decision[Certificate] | None:
    """Take in that a certificate was revoked. The earliest moment told stands."""
    match state:
        case None:
            return Decision(RevokedUnseen(revoked_at=fact.revoked_at))
        case Live():
            facts = {name: getattr(state, name) for name in _Facts.model_fields}
            return Decision(Revoked(**facts, revoked_at=fact.revoked_at))
        case Revoked() | RevokedUnseen():
            if fact.revoked_at >= state.revoked_at:
                return None
            return Decision(state.model_copy(update={"revoked_at": fact.revoked_at}))


def usable(state: Certificate | None, citizen_id: str, iin: str, now: datetime) -> Live:
    """Give the certificate if the citizen with this IIN may sign with it now.

    Raises:
        Refused: it is not known here, was revoked, has expired, is for sign-in, or is somebody else's.
    """
    match state:
        case None:
            raise Refused(
                "certificate.unknown",
                "The news of this certificate has not arrived here yet, or it comes from another authority. "
                "If you received it just now, please try again in a moment.",
            )
        case Revoked() | RevokedUnseen():
            raise Refused(
                "certificate.revoked",
                "This certificate was revoked, so what it signs is not accepted. Please sign with your present one.",
                422,
            )
    if not state.not_before <= now < state.not_after:
        raise Refused(
            "certificate.expired", "This certificate is outside its dates. Please sign with your present one.", 422
        )
    if state.profile != "SIGN":
        raise Refused(
            "certificate.wrong_profile", "This certificate is for signing in. Please use the one for signing.", 422
        )
    if state.citizen_id != citizen_id or state.holder.value.iin != iin:
        raise Refused(
            "signature.not_applicant", "The signature is somebody else's. The applicant signs an application.", 422
        )
    return state


def relied_on(state: Live, application_id: str) -> Decision[Certificate] | None:
    """Note that an application rests on this certificate, so that a revocation finds it."""
    if application_id in state.applications:
        return None
    return Decision(state.model_copy(update={"applications": (*state.applications, application_id)}))
