"""Whose certificates count: a chain to our own authorities, verified, and the use a certificate allows.

A certificate is believed because a key of ours signed it, never because of the names in it: anyone can
write our names into a certificate of his own.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, Self

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import verification
from cryptography.x509.oid import ExtendedKeyUsageOID, SignatureAlgorithmOID

from libs.common import oids
from libs.common.der import AlgorithmIdentifier, Certificate, TbsCertificate, subject_name

_MAX_SERIAL_OCTETS: Final = 20
_CA_RULES: Final = verification.ExtensionPolicy.webpki_defaults_ca()
_HOLDER_RULES: Final = (
    verification.ExtensionPolicy.permit_all()
    .require_present(x509.KeyUsage, verification.Criticality.CRITICAL, None)
    .require_present(x509.ExtendedKeyUsage, verification.Criticality.AGNOSTIC, None)
    .require_present(x509.AuthorityKeyIdentifier, verification.Criticality.NON_CRITICAL, None)
)
_ALGORITHMS: Final = frozenset(
    asn1.encode_der(AlgorithmIdentifier(algorithm=algorithm, parameters=parameters))
    for algorithm, parameters in (
        (SignatureAlgorithmOID.ECDSA_WITH_SHA256, None),
        (SignatureAlgorithmOID.ECDSA_WITH_SHA384, None),
        (SignatureAlgorithmOID.RSA_WITH_SHA256, asn1.Null()),
    )
)
"""What our authorities sign with. Anything else is not ours, and is not parsed any further."""


class Doubt(StrEnum):
    """Why a certificate is not believed."""

    MALFORMED = "malformed"
    UNTRUSTED_ISSUER = "untrusted_issuer"
    EXPIRED = "expired_certificate"
    WRONG_PROFILE = "wrong_profile"


class CertificateRefused(Exception):
    """A certificate that does not count, and why."""

    def __init__(self, doubt: Doubt) -> None:
        super().__init__(doubt.value)
        self.doubt = doubt


@dataclass(frozen=True, slots=True)
class CertificateUse:
    """What a certificate must be for: all of these usages and purposes, and this policy."""

    content_commitment: bool
    purposes: frozenset[x509.ObjectIdentifier]
    policy: x509.ObjectIdentifier

    def allowed_by(self, certificate: x509.Certificate) -> bool:
        """Tell whether a (believed) certificate is for this use."""
        extensions = certificate.extensions
        try:
            usage = extensions.get_extension_for_class(x509.KeyUsage).value
            purposes = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
            policies = extensions.get_extension_for_class(x509.CertificatePolicies).value
        except x509.ExtensionNotFound:
            return False
        return (
            usage.digital_signature
            and usage.content_commitment == self.content_commitment
            and self.purposes <= set(purposes)
            and self.policy in {policy.policy_identifier for policy in policies}
        )


PERSON_SIGN: Final = CertificateUse(
    content_commitment=True,
    purposes=frozenset({ExtendedKeyUsageOID.EMAIL_PROTECTION, oids.PERSON}),
    policy=oids.POLICY_PERSON_SIGN,
)
"""A person signs a document."""

PERSON_AUTH: Final = CertificateUse(
    content_commitment=False,
    purposes=frozenset({ExtendedKeyUsageOID.CLIENT_AUTH, oids.PERSON}),
    policy=oids.POLICY_PERSON_AUTH,
)
"""A person proves who is there."""


@dataclass(frozen=True, slots=True)
class _Issuing:
    """An issuing authority whose own chain was verified, and the time in which all of that chain is valid."""

    certificate: x509.Certificate
    store: verification.Store
    not_before: datetime
    not_after: datetime

    def vouches_for(self, certificate: x509.Certificate, at: datetime) -> bool:
        """Tell whether the certificate is valid under this authority at that time (RFC 5280, 6)."""
        if not self.not_before <= at <= self.not_after:
            return False
        policy = verification.PolicyBuilder().store(self.store).time(at)
        policy = policy.extension_policies(ca_policy=_CA_RULES, ee_policy=_HOLDER_RULES)
        try:
            policy.build_client_verifier().verify(certificate, [])
        except (verification.VerificationError, ValueError, UnsupportedAlgorithm):
            return False
        return True

    def signed(self, certificate: x509.Certificate) -> bool:
        """Tell whether the certificate carries this authority's signature, valid now or not."""
        try:
            certificate.verify_directly_issued_by(self.certificate)
        except (InvalidSignature, ValueError, TypeError, UnsupportedAlgorithm):
            return False
        return True


class TrustAnchors:
    """Our root and issuing authorities.

    The chain from each issuing authority to its root is verified once, here; what is left for each
    certificate is its own signature, and whether all of the chain is valid at the time asked for.
    (Verifying the signature of a P-384 root again each time costs six times as much as all the rest.)

    Raises:
        ValueError: an issuing authority does not chain to a root.
    """

    def __init__(self, roots: Iterable[x509.Certificate], issuing: Iterable[x509.Certificate]) -> None:
        roots = tuple(roots)
        authorities: dict[bytes, tuple[_Issuing, ...]] = {}
        for certificate in issuing:
            name = asn1.encode_der(subject_name(certificate.public_bytes(Encoding.DER)))
            authorities[name] = (*authorities.get(name, ()), _under(roots, certificate))
        self._authorities: Final = authorities

    @classmethod
    def from_pem(cls, roots: bytes, issuing: bytes) -> Self:
        """Read roots and issuing authorities, each one or more certificates in PEM."""
        return cls(x509.load_pem_x509_certificates(roots), x509.load_pem_x509_certificates(issuing))

    def verify(self, certificate: bytes, at: datetime, use: CertificateUse) -> x509.Certificate:
        """Believe a certificate, or not. Whether it was revoked is the caller's question.

        Args:
            certificate: from anywhere; read as strict DER. Know it again by its serial number, not by its
                octets: anyone can turn an ECDSA signature (r, s) into (r, -s), which is valid too.
            at: the moment at which the whole chain has to be valid (with a time zone).
            use: what the certificate has to be for.

        Raises:
            CertificateRefused: see ``Doubt``.
        """
        parsed, authorities = self._read(certificate)
        if not any(authority.vouches_for(parsed, at) for authority in authorities):
            ours = any(authority.signed(parsed) for authority in authorities)
            valid = parsed.not_valid_before_utc <= at <= parsed.not_valid_after_utc
            raise CertificateRefused(Doubt.EXPIRED if ours and not valid else Doubt.UNTRUSTED_ISSUER)
        if not use.allowed_by(parsed):
            raise CertificateRefused(Doubt.WRONG_PROFILE)
        return parsed

    def _read(self, certificate: bytes) -> tuple[x509.Certificate, tuple[_Issuing, ...]]:
        """Find who might have issued this, reading no more of a stranger's certificate than needed for that."""
        try:
            outer = asn1.decode_der(Certificate, certificate)
            fields = asn1.decode_der(TbsCertificate, asn1.encode_der(outer.tbs))
        except ValueError as error:
            raise CertificateRefused(Doubt.MALFORMED) from error
        if outer.signature.padding_bits():  # the parser below lets it pass, and gives one certificate two forms
            raise CertificateRefused(Doubt.MALFORMED)
        authorities = self._authorities.get(asn1.encode_der(fields.issuer), ())
        if (
            not authorities
            or asn1.encode_der(fields.signature) not in _ALGORITHMS
            or asn1.encode_der(outer.signature_algorithm) not in _ALGORITHMS
            or not 0 < fields.serial_number.bit_length() < 8 * _MAX_SERIAL_OCTETS
            or fields.serial_number < 0
        ):
            raise CertificateRefused(Doubt.UNTRUSTED_ISSUER)
        try:
            return x509.load_der_x509_certificate(certificate), authorities
        except (ValueError, UnsupportedAlgorithm, x509.InvalidVersion) as error:
            raise CertificateRefused(Doubt.MALFORMED) from error


def _under(roots: Iterable[x509.Certificate], issuing: x509.Certificate) -> _Issuing:
    for root in roots:
        try:
            issuing.verify_directly_issued_by(root)
        except (InvalidSignature, ValueError, TypeError):
            continue
        if not (_may_certify(root) and _may_certify(issuing)):
            break
        return _Issuing(
            certificate=issuing,
            store=verification.Store([issuing]),
            not_before=max(root.not_valid_before_utc, issuing.not_valid_before_utc),
            not_after=min(root.not_valid_after_utc, issuing.not_valid_after_utc),
        )
    raise ValueError("an issuing authority's certificate is signed by no root given here, or may not certify")


def _may_certify(certificate: x509.Certificate) -> bool:
    extensions = certificate.extensions
    try:
        authority = extensions.get_extension_for_class(x509.BasicConstraints).value.ca
        return authority and extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    except x509.ExtensionNotFound:
        return False
