"""The authority that issues: its name, its key, and the algorithm it signs with."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import SignatureAlgorithmOID

from libs.common.pki.der import AlgorithmIdentifier, name_attributes, name_tlv, subject_name, tlv
from services.ca.model.subject import Holder

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey


@dataclass(frozen=True, slots=True)
class Issuer:
    """Whose key signs.

    Attributes:
        label: stands in addresses and records, such as ``issuing``.
        name: the distinguished name, in DER.
        key_identifier: the subject key identifier of its certificate.
        public_key: what its signatures are checked with.
        signature_algorithm: the AlgorithmIdentifier of its signatures, in DER.
    """

    label: str
    name: bytes
    key_identifier: bytes
    public_key: PublicKey
    signature_algorithm: bytes

    @classmethod
    def of(cls, label: str, certificate: x509.Certificate) -> Self:
        """Take an authority from its certificate. ValueError if it may not sign certificates."""
        extensions = certificate.extensions
        if not extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign:
            raise ValueError(f"{label}: this certificate does not allow signing certificates")
        public_key = usable_key(certificate.public_key())
        return cls(
            label=label,
            name=asn1.encode_der(subject_name(certificate.public_bytes(Encoding.DER))),
            key_identifier=extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest,
            public_key=public_key,
            signature_algorithm=signature_algorithm(public_key),
        )

    @classmethod
    def root(cls, label: str, holder: Holder, public_key: PublicKey) -> Self:
        """Describe an authority that is about to sign its own certificate."""
        return cls(
            label=label,
            name=asn1.encode_der(name_tlv(holder.attributes())),
            key_identifier=x509.SubjectKeyIdentifier.from_public_key(public_key).digest,
            public_key=public_key,
            signature_algorithm=signature_algorithm(public_key),
        )

    @property
    def key_bits(self) -> bytes:
        """The content of the subjectPublicKey BIT STRING, which OCSP requests name an authority's key by."""
        if isinstance(self.public_key, rsa.RSAPublicKey):
            return self.public_key.public_bytes(Encoding.DER, PublicFormat.PKCS1)
        return self.public_key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)

    @property
    def x509_name(self) -> x509.Name:
        """The distinguished name, for builders that ask for it in this form."""
        attributes = name_attributes(tlv(self.name))
        return x509.Name([x509.NameAttribute(kind, value) for kind, value in attributes])

    @property
    def signature_hash(self) -> hashes.SHA256 | hashes.SHA384:
        """The digest as strong as the key."""
        return _hash(self.public_key)

    def sign(self, key: PrivateKey, data: bytes) -> bytes:
        """Sign with the authority's key.

        ECDSA takes its nonce from key and data (RFC 6979), PKCS#1 v1.5 needs none: the same data gives the
        same signature, so that a certificate signed again after a crash is the same certificate.
        ValueError if the key is not this authority's.
        """
        if key.public_key() != self.public_key:
            raise ValueError(f"{self.label}: the key does not belong to this authority")
        return sign_with(key, data, deterministic=True)

    def verify(self, signature: bytes, data: bytes) -> None:
        """Check a signature of this authority. InvalidSignature if it is none."""
        if isinstance(self.public_key, rsa.RSAPublicKey):
            self.public_key.verify(signature, data, padding.PKCS1v15(), self.signature_hash)
        else:
            self.public_key.verify(signature, data, ec.ECDSA(self.signature_hash))


def usable_key(public_key: object) -> PublicKey:
    """Narrow to the kinds of key certified here. ValueError for others."""
    if not isinstance(public_key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey):
        raise ValueError("only EC and RSA keys are used here")  # noqa: TRY004 - a refused value, not a bug
    return public_key


def public_digest(public_key: PublicKey) -> str:
    """Return what a key is known by in transcripts and backups: SHA-256 of its SubjectPublicKeyInfo, in hexadecimal."""
    spki = public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(spki).hexdigest()


def sign_with(key: PrivateKey, data: bytes, *, deterministic: bool = False) -> bytes:
    """Sign by the algorithm that `signature_algorithm` names for this key."""
    return signer(key, deterministic=deterministic)(data)


def signer(key: PrivateKey, *, deterministic: bool = False) -> Callable[[bytes], bytes]:
    """Return what signs as `sign_with` does, for whoever signs often."""
    digest = _hash(key.public_key())
    if isinstance(key, rsa.RSAPrivateKey):
        scheme = padding.PKCS1v15()
        return lambda data: key.sign(data, scheme, digest)
    algorithm = ec.ECDSA(digest, deterministic_signing=deterministic)
    return lambda data: key.sign(data, algorithm)


def signature_algorithm(public_key: PublicKey) -> bytes:
    """Return the AlgorithmIdentifier of a key's signatures, in DER."""
    return asn1.encode_der(_algorithm(public_key))


def _hash(public_key: PublicKey) -> hashes.SHA256 | hashes.SHA384:
    if isinstance(public_key, ec.EllipticCurvePublicKey) and isinstance(public_key.curve, ec.SECP384R1):
        return hashes.SHA384()
    return hashes.SHA256()


def _algorithm(public_key: PublicKey) -> AlgorithmIdentifier:
    """RSA takes NULL parameters (RFC 4055, 5), ECDSA none (RFC 5758, 3.2)."""
    if isinstance(public_key, rsa.RSAPublicKey):
        return AlgorithmIdentifier(algorithm=SignatureAlgorithmOID.RSA_WITH_SHA256, parameters=asn1.Null())
    by_hash = {
        "sha256": SignatureAlgorithmOID.ECDSA_WITH_SHA256,
        "sha384": SignatureAlgorithmOID.ECDSA_WITH_SHA384,
    }
    return AlgorithmIdentifier(algorithm=by_hash[_hash(public_key).name], parameters=None)
