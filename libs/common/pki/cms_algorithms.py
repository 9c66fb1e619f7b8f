"""Which algorithms signatures may use: SHA-2 with EC or RSA (PKCS#1 v1.5). Everything else is unsupported."""

import hashlib
from typing import Final

from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import SignatureAlgorithmOID

from libs.common.pki.der import AlgorithmIdentifier

_RSA_ENCRYPTION: Final = x509.ObjectIdentifier("1.2.840.113549.1.1.1")

SHA2: Final[dict[x509.ObjectIdentifier, hashes.HashAlgorithm]] = {
    x509.ObjectIdentifier("2.16.840.1.101.3.4.2.1"): hashes.SHA256(),
    x509.ObjectIdentifier("2.16.840.1.101.3.4.2.2"): hashes.SHA384(),
    x509.ObjectIdentifier("2.16.840.1.101.3.4.2.3"): hashes.SHA512(),
}


def _encodings(algorithm: x509.ObjectIdentifier) -> tuple[bytes, bytes]:
    """Encode an algorithm with its parameters absent and NULL: verifiers take both (RFC 5754, 2)."""
    return (
        asn1.encode_der(AlgorithmIdentifier(algorithm=algorithm, parameters=None)),
        asn1.encode_der(AlgorithmIdentifier(algorithm=algorithm, parameters=asn1.Null())),
    )


DIGESTS: Final = {der: digest for oid, digest in SHA2.items() for der in _encodings(oid)}
"""By AlgorithmIdentifier (DER)."""
SCHEMES: Final = frozenset(
    (der, digest, kind)
    for oid, digest, kind in (
        (SignatureAlgorithmOID.ECDSA_WITH_SHA256, "sha256", "EC"),
        (SignatureAlgorithmOID.ECDSA_WITH_SHA384, "sha384", "EC"),
        (SignatureAlgorithmOID.ECDSA_WITH_SHA512, "sha512", "EC"),
        (SignatureAlgorithmOID.RSA_WITH_SHA256, "sha256", "RSA"),
        (SignatureAlgorithmOID.RSA_WITH_SHA384, "sha384", "RSA"),
        (SignatureAlgorithmOID.RSA_WITH_SHA512, "sha512", "RSA"),
        *((_RSA_ENCRYPTION, digest.name, "RSA") for digest in SHA2.values()),
    )
    for der in _encodings(oid)
)
"""Signature algorithm, digest and kind of key that go together; PKCS#1 v1.5 may go by the key's name alone."""


def digest_of(algorithm: hashes.HashAlgorithm, data: bytes) -> bytes:
    """Compute a digest."""
    return hashlib.new(algorithm.name, data).digest()
