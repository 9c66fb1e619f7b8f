"""HTTP for relying parties' systems: is this certificate, is this signature valid?

The members are named as integrators of the national authority's certificates know them (NCANode, version 3); unlike
there, the whole chain, the purpose and revocation are always looked at, and ``valid`` speaks of all of it.
"""

import base64
from datetime import datetime
from typing import Annotated, Literal

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from fastapi import APIRouter
from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict

from libs.common.der import name_attributes, serial_text, subject_name
from services.ca.ocsp import Good, Revoked
from services.ca.verification import Use, Verdict, Verification


def _octets(given: object) -> bytes:
    """Read base64 strictly: what is no base64 is refused, not skipped."""
    if not isinstance(given, str):
        raise ValueError("base64 is text")  # noqa: TRY004 - pydantic makes a finding of this kind of error only
    return base64.b64decode(given, validate=True)


Octets = Annotated[bytes, BeforeValidator(_octets, json_schema_input_type=str)]


class CertificateForm(BaseModel):
    """A certificate (DER in base64), what it is to be used for, and when (now, unless told)."""

    model_config = ConfigDict(extra="forbid")

    certificate: Octets
    use: Use = "SIGN"
    at: AwareDatetime | None = None


class CmsForm(BaseModel):
    """A detached signature and its document (both in base64), and when it is known to have existed."""

    model_config = ConfigDict(extra="forbid")

    cms: Octets
    data: Octets
    at: AwareDatetime | None = None


class RevocationOut(BaseModel):
    """What the record says, and the signed OCSP response (DER in base64) that proves it."""

    status: Literal["good", "revoked", "unknown"]
    revoked_at: datetime | None = None
    reason: str | None = None
    ocsp: str


class CertificateOut(BaseModel):
    """A certificate of ours. ``subject`` holds the name's attributes by their object identifiers."""

    serial_number: str
    subject: dict[str, str]
    not_before: datetime
    not_after: datetime
    pem: str


class VerdictOut(BaseModel):
    """Valid or not, at that time, and why not."""

    valid: bool
    reason: str | None
    at: datetime
    signer: CertificateOut | None = None
    revocation: RevocationOut | None = None


def verification_routes(verification: Verification) -> APIRouter:
    """Make the routes."""
    router = APIRouter(prefix="/v1/verify", tags=["relying parties"])

    @router.post("/certificate")
    async def certificate(form: CertificateForm) -> VerdictOut:
        return _shown(await verification.certificate(form.certificate, form.use, form.at))

    @router.post("/cms")
    async def cms(form: CmsForm) -> VerdictOut:
        return _shown(await verification.cms(form.cms, form.data, form.at))

    return router


def _shown(verdict: Verdict) -> VerdictOut:
    return VerdictOut(
        valid=verdict.reason is None,
        reason=verdict.reason,
        at=verdict.at,
        signer=None if verdict.certificate is None else _signer(verdict.certificate),
        revocation=_revocation(verdict),
    )


def _signer(certificate: x509.Certificate) -> CertificateOut:
    der = certificate.public_bytes(Encoding.DER)
    return CertificateOut(
        serial_number=serial_text(certificate.serial_number),
        subject={kind.dotted_string: value for kind, value in name_attributes(subject_name(der))},
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        pem=certificate.public_bytes(Encoding.PEM).decode(),
    )


def _revocation(verdict: Verdict) -> RevocationOut | None:
    if verdict.evidence is None:
        return None
    ocsp = base64.b64encode(verdict.evidence).decode()
    match verdict.status:
        case Good():
            return RevocationOut(status="good", ocsp=ocsp)
        case Revoked(at=at, reason=reason):
            return RevocationOut(status="revoked", revoked_at=at, reason=reason, ocsp=ocsp)
        case _:
            return RevocationOut(status="unknown", ocsp=ocsp)
