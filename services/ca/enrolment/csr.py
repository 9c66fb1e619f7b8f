"""Certificate requests of citizens (PKCS#10, RFC 2986): only the public key is taken from them.

Names come from established facts; subject and requested extensions of a request are not even read.
"""

from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from libs.common.core.armour import BEGIN, as_text, unarmoured
from libs.common.core.errors import Refused
from libs.common.pki.der import CertificateFields
from services.ca.authority.issuers import PublicKey
from services.ca.model.key_rules import Weakness, key_weakness
from services.ca.refusals import CaRefusal

MAX_LENGTH: Final = 8192
"""Octets of DER, or characters of PEM. With an RSA-4096 key it takes 1,700 characters, with openssl's text 6,100."""

_LABELS: Final = ("CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST")
"""Older tools say NEW (RFC 7468, 7)."""
_HASHES: Final = (hashes.SHA256, hashes.SHA384, hashes.SHA512)
_WEAKNESSES: Final = {
    Weakness.CURVE: CaRefusal.CSR_KEY_CURVE,
    Weakness.SIZE: CaRefusal.CSR_KEY_SIZE,
    Weakness.EXPONENT: CaRefusal.CSR_KEY_EXPONENT,
    Weakness.FACTORABLE: CaRefusal.CSR_KEY_FACTORABLE,
    Weakness.ROCA: CaRefusal.CSR_KEY_ROCA,
}


class CsrRefused(Refused):
    """A request that can't be honoured; the citizen may send a better one."""

    def __init__(self, reason: CaRefusal) -> None:
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class ProvenKey:
    """A public key whose holder proved to have the private one. ``spki`` is its DER, in one canonical form."""

    public_key: PublicKey
    spki: bytes


def parse(request: bytes) -> ProvenKey:
    """Take the public key from a request in DER or PEM.

    Raises:
        CsrRefused: malformed or too large, key of a kind or strength not certified here, or the
            request's signature does not prove possession of the private key.
    """
    try:
        csr = _load(request)
        _require_whole_octets(csr)
        key = _certifiable(csr)
        proved = csr.is_signature_valid
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion) as error:
        raise CsrRefused(CaRefusal.CSR_MALFORMED) from error
    if not proved:
        raise CsrRefused(CaRefusal.CSR_BAD_SIGNATURE)
    return ProvenKey(key, key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def require_distinct(*requests: ProvenKey) -> None:
    """Insist on one key per certificate. CsrRefused (``csr.same_key_twice``) otherwise."""
    if len({request.spki for request in requests}) != len(requests):
        raise CsrRefused(CaRefusal.CSR_SAME_KEY_TWICE)


def _load(request: bytes) -> x509.CertificateSigningRequest:
    text = as_text(request)
    if len(text) > MAX_LENGTH:
        raise ValueError("too large")
    if BEGIN not in text:
        return x509.load_der_x509_csr(request)
    label, der = unarmoured(text)
    if label not in _LABELS:
        raise ValueError("not a certificate request")
    return x509.load_der_x509_csr(der)


def _require_whole_octets(csr: x509.CertificateSigningRequest) -> None:
    """Refuse a signature that claims unused bits: the library passes over them, and one request would have two forms.

    A request is written as a certificate is: what was signed, by which algorithm, the signature (RFC 2986, 4.2).
    """
    if asn1.decode_der(CertificateFields, csr.public_bytes(Encoding.DER)).signature.padding_bits():
        raise ValueError("a signature has whole octets")


def _certifiable(csr: x509.CertificateSigningRequest) -> PublicKey:
    try:
        key = csr.public_key()
    except UnsupportedAlgorithm:
        key = None
    if key is None and _is_gost(csr):
        raise CsrRefused(CaRefusal.CSR_GOST_KEY)
    if not isinstance(key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey):
        raise CsrRefused(CaRefusal.CSR_FOREIGN_KEY_TYPE)
    if (weakness := key_weakness(key)) is not None:
        raise CsrRefused(_WEAKNESSES[weakness])
    if not isinstance(csr.signature_hash_algorithm, _HASHES):
        raise CsrRefused(CaRefusal.CSR_BAD_SIGNATURE)
    return key


def _is_gost(csr: x509.CertificateSigningRequest) -> bool:
    """Return whether a key is by a Kazakh (1.2.398.3.10) or Russian (1.2.643) GOST algorithm."""
    kind: x509.ObjectIdentifier = csr.public_key_algorithm_oid  # type: ignore[attr-defined]  # the library's types lack it
    return kind.dotted_string.startswith(("1.2.398.3.10.", "1.2.643."))
