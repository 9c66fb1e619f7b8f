"""Views of enrolments, as their citizens see them."""

from collections.abc import Sequence
from typing import Final

from libs.common.contracts.http.ca import CertificatesView, IssuedCertificate
from services.ca.model.certificate import Certificate

_WAITS_FOR: Final = {"collecting": "journey.steps", "open": "citizen.requests", "issuing": "ca.issuance"}


def certificates_view(state: str, certificates: Sequence[Certificate]) -> CertificatesView:
    """Return what a citizen sees of an enrolment."""
    shown = tuple(
        IssuedCertificate(
            serial=each.serial, profile=each.profile, pem=each.text.value.pem, revoked=each.revoked_at is not None
        )
        for each in certificates
    )
    return CertificatesView(state=state, waits_for=_WAITS_FOR.get(state), certificates=shown)
