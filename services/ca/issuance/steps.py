"""Write, sign and read back one certificate. `services.ca.enrolment.issue` says in which order, and why.

``prepare`` writes the exact bytes to be signed; no key is used. `services.ca.issuance.lint` holds them against the
order. ``Intent`` is the record of them that the caller stores before the key is used. ``resume`` lints a recorded
intent again and signs it: ``sign`` uses the authority's key on exactly the linted bytes, once, and verifies the result.
The same record gives the same serial number and, as signatures are deterministic, the same certificate.
"""

import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final, Self

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import AuthorityInformationAccessOID
from pydantic import ConfigDict

from libs.common.core.model import Model
from libs.common.pki.der import Extension, TbsCertificate, Validity, name_tlv, serial_text, signed, time, tlv
from services.ca.authority.issuers import Issuer, PrivateKey, PublicKey
from services.ca.issuance.lint import LintedTbs, LintError, lint
from services.ca.issuance.orders import Order
from services.ca.model.profiles import PROFILES, Profile, Publication
from services.ca.model.subject import Holder

_VERSION_3: Final = 2


class IssuanceError(Exception):
    """The signed certificate is not what was linted: the key, or what holds it, is at fault. It must not be used."""


class Intent(Model):
    """What is about to be signed: recorded before the key is used.

    ``tbs`` holds the holder's name and number: keep it as personal data is kept, sealed.
    """

    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    issuer: str = "issuing"  # so read from records of before there were several
    serial_number: str
    profile: str
    not_before: datetime
    crl_shard: int
    base_url: str | None = None  # so read from records of before it was noted
    ocsp: bool = False  # so read from records of before there was a responder
    tbs_sha256: str
    tbs: bytes

    @classmethod
    def of(cls, order: Order, linted: LintedTbs, publication: Publication) -> Self:
        """Note what ``linted`` holds, without spending it."""
        return cls(
            issuer=linted.issuer.label,
            serial_number=serial_text(order.serial_number),
            profile=order.profile.name,
            not_before=order.not_before,
            crl_shard=order.crl_shard,
            base_url=publication.base_url,
            ocsp=publication.ocsp,
            tbs_sha256=hashlib.sha256(linted.tbs).hexdigest(),
            tbs=linted.tbs,
        )

    @property
    def not_after(self) -> datetime:
        """The last second of validity."""
        return PROFILES[self.profile].not_after(self.not_before)

    def publication(self, present: Publication) -> Publication:
        """Return where it was to be published when it was recorded: the authority's address may be another since."""
        return Publication(self.base_url or present.base_url, self.ocsp)

    def order(self, holder: Holder, public_key: PublicKey) -> Order:
        """Return the order again, from the record and the same facts it was made from."""
        return Order(
            profile=PROFILES[self.profile],
            holder=holder,
            public_key=public_key,
            serial_number=int(self.serial_number, 16),
            not_before=self.not_before.astimezone(UTC),
            crl_shard=self.crl_shard,
        )


def prepare(order: Order, issuer: Issuer, publication: Publication) -> bytes:
    """Write the to-be-signed certificate (RFC 5280, 4.1.1.1) in DER. The same order gives the same bytes."""
    spki = order.public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    tbs = TbsCertificate(
        version=_VERSION_3,
        serial_number=order.serial_number,
        signature=tlv(issuer.signature_algorithm),
        issuer=tlv(issuer.name),
        validity=Validity(not_before=time(order.not_before), not_after=time(order.not_after)),
        subject=name_tlv(order.holder.attributes()),
        public_key=tlv(spki),
        extensions=[
            _written(x509.SubjectKeyIdentifier.from_public_key(order.public_key), critical=False),
            *_common(
                order.profile,
                publication,
                (issuer.label, issuer.key_identifier),
                order.crl_shard,
                rsa=isinstance(order.public_key, RSAPublicKey),
            ),
        ],
    )
    return asn1.encode_der(tbs)


def sign(linted: LintedTbs, key: PrivateKey) -> x509.Certificate:
    """Sign what was linted, and look at the result before handing it out.

    Raises:
        TokenSpentError: these bytes were signed before.
        ValueError: the key is not the issuer's.
        IssuanceError: the result is not the linted certificate under the issuer's signature.
    """
    issuer = linted.issuer
    tbs = linted.redeem()
    signature = issuer.sign(key, tbs)
    certificate = x509.load_der_x509_certificate(signed(tbs, issuer.signature_algorithm, signature))
    if certificate.tbs_certificate_bytes != tbs:
        raise IssuanceError("the signed certificate differs from the bytes that were checked")
    try:
        issuer.verify(certificate.signature, tbs)
    except InvalidSignature as error:
        raise IssuanceError("the authority's own signature does not verify") from error
    return certificate


def resume(intent: Intent, order: Order, issuer: Issuer, publication: Publication, key: PrivateKey) -> x509.Certificate:
    """Sign a recorded intent, for the first time or, after a crash, again. Raises as ``lint`` and ``sign`` do."""
    if hashlib.sha256(intent.tbs).hexdigest() != intent.tbs_sha256:
        raise LintError(("the recorded intent was altered",))
    return sign(lint(intent.tbs, order, issuer, replace(publication, ocsp=intent.ocsp)), key)


def _common(
    profile: Profile, publication: Publication, issuer: tuple[str, bytes], crl_shard: int, *, rsa: bool
) -> tuple[Extension, ...]:
    """Write the extensions that every certificate of a kind has alike (RFC 5280, 4.2.1), in order.

    Args:
        issuer: label and key identifier.
    """
    label, key_identifier = issuer
    extensions: list[tuple[x509.ExtensionType, bool]] = [
        (x509.BasicConstraints(profile.authority, profile.path_length), True),
        (profile.key_usage_extension(rsa=rsa), True),
    ]
    if profile.extended_key_usage:
        extensions.append((x509.ExtendedKeyUsage(profile.extended_key_usage), profile.purpose_critical))
    if profile.no_check:
        extensions.append((x509.OCSPNoCheck(), False))
    if profile.policies:
        extensions.append((_policies(profile, publication), False))
    if not profile.self_signed:
        extensions += [
            (x509.AuthorityKeyIdentifier(key_identifier, None, None), False),
            (_access(profile, label, publication), False),
            (_crl(publication.crl(label, crl_shard)), False),
        ]
    return tuple(_written(value, critical=critical) for value, critical in extensions)


def _written(value: x509.ExtensionType, *, critical: bool) -> Extension:
    return Extension(oid=value.oid, critical=critical, value=value.public_bytes())


def _policies(profile: Profile, publication: Publication) -> x509.CertificatePolicies:
    """The holder's certificates say where the practice statement is; an authority's need no qualifier."""
    qualifiers = None if profile.authority else [publication.practice_statement()]
    return x509.CertificatePolicies([x509.PolicyInformation(oid, qualifiers) for oid in profile.policies])


def _access(profile: Profile, label: str, publication: Publication) -> x509.AuthorityInformationAccess:
    places = [(AuthorityInformationAccessOID.CA_ISSUERS, publication.certificate(label))]
    if profile.online_status and publication.ocsp:
        places.insert(0, (AuthorityInformationAccessOID.OCSP, publication.responder(label)))
    return x509.AuthorityInformationAccess(
        [x509.AccessDescription(method, x509.UniformResourceIdentifier(url)) for method, url in places]
    )


def _crl(url: str) -> x509.CRLDistributionPoints:
    full_name = [x509.UniformResourceIdentifier(url)]
    return x509.CRLDistributionPoints([x509.DistributionPoint(full_name, None, None, None)])
