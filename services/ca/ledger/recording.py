"""Make the acts of the ledger from what the authority has in hand. Pure."""

import hashlib
from collections.abc import Sequence

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from libs.common.contracts.people import Person
from libs.common.core.sealing import Sealed
from libs.common.pki.der import serial_text
from services.ca.authority.revoked import RevokedCertificate
from services.ca.issuance.steps import Intent
from services.ca.ledger.acts import (
    CertificateIntended,
    CertificateIssued,
    CertificateRevoked,
    RecordedGood,
    RecordedIntent,
    RecordedRevocation,
)
from services.ca.model.certificate import Certificate, IntentRecord, RecordedCertificate


def intended(
    record: IntentRecord,
    *,
    holder: Sealed[Person] | None = None,
    citizen_id: str | None = None,
    person_ref: str | None = None,
) -> CertificateIntended:
    """Return what is about to be signed, and for whom; the operator's own certificates are for nobody."""
    intent = Intent.model_validate_json(record.intent)
    return CertificateIntended(
        serial=intent.serial_number,
        profile=intent.profile,
        not_before=intent.not_before,
        crl_shard=intent.crl_shard,
        after=RecordedIntent(tbs_sha256=intent.tbs_sha256),
        record=Sealed(record),
        holder=holder,
        citizen_id=citizen_id,
        person_ref=person_ref,
    )


def issued(signed: x509.Certificate) -> CertificateIssued:
    """Return the act that a certificate was signed."""
    extensions = signed.extensions
    return CertificateIssued(
        serial=serial_text(signed.serial_number),
        key_id=extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest.hex(),
        issuer_key_id=(
            extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier or b""
        ).hex(),
        signature=signed.signature.hex(),
        before=RecordedIntent(tbs_sha256=hashlib.sha256(signed.tbs_certificate_bytes).hexdigest()),
        after=RecordedGood(certificate_sha256=signed.fingerprint(hashes.SHA256()).hex()),
    )


def revoked(numbers: Sequence[RecordedCertificate]) -> tuple[CertificateRevoked, ...]:
    """Return the acts of the revoked serial numbers; those that are good are passed over."""
    return tuple(
        CertificateRevoked(
            serial=each.serial,
            before=_good(each) if isinstance(each, Certificate) else None,
            after=RecordedRevocation(at=each.revoked_at, reason=each.revoked_for or "unspecified"),
        )
        for each in numbers
        if each.revoked_at is not None
    )


def operators_revoked(each: RevokedCertificate) -> CertificateRevoked:
    """Return the act that a ceremony revoked one of the operator's own certificates."""
    before, after = (
        RecordedGood(certificate_sha256=each.certificate_sha256),
        RecordedRevocation(at=each.revoked_at, reason=each.revoked_for),
    )
    return CertificateRevoked(serial=each.serial, before=before, after=after)


def _good(stored: Certificate) -> RecordedGood:
    return RecordedGood(certificate_sha256=certificate(stored).fingerprint(hashes.SHA256()).hex())


def certificate(stored: Certificate) -> x509.Certificate:
    """Read a stored certificate."""
    return x509.load_pem_x509_certificate(stored.text.value.pem.encode())
