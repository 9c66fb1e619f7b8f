"""What several routes of the authority take and answer."""

from collections.abc import Sequence
from typing import Final, Literal

from pydantic import BaseModel

from libs.common.contracts.ca import Profile
from services.ca.model.certificate import Certificate

_WAITS_FOR: Final = {"collecting": "journey.steps", "open": "citizen.requests", "issuing": "ca.issuance"}


class Accepted(BaseModel):
    """It will be done; follow the progress."""

    pending: Literal[True] = True


class CertificateOut(BaseModel):
    """A certificate, as its holder sees it."""

    serial: str
    profile: Profile
    pem: str
    revoked: bool


class EnrolmentOut(BaseModel):
    """Where an enrolment stands."""

    state: str
    waits_for: str | None
    certificates: list[CertificateOut]


def shown(state: str, certificates: Sequence[Certificate]) -> EnrolmentOut:
    """Show an enrolment to its citizen."""
    out = [
        CertificateOut(
            serial=each.serial, profile=each.profile, pem=each.text.value.pem, revoked=each.revoked_at is not None
        )
        for each in certificates
    ]
    return EnrolmentOut(state=state, waits_for=_WAITS_FOR.get(state), certificates=out)
