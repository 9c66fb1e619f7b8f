"""A certificate as integrators know it: members as in NCANode's API, version 3.

What is added to it says why something is not valid, for which time an answer holds, and what proves it.
"""

import base64
from datetime import datetime
from typing import Final, Literal

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID
from pydantic import ConfigDict
from pydantic.alias_generators import to_camel

from libs.common.core.model import Model, evolve
from libs.common.pki.der import serial_text
from libs.common.pki.names import subject_of
from libs.common.pki.oids import FULL_NAME, NAME_KEYWORDS
from services.ca.model.status import GoodStatus, RevokedStatus
from services.ca.verification.service import VerificationFinding
from services.ca.verification.signature_evidence import RevocationEvidence, Source

_KEY_USERS: Final = {
    "1.2.398.3.3.4.1.1": "INDIVIDUAL",
    "1.2.398.3.3.4.1.2": "ORGANIZATION",
    "1.2.398.3.3.4.1.2.1": "CEO",
    "1.2.398.3.3.4.1.2.2": "CAN_SIGN",
    "1.2.398.3.3.4.1.2.3": "CAN_SIGN_FINANCIAL",
    "1.2.398.3.3.4.1.2.4": "HR",
    "1.2.398.3.3.4.1.2.5": "EMPLOYEE",
    "1.2.398.3.3.4.1.2.6": "INFORMATION_SYSTEM",
    "1.2.398.3.3.4.3": "IDENTIFICATION",
    "1.2.398.3.3.4.3.1": "IDENTIFICATION_CON",
    "1.2.398.3.3.4.3.2": "IDENTIFICATION_REMOTE",
    "1.2.398.3.3.4.3.2.1": "IDENTIFICATION_REMOTE_DIGITAL_ID",
}
_ATTRIBUTES: Final = {
    NameOID.COMMON_NAME: "common_name",
    FULL_NAME: "name",
    NameOID.GIVEN_NAME: "last_name",  # the national profile keeps the patronymic there, and the API calls it so
    NameOID.SURNAME: "sur_name",
    NameOID.EMAIL_ADDRESS: "email",
    NameOID.ORGANIZATION_NAME: "organization",
    NameOID.COUNTRY_NAME: "country",
    NameOID.LOCALITY_NAME: "locality",
    NameOID.STATE_OR_PROVINCE_NAME: "state",
}


KeyUsage = Literal["SIGN", "AUTH", "UNKNOWN"]


class Shown(Model):
    """What is shown: members in camel case."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class SubjectOut(Shown):
    """A name. ``iin`` and ``bin`` are read from it; sex and birth date are not, since an IIN need not tell them.

    ``name`` is the whole name of a person whose ``common_name`` had no room for it.
    """

    common_name: str | None = None
    name: str | None = None
    last_name: str | None = None
    sur_name: str | None = None
    email: str | None = None
    organization: str | None = None
    iin: str | None = None
    bin: str | None = None
    country: str | None = None
    locality: str | None = None
    state: str | None = None
    dn: str


class RevocationOut(Shown):
    """What one source says, and the signed object that proves it (DER in base64): OCSP response or list."""

    by: Source
    revoked: bool
    status: Literal["good", "revoked", "unknown"]
    revocation_time: datetime | None = None
    reason: str | None = None
    this_update: datetime
    evidence: str | None


class VerifiedCertificateOut(Shown):
    """What was found about one certificate. If it is not ours, there is nothing but the reason."""

    valid: bool
    reason: str | None
    at: datetime
    revocations: tuple[RevocationOut, ...] = ()
    not_before: datetime | None = None
    not_after: datetime | None = None
    key_usage: KeyUsage = "UNKNOWN"
    key_user: tuple[str, ...] = ()
    serial_number: str | None = None
    sign_alg: str | None = None
    public_key: str | None = None
    signature: str | None = None
    subject: SubjectOut | None = None
    issuer: SubjectOut | None = None
    pem: str | None = None


def certificate_out(finding: VerificationFinding) -> VerifiedCertificateOut:
    """Show what was found about a certificate."""
    shown = VerifiedCertificateOut(
        valid=finding.reason is None,
        reason=finding.reason,
        at=finding.at,
        revocations=tuple(_revocation(each) for each in finding.evidence),
    )
    if finding.certificate is None:
        return shown
    return _with_members(shown, finding.certificate)


def _with_members(shown: VerifiedCertificateOut, certificate: x509.Certificate) -> VerifiedCertificateOut:
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return evolve(
        shown,
        VerifiedCertificateOut,
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        key_usage=_key_usage(certificate),
        key_user=_key_users(certificate),
        serial_number=serial_text(certificate.serial_number),
        sign_alg=_algorithm(certificate),
        public_key=_base64(certificate.public_key().public_bytes(*form)),
        signature=_base64(certificate.signature),
        subject=_name(subject_of(certificate)),
        issuer=_name(certificate.issuer),
        pem=certificate.public_bytes(Encoding.PEM).decode(),
    )


def _key_usage(certificate: x509.Certificate) -> KeyUsage:
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    if usage.content_commitment:
        return "SIGN"
    return "AUTH" if usage.digital_signature else "UNKNOWN"


def _key_users(certificate: x509.Certificate) -> tuple[str, ...]:
    purposes = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    return tuple(_KEY_USERS[each.dotted_string] for each in purposes if each.dotted_string in _KEY_USERS)


def _algorithm(certificate: x509.Certificate) -> str:
    """Name it as Java does."""
    digest = certificate.signature_hash_algorithm
    kind = "RSA" if certificate.signature_algorithm_oid.dotted_string.startswith("1.2.840.113549.1.1.") else "ECDSA"
    return f"{digest.name.upper() if digest else 'NONE'}WITH{kind}"


def _name(name: x509.Name) -> SubjectOut:
    members: dict[str, str] = {"dn": name.rfc4514_string(NAME_KEYWORDS)}
    for attribute in name:
        text = str(attribute.value)
        if attribute.oid in _ATTRIBUTES:
            members[_ATTRIBUTES[attribute.oid]] = text
        elif attribute.oid == NameOID.SERIAL_NUMBER and text.startswith("IIN"):
            members["iin"] = text.removeprefix("IIN")
        elif attribute.oid == NameOID.ORGANIZATIONAL_UNIT_NAME and text.startswith("BIN"):
            members["bin"] = text.removeprefix("BIN")
    return SubjectOut.model_validate(members)


def _revocation(evidence: RevocationEvidence) -> RevocationOut:
    status = evidence.status
    revoked = isinstance(status, RevokedStatus)
    return RevocationOut(
        by=evidence.source,
        revoked=revoked,
        status="good" if isinstance(status, GoodStatus) else "revoked" if revoked else "unknown",
        revocation_time=status.at if isinstance(status, RevokedStatus) else None,
        reason=status.reason if isinstance(status, RevokedStatus) else None,
        this_update=evidence.this_update,
        evidence=None if evidence.signed is None else _base64(evidence.signed),
    )


def _base64(octets: bytes) -> str:
    return base64.b64encode(octets).decode()
