"""Verifying certificates and signatures for those who rely on them.

Valid means: every question has its answer, and each answer is good. What cannot be told is never valid.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from cryptography import x509

from libs.common.cms import SignatureRefused, verify_detached
from libs.common.errors import Refused, Unavailable
from libs.common.trust import CertificateRefused, TrustAnchors
from libs.common.uses import PERSON_AUTH, PERSON_SIGN
from libs.common.values import Clock
from services.ca.ocsp import Good, OcspRefused, Revoked, Status
from services.ca.ocsp_service import OcspService

Use = Literal["SIGN", "AUTH"]
_USES: Final = {"SIGN": PERSON_SIGN, "AUTH": PERSON_AUTH}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found.

    Attributes:
        reason: None if valid; else the first that speaks against it: a `libs.common.trust.Doubt`, a reason of
            `libs.common.cms`, ``revoked``, ``unknown_certificate`` or ``time_in_future``.
        at: the time for which it holds.
        certificate: the signer's, if it is ours.
        status: what the record says about it, if it was asked.
        evidence: the signed OCSP response that says the same, in DER.
    """

    reason: str | None
    at: datetime
    certificate: x509.Certificate | None = None
    status: Status | None = None
    evidence: bytes | None = None


class Verification:
    """Looks at what relying parties bring.

    Args:
        trust: whose certificates count.
        ocsp: what the record says of them now, signed.
    """

    def __init__(self, trust: TrustAnchors, ocsp: OcspService, clock: Clock) -> None:
        self._trust = trust
        self._ocsp = ocsp
        self._clock = clock

    async def certificate(self, der: bytes, use: Use, at: datetime | None) -> Verdict:
        """Verify a certificate: chain, validity, purpose, policy, and revocation at that time.

        Raises:
            Refused: ``verify.unavailable``: whether it was revoked can't be told now.
        """
        now = self._clock()
        moment = at or now
        if moment > now:
            return Verdict("time_in_future", moment)
        try:
            believed = self._trust.verify(der, moment, _USES[use])
        except CertificateRefused as refusal:
            return Verdict(refusal.doubt.value, moment)
        return await self._unless_revoked(believed, moment)

    async def cms(self, signature: bytes, data: bytes, at: datetime | None) -> Verdict:
        """Verify a person's detached signature over a document, and the certificate as above.

        Raises:
            Refused: ``verify.unavailable``.
        """
        now = self._clock()
        moment = at or now
        if moment > now:
            return Verdict("time_in_future", moment)
        try:
            verified = verify_detached(signature, data, self._trust, moment)
        except SignatureRefused as refusal:
            return Verdict(refusal.key.removeprefix("signature."), moment)
        return await self._unless_revoked(x509.load_der_x509_certificate(verified.certificate), moment)

    async def _unless_revoked(self, certificate: x509.Certificate, at: datetime) -> Verdict:
        try:
            status, evidence = await self._ocsp.evidence(certificate)
        except (OcspRefused, Unavailable):
            detail = "Whether this certificate was revoked can't be told at the moment. Please try again shortly."
            raise Refused("verify.unavailable", detail, 503) from None
        return Verdict(_objection(status, at), at, certificate, status, evidence)


def _objection(status: Status, at: datetime) -> str | None:
    """A key that somebody else may have had is good for no time: nobody knows since when (RFC 5280, 5.3.2)."""
    match status:
        case Good():
            return None
        case Revoked(at=since, reason=reason):
            return "revoked" if since <= at or reason == "keyCompromise" else None
        case _:
            return "unknown_certificate"
