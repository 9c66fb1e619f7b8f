"""HTTP for relying parties' systems: is this certificate, is this signature valid?

Paths and members are those that integrators know (NCANode, version 3), so that its clients work with another address.
Unlike there, chain, purpose, policy and revocation are always checked, and ``valid`` speaks of all of it.
"""

from datetime import datetime
from typing import Annotated, Final, Literal

from fastapi import APIRouter
from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, FailFast, Field
from pydantic.alias_generators import to_camel

from libs.common.contracts.http.octets import Octets, read_octets
from libs.common.core.armour import BEGIN, as_text, unarmoured
from libs.common.pki.der import serial_text
from libs.common.web.http import MB, body_limit
from services.ca.timestamp.tokens import TimeStamp
from services.ca.verification.certificate_info import Shown, VerifiedCertificateOut, certificate_out
from services.ca.verification.service import (
    Use,
    VerificationFinding,
    VerificationReport,
    VerificationRequest,
    VerificationService,
)
from services.ca.verification.signature_evidence import Source

MAX_CERTIFICATES: Final = 16
MAX_CERTIFICATES_BODY: Final = MB // 4
MAX_CMS_BODY: Final = 14 * MB
"""A document of 10 MB in base64, and its signature."""
MAX_XML_BODY: Final = 4 * MB
"""A document of 1 MB, however its letters are escaped."""


def _certificate(given: object) -> bytes:
    """Read a certificate: DER in base64, PEM, or PEM in base64."""
    octets = read_octets(given)
    return unarmoured(text).octets if BEGIN in (text := as_text(octets)) else octets


CertificateOctets = Annotated[bytes, BeforeValidator(_certificate, json_schema_input_type=str)]


class _Form(BaseModel):
    """What every question may say.

    ``revocationCheck``: the responder is asked in any case; with ``CRL``, the revocation list as well.
    ``at``: for which time it is asked (default: now); a time-stamp says better.
    Other members are ignored.
    """

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    revocation_check: Annotated[frozenset[Source], FailFast()] = frozenset()
    at: AwareDatetime | None = None

    @property
    def question(self) -> VerificationRequest:
        return VerificationRequest(self.at, self.revocation_check)


class CertificatesForm(_Form):
    """Certificates (base64 of DER or of PEM), and what they are to be used for."""

    certs: Annotated[list[CertificateOctets], FailFast(), Field(min_length=1, max_length=MAX_CERTIFICATES)]
    use: Use | None = None


class CmsForm(_Form):
    """A signature with the document inside, or with the document beside it (both in base64)."""

    cms: Octets
    data: Octets | None = None


class XmlForm(_Form):
    """A signed document, as text."""

    xml: str


class TimeStampOut(Shown):
    """The time-stamp that fixes the time of a signature."""

    serial_number: str
    gen_time: datetime
    policy: str
    tsa: str
    tsp_hash_algorithm: str
    hash: str


class SignerOut(Shown):
    """One signature, and the certificate it was made with."""

    valid: bool
    reason: str | None
    at: datetime
    signing_time: datetime | None
    certificates: list[VerifiedCertificateOut]
    tsp: TimeStampOut | None


class _Answer(Shown):
    """``status`` and ``message`` speak of the question having been answered, ``valid`` of the answer."""

    status: Literal[200] = 200
    message: Literal["OK"] = "OK"
    valid: bool
    reason: str | None = None


class CertificatesOut(_Answer):
    """What was found about each certificate, in the order in which they came."""

    signers: list[VerifiedCertificateOut]


class CmsOut(_Answer):
    """What was found about each signature."""

    signers: list[SignerOut]


class XmlOut(_Answer):
    """What was found about each signature; ``signedXml`` is all that they cover: use that, not what you sent."""

    signers: list[VerifiedCertificateOut]
    signed_xml: str | None = None


def verification_routes(verification: VerificationService) -> APIRouter:
    """Make the routes."""
    router = APIRouter(prefix="/v1/verify", tags=["relying parties"])
    for each in (_certificates(verification), _cms(verification), _xml(verification)):
        router.include_router(each)
    return router


def _certificates(verification: VerificationService) -> APIRouter:
    router = APIRouter(route_class=body_limit(MAX_CERTIFICATES_BODY))

    @router.post("/x509/info")
    async def certificates(form: CertificatesForm) -> CertificatesOut:
        found = [await verification.certificate(each, form.question, form.use) for each in form.certs]
        return CertificatesOut(
            valid=all(each.reason is None for each in found), signers=[certificate_out(each) for each in found]
        )

    return router


def _cms(verification: VerificationService) -> APIRouter:
    router = APIRouter(route_class=body_limit(MAX_CMS_BODY))

    @router.post("/cms/verify")
    async def cms(form: CmsForm) -> CmsOut:
        report = await verification.cms(form.cms, form.data, form.question)
        return CmsOut(valid=report.valid, reason=report.reason, signers=[_signer(each) for each in report.findings])

    return router


def _xml(verification: VerificationService) -> APIRouter:
    router = APIRouter(route_class=body_limit(MAX_XML_BODY))

    @router.post("/xml/verify")
    async def xml(form: XmlForm) -> XmlOut:
        report = await verification.xml(form.xml.encode(errors="surrogatepass"), form.question)
        return XmlOut(
            valid=report.valid,
            reason=report.reason,
            signers=[certificate_out(each) for each in report.findings],
            signed_xml=_text(report),
        )

    return router


def _text(report: VerificationReport) -> str | None:
    """What a signature covers is worth showing only if the signature counts."""
    return report.signed.decode() if report.valid and report.signed is not None else None


def _signer(finding: VerificationFinding) -> SignerOut:
    return SignerOut(
        valid=finding.reason is None,
        reason=finding.reason,
        at=finding.at,
        signing_time=finding.signed_at,
        certificates=[] if finding.certificate is None else [certificate_out(finding)],
        tsp=None if finding.stamp is None else _time_stamp(finding.stamp),
    )


def _time_stamp(stamp: TimeStamp) -> TimeStampOut:
    return TimeStampOut(
        serial_number=serial_text(stamp.serial_number),
        gen_time=stamp.time,
        policy=stamp.policy.dotted_string,
        tsa=stamp.certificate.subject.rfc4514_string(),
        tsp_hash_algorithm=stamp.digest_algorithm.upper(),
        hash=stamp.digest.hex(),
    )
