"""Signature values in XML (XML Signature 1.1, 6.4; RFC 6931): SHA-2 with EC or RSA (PKCS#1 v1.5), and keys by value."""

import base64
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from lxml import etree  # type: ignore[import-untyped]  # it ships no types

_MORE: Final = "http://www.w3.org/2001/04/xmldsig-more#"
DIGESTS: Final = {
    "http://www.w3.org/2001/04/xmlenc#sha256": "sha256",
    f"{_MORE}sha384": "sha384",
    "http://www.w3.org/2001/04/xmlenc#sha512": "sha512",
}
"""Names of digests by their addresses."""
METHODS: Final[dict[str, tuple[str, hashes.HashAlgorithm]]] = {
    f"{_MORE}{kind}-{digest.name}": (kind, digest)
    for kind in ("ecdsa", "rsa")
    for digest in (hashes.SHA256(), hashes.SHA384(), hashes.SHA512())
}
"""Kinds of keys and digests by the addresses of signature methods."""

_DS: Final = "{http://www.w3.org/2000/09/xmldsig#}"
_DS_1_1: Final = "{http://www.w3.org/2009/xmldsig11#}"


class OtherKey(ValueError):
    """The method, the value or a key beside the certificate does not fit the certificate's key."""


def verify_value(certificate: x509.Certificate, method: str, value: bytes, octets: bytes) -> None:
    """Verify a signature value.

    Raises:
        InvalidSignature: the certificate's key did not make it.
        OtherKey: it is no value of such a key.
    """
    key, (kind, digest) = certificate.public_key(), METHODS[method]
    if isinstance(key, ec.EllipticCurvePublicKey) and kind == "ecdsa":
        size = (key.key_size + 7) // 8
        if len(value) != 2 * size:
            raise OtherKey("r and s, each as long as the key")
        r, s = (int.from_bytes(each, "big") for each in (value[:size], value[size:]))
        key.verify(encode_dss_signature(r, s), octets, ec.ECDSA(digest))
    elif isinstance(key, rsa.RSAPublicKey) and kind == "rsa":
        key.verify(value, octets, padding.PKCS1v15(), digest)
    else:
        raise OtherKey("another kind of key than the method's")


def require_same_key(key_info: etree._Element, certificate: x509.Certificate) -> None:
    """Compare keys that stand beside the certificate by value. OtherKey where one is another, or unreadable."""
    for value in key_info.findall(f"{_DS}KeyValue"):
        try:
            same = [_is_key(each, certificate.public_key()) for each in value]
        except ValueError as error:
            raise OtherKey("a key that does not read") from error
        if same != [True]:
            raise OtherKey("another key than the certificate's")


def _is_key(value: etree._Element, key: object) -> bool:
    if value.tag == f"{_DS}RSAKeyValue" and isinstance(key, rsa.RSAPublicKey):
        parts = tuple(_number(value.findtext(f"{_DS}{name}")) for name in ("Modulus", "Exponent"))
        return parts == (key.public_numbers().n, key.public_numbers().e)
    if value.tag == f"{_DS_1_1}ECKeyValue" and isinstance(key, ec.EllipticCurvePublicKey):
        point = base64.b64decode(value.findtext(f"{_DS_1_1}PublicKey") or "")
        return ec.EllipticCurvePublicKey.from_encoded_point(key.curve, point) == key
    return False


def _number(text: str | None) -> int:
    return int.from_bytes(base64.b64decode(text or ""), "big")
