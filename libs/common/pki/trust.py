"""Whose certificates count: a chain to our own authorities, verified, and the use a certificate allows.

A certificate is believed because a key of ours signed it, never because of the names in it: anyone can
write our names into a certificate of his own.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final, Self

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import SignatureAlgorithmOID

from libs.common.pki.certificate_use import CertificateUse, authority_key_identifier, purposes_of
from libs.common.pki.der import AlgorithmIdentifier, CertificateFields, TbsCertificate, subject_name, visible_name

_MAX_SERIAL_OCTETS: Final = 20
_VERSION_3: Final = 2
CLOCK_DIFFERENCE: Final = timedelta(minutes=1)
"""How far the clock of whoever issued a certificate may be ahead of the one that it is judged by."""
_SCHEMES: Final[dict[bytes, tuple[type, hashes.HashAlgorithm]]] = {
    asn1.encode_der(AlgorithmIdentifier(algorithm=algorithm, parameters=parameters)): (kind, digest)
    for algorithm, parameters, kind, digest in (
        (SignatureAlgorithmOID.ECDSA_WITH_SHA256, None, ec.EllipticCurvePublicKey, hashes.SHA256()),
        (SignatureAlgorithmOID.ECDSA_WITH_SHA384, None, ec.EllipticCurvePublicKey, hashes.SHA384()),
        (SignatureAlgorithmOID.RSA_WITH_SHA256, asn1.Null(), rsa.RSAPublicKey, hashes.SHA256()),
    )
}
"""What our authorities sign with, and the kind of key and digest that go with it."""


class Doubt(StrEnum):
    """Why a certificate is not believed.

    A look-alike bears the name of an authority of ours, or the identifier of its key, and was not signed by that key:
    somebody made it to be taken for one of ours. Any other stranger's certificate is merely untrusted.
    """

    MALFORMED = "malformed"
    UNTRUSTED_ISSUER = "untrusted_issuer"
    LOOK_ALIKE = "look_alike"
    EXPIRED = "expired_certificate"
    WRONG_PROFILE = "wrong_profile"


class CertificateRefused(Exception):
    """A certificate that does not count, and why; ``certificate``, if it is a genuine one of ours all the same."""

    def __init__(self, doubt: Doubt, certificate: x509.Certificate | None = None) -> None:
        super().__init__(doubt.value)
        self.doubt = doubt
        self.certificate = certificate


@dataclass(frozen=True, slots=True)
class _Issuing:
    """An issuing authority whose own chain was verified, and the time in which all of that chain is valid."""

    key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey
    not_before: datetime
    not_after: datetime

    def signed(self, certificate: CertificateFields) -> bool:
        """Return whether the certificate carries this authority's signature, valid now or not."""
        kind, digest = _SCHEMES[asn1.encode_der(certificate.signature_algorithm)]
        signature, tbs = certificate.signature.as_bytes(), asn1.encode_der(certificate.tbs)
        try:
            if not isinstance(self.key, kind):
                return False
            if isinstance(self.key, rsa.RSAPublicKey):
                self.key.verify(signature, tbs, padding.PKCS1v15(), digest)
            else:
                self.key.verify(signature, tbs, ec.ECDSA(digest))
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True)
class _Read:
    """A certificate as it came, in its parts."""

    outer: CertificateFields
    fields: TbsCertificate

    @property
    def may_be_ours(self) -> bool:
        """Whether it has the form, the algorithms and a serial number as our authorities write them."""
        algorithm = asn1.encode_der(self.outer.signature_algorithm)
        return (
            algorithm in _SCHEMES
            and asn1.encode_der(self.fields.signature) == algorithm
            and self.fields.version == _VERSION_3
            and 0 < self.fields.serial_number < 1 << (8 * _MAX_SERIAL_OCTETS - 1)
        )

    def valid(self, at: datetime) -> bool:
        """Return whether that moment lies within its own time, or right before it by another clock."""
        validity = self.fields.validity
        first, last = (each.as_datetime().replace(tzinfo=UTC) for each in (validity.not_before, validity.not_after))
        return bool(first - CLOCK_DIFFERENCE <= at <= last)


class TrustAnchors:
    """Our root and issuing authorities.

    The chain from each issuing authority to its root is verified once, here; what is left for each
    certificate is its own signature, and whether all of the chain is valid at the time asked for.
    (Verifying the signature of a P-384 root again each time costs six times as much as all the rest.)

    Raises:
        ValueError: an issuing authority does not chain to a root.
    """

    def __init__(self, roots: Iterable[x509.Certificate], issuing: Iterable[x509.Certificate]) -> None:
        roots, issuing = tuple(roots), tuple(issuing)
        authorities: dict[bytes, tuple[_Issuing, ...]] = {}
        for certificate in issuing:
            name = asn1.encode_der(subject_name(certificate.public_bytes(Encoding.DER)))
            authorities[name] = (*authorities.get(name, ()), _under(roots, certificate))
        self._authorities: Final = authorities
        self._names: Final = frozenset(
            visible_name(subject_name(each.public_bytes(Encoding.DER))) for each in roots + issuing
        )
        self._key_identifiers: Final = frozenset(filter(None, map(_key_identifier, roots + issuing)))

    @classmethod
    def from_pem(cls, roots: bytes, issuing: bytes) -> Self:
        """Read roots and issuing authorities, each one or more certificates in PEM."""
        return cls(x509.load_pem_x509_certificates(roots), x509.load_pem_x509_certificates(issuing))

    def verify(self, certificate: bytes, at: datetime, *uses: CertificateUse) -> x509.Certificate:
        """Believe a certificate, or not (RFC 5280, 6). Whether it was revoked is the caller's question.

        Args:
            certificate: from anywhere; read as strict DER. Know it again by its serial number, not by its
                octets: anyone can turn an ECDSA signature (r, s) into (r, -s), which is valid too.
            at: the moment at which the whole chain has to be valid (with a time zone).
            uses: what the certificate has to be for: one of these.

        Raises:
            CertificateRefused: see ``Doubt``.
        """
        read = _read(certificate)
        issuer = self._issuer_of(read)
        try:
            purposes = purposes_of(read.fields.extensions)
            ours = x509.load_der_x509_certificate(certificate)
        except (ValueError, UnsupportedAlgorithm) as error:
            raise CertificateRefused(Doubt.MALFORMED) from error
        if not read.valid(at):
            raise CertificateRefused(Doubt.EXPIRED, ours)
        if not issuer.not_before - CLOCK_DIFFERENCE <= at <= issuer.not_after:
            raise CertificateRefused(Doubt.UNTRUSTED_ISSUER)
        if purposes is None or not any(use.allowed_by(purposes) for use in uses):
            raise CertificateRefused(Doubt.WRONG_PROFILE, ours)
        return ours

    def _issuer_of(self, read: _Read) -> _Issuing:
        """Find the authority that signed it. No more of a stranger's certificate is read than needed for that."""
        candidates = self._authorities.get(asn1.encode_der(read.fields.issuer), ())
        if read.may_be_ours:
            for authority in candidates:
                if authority.signed(read.outer):
                    return authority
        raise CertificateRefused(Doubt.LOOK_ALIKE if self._pretends(read.fields) else Doubt.UNTRUSTED_ISSUER)

    def _pretends(self, fields: TbsCertificate) -> bool:
        try:
            return (
                visible_name(fields.issuer) in self._names
                or authority_key_identifier(fields.extensions) in self._key_identifiers
            )
        except ValueError:  # what cannot be read looks like nothing of ours
            return False


def _read(certificate: bytes) -> _Read:
    try:
        outer = asn1.decode_der(CertificateFields, certificate)
        fields = asn1.decode_der(TbsCertificate, asn1.encode_der(outer.tbs))
    except ValueError as error:
        raise CertificateRefused(Doubt.MALFORMED) from error
    if outer.signature.padding_bits():  # whoever reads over it gives one certificate two forms
        raise CertificateRefused(Doubt.MALFORMED)
    return _Read(outer, fields)


def _key_identifier(certificate: x509.Certificate) -> bytes | None:
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    except x509.ExtensionNotFound:
        return None


def _under(roots: Iterable[x509.Certificate], issuing: x509.Certificate) -> _Issuing:
    for root in roots:
        try:
            issuing.verify_directly_issued_by(root)
        except (InvalidSignature, ValueError, TypeError):
            continue
        key = issuing.public_key()
        if not (_may_certify(root) and _may_certify(issuing)):
            break
        if not isinstance(key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey):
            break
        return _Issuing(
            key=key,
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
