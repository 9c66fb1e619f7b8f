"""What becomes of an enrolment when the store turns out to be older than the ledger or the topics. Pure.

A backup knows less than the world: certificates that were issued after it are in citizens' hands, and revocations were
published. What is found of a journey in the ledger and on the topics is added to what the store has of it.
Nothing is ever taken back: what is revoked anywhere is revoked.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar, get_args

from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from libs.common.contracts.ca import CertificateText, CertRevoked, Profile
from libs.common.contracts.events import Event
from libs.common.contracts.people import Person
from libs.common.core.model import evolve
from libs.common.core.sealing import Sealed
from libs.common.delivery.decisions import Decision
from libs.common.pki.der import TbsCertificate, serial_text, signed
from services.ca.enrolment import domain
from services.ca.enrolment.facts import EnrolmentFacts
from services.ca.enrolment.states import Certified, EnrolmentState, Issued, Issuing, Retired, Void
from services.ca.ledger.acts import CertificatePutBack, RecordedGood
from services.ca.model.certificate import Certificate, Reason, RecordedCertificate, RequestedKey

Marked = TypeVar("Marked", bound=RecordedCertificate)


@dataclass(frozen=True, slots=True)
class Found:
    """One serial number of a journey, as the ledger or a topic has it.

    Attributes:
        der: the certificate; where it is not known to be ``signed``, the intended bytes without a signature.
        revoked: when and why, if it was.
    """

    serial: str
    profile: Profile
    der: bytes
    signed: bool
    issuer: str
    crl_shard: int
    person: Person | None
    citizen_id: str
    person_ref: str | None
    revoked: tuple[datetime, Reason] | None = None


@dataclass(frozen=True, slots=True)
class PublishedSerials:
    """Serial numbers that the topics hold; None: they were not read, and nothing is published again."""

    issued: frozenset[str]
    revoked: frozenset[str]


def unsigned(tbs: bytes) -> bytes:
    """Write intended bytes as a certificate with an empty signature, for a reader of certificates."""
    algorithm = asn1.encode_der(asn1.decode_der(TbsCertificate, tbs).signature)
    return signed(tbs, algorithm, b"")


def with_signature(tbs: bytes, signature: bytes) -> bytes:
    """Assemble a certificate from its two halves."""
    return signed(tbs, asn1.encode_der(asn1.decode_der(TbsCertificate, tbs).signature), signature)


def recover(
    state: EnrolmentState | None, found: Sequence[Found], published: PublishedSerials | None, now: datetime
) -> Decision[EnrolmentState] | None:
    """Bring an enrolment up to what was found of its journey; None where it knows all of it.

    What was signed becomes an issued enrolment. What was only intended may have been signed, and is revoked. Where the
    store has the intents and nobody knows of a signature, the service goes on from there by itself.
    """
    if not found:
        return None
    if isinstance(state, Issued | Void | Retired):
        return _revoke(state, found, published)
    if isinstance(state, Issuing) and state.intents and not any(each.signed for each in found):
        return None
    facts = EnrolmentFacts(
        person=None if found[0].person is None else Sealed(found[0].person),
        person_ref=found[0].person_ref,
        citizen_id=found[0].citizen_id,
        phone_proven=True,
        face_matched=True,
    )
    requests = tuple(request_of(each) for each in found)
    after: Issued | Void
    if all(each.signed for each in found):
        certificates = tuple(evolve(_recorded(each), Certificate, text=Sealed(_text(each))) for each in found)
        after = Issued(facts=facts, requests=requests, certificates=certificates)
    else:
        numbers = tuple(_recorded(each, otherwise=now) for each in found)
        after = Void(facts=facts, requests=requests, certificates=numbers)
    return Decision(after, _unpublished(after, published))


def _revoke(
    state: Issued | Void | Retired, found: Sequence[Found], published: PublishedSerials | None
) -> Decision[EnrolmentState] | None:
    """Repeat revocations that the store does not know, with the time and reason they had."""
    revoked = {each.serial: each.revoked for each in found if each.revoked is not None}
    missing = {each.serial for each in state.certificates if each.revoked_at is None and each.serial in revoked}
    if not missing:
        return None
    after: Issued | Void | Retired
    match state:
        case Issued():
            after = evolve(state, Issued, certificates=_repeated(state.certificates, revoked), settled=False)
        case Void():
            after = evolve(state, Void, certificates=_repeated(state.certificates, revoked), settled=False)
        case Retired():
            after = evolve(state, Retired, certificates=_repeated(state.certificates, revoked))
    events = tuple(
        each for each in _unpublished(after, published) if isinstance(each, CertRevoked) and each.serial in missing
    )
    return Decision(after, events)


def _repeated(certificates: tuple[Marked, ...], revoked: Mapping[str, tuple[datetime, Reason]]) -> tuple[Marked, ...]:
    return tuple(
        evolve(each, type(each), revoked_at=revoked[each.serial][0], revoked_for=revoked[each.serial][1])
        if each.revoked_at is None and each.serial in revoked
        else each
        for each in certificates
    )


def _unpublished(state: Certified, published: PublishedSerials | None) -> tuple[Event, ...]:
    """Return the events that were never published."""
    if published is None:
        return ()
    issued = tuple(
        domain.issued_event(state.facts, each)
        for each in state.certificates
        if isinstance(each, Certificate) and each.serial not in published.issued and state.facts.person is not None
    )
    revoked = tuple(
        CertRevoked(
            serial=each.serial,
            profile=each.profile,
            reason=each.revoked_for or "unspecified",
            revoked_at=each.revoked_at,
            citizen_id=state.facts.citizen_id or "",
        )
        for each in state.certificates
        if each.revoked_at is not None and each.serial not in published.revoked
    )
    return (*issued, *revoked)


def _recorded(found: Found, otherwise: datetime | None = None) -> RecordedCertificate:
    """Return what the record says of it; ``otherwise``: when it is revoked, if it was not before."""
    read = x509.load_der_x509_certificate(found.der)
    at, reason = found.revoked or (otherwise, None if otherwise is None else "cessationOfOperation")
    extensions = read.extensions
    issuer = extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier or b""
    return RecordedCertificate(
        serial=serial_text(read.serial_number),
        key_id=extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest.hex(),
        issuer=found.issuer,
        issuer_key_id=issuer.hex(),
        profile=found.profile,
        not_before=read.not_valid_before_utc,
        not_after=read.not_valid_after_utc,
        crl_shard=found.crl_shard,
        revoked_at=at,
        revoked_for=reason,
    )


def request_of(found: Found) -> RequestedKey:
    """Return what was asked for: the key that the certificate holds, and what it is for."""
    key = x509.load_der_x509_certificate(found.der).public_key()
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return RequestedKey(profile=found.profile, spki=spki.hex())


def put_back(found: Found) -> CertificatePutBack:
    """Return the act that a certificate comes back which the ledger does not know."""
    return CertificatePutBack(
        serial=found.serial,
        profile=found.profile,
        after=RecordedGood(certificate_sha256=hashlib.sha256(found.der).hexdigest()),
        text=Sealed(_text(found)),
        holder=None if found.person is None else Sealed(found.person),
        citizen_id=found.citizen_id,
        person_ref=found.person_ref,
    )


def _text(found: Found) -> CertificateText:
    return CertificateText(pem=x509.load_der_x509_certificate(found.der).public_bytes(Encoding.PEM).decode())


def profile_of(text: str) -> Profile | None:
    """Read a profile of citizens' certificates; None for those of the operator's own."""
    return text if text in get_args(Profile) else None  # type: ignore[return-value]  # looked up in the type
