"""Online certificate status (RFC 6960, 4) as DER.

Requests are declared field by field, and read strictly: BER forms, trailing octets, unknown fields fail. Responses are
assembled from octets, since thousands are made a second.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Final

from cryptography.hazmat import asn1
from cryptography.x509 import ObjectIdentifier

from libs.common.pki.der import Extension, header, wrapped

BASIC: Final = ObjectIdentifier("1.3.6.1.5.5.7.48.1.1")
NONCE: Final = ObjectIdentifier("1.3.6.1.5.5.7.48.1.2")

GOOD: Final = b"\x80\x00"
UNKNOWN: Final = b"\x82\x00"
_BASIC: Final = asn1.encode_der(BASIC)
_NONCE: Final = asn1.encode_der(NONCE)
_SEQUENCE: Final = 0x30
_BIT_STRING: Final = 0x03
_OCTET_STRING: Final = 0x04


IssuerForm = tuple[bytes, bytes, bytes]
"""What names an issuer: the digest algorithm (AlgorithmIdentifier, DER), the digests of its name and its key."""


@asn1.sequence
class CertId:
    """Which certificate: digests of its issuer's name and key, and its serial number."""

    hash_algorithm: asn1.TLV
    issuer_name_hash: bytes
    issuer_key_hash: bytes
    serial_number: int

    @property
    def issuer(self) -> IssuerForm:
        """What names the issuer."""
        algorithm = wrapped(self.hash_algorithm.tag_bytes[0], self.hash_algorithm.data)
        return algorithm, self.issuer_name_hash, self.issuer_key_hash

    @property
    def der(self) -> bytes:
        """All of it, as it came: DER has one form of each value."""
        return wrapped(_SEQUENCE, _issuer(self.issuer), asn1.encode_der(self.serial_number))


@asn1.sequence
class SingleRequest:
    """One question."""

    cert_id: CertId
    extensions: Annotated[list[Extension] | None, asn1.Explicit(0)]


@asn1.sequence
class TbsRequest:
    """The questions of one request. The requestor's name is ignored: the answers are for everybody."""

    version: Annotated[int, asn1.Explicit(0), asn1.Default(0)]
    requestor: Annotated[list[asn1.TLV] | None, asn1.Implicit(1)]
    requests: list[SingleRequest]
    extensions: Annotated[list[Extension] | None, asn1.Explicit(2)]


@asn1.sequence
class _RequestSignature:
    algorithm: asn1.TLV
    signature: asn1.BitString
    certificates: Annotated[list[asn1.TLV] | None, asn1.Explicit(0)]


@asn1.sequence
class OcspRequest:
    """A request; a signature on it is allowed and not needed."""

    tbs: TbsRequest
    signature: Annotated[_RequestSignature | None, asn1.Explicit(0)]


def enumerated(value: int) -> bytes:
    """Encode an ENUMERATED below 128."""
    return bytes((0x0A, 1, value))


@lru_cache(maxsize=4096)
def moment(at: datetime) -> bytes:
    """Encode a time as GeneralizedTime, in whole seconds."""
    return asn1.encode_der(asn1.GeneralizedTime(at))


def revoked(at: datetime, reason: int | None) -> bytes:
    """Encode the status of a revoked certificate; an unspecified reason is left out (None)."""
    return wrapped(0xA1, moment(at), b"" if reason is None else wrapped(0xA0, enumerated(reason)))


def validity(this_update: datetime, next_update: datetime) -> bytes:
    """Encode between which times an answer holds."""
    return moment(this_update) + wrapped(0xA0, moment(next_update))


def single(cert_id: bytes, status: bytes, validity: bytes) -> bytes:
    """Encode one answer: which certificate, in which state, and between which times."""
    return wrapped(_SEQUENCE, cert_id, status, validity)


def by_key(digest: bytes) -> bytes:
    """Encode the name of a responder: the digest of its key."""
    return wrapped(0xA2, wrapped(_OCTET_STRING, digest))


def response_data(responder: bytes, produced_at: bytes, answers: Sequence[bytes], nonce: bytes | None) -> bytes:
    """Encode what the responder signs. ``nonce`` is the extension's value."""
    extensions = b"" if nonce is None else _before_nonce(len(nonce)) + nonce
    return wrapped(_SEQUENCE, responder, produced_at, wrapped(_SEQUENCE, *answers), extensions)


def certificates(certificate: bytes) -> bytes:
    """Encode the certificates that come along: the responder's."""
    return wrapped(0xA0, wrapped(_SEQUENCE, certificate))


def basic_response(data: bytes, signature_algorithm: bytes, signature: bytes, certificates: bytes) -> bytes:
    """Encode the signed answers."""
    return wrapped(_SEQUENCE, data, signature_algorithm, wrapped(_BIT_STRING, b"\0", signature), certificates)


def response(basic: bytes) -> bytes:
    """Encode a successful response, which carries signed answers."""
    return _before_basic(len(basic)) + basic


def failure(status: int) -> bytes:
    """Encode a response that carries nothing but its status."""
    return wrapped(_SEQUENCE, enumerated(status))


@lru_cache(maxsize=1024)
def _before_basic(length: int) -> bytes:
    """Encode what stands before signed answers of so many octets."""
    octets = header(_OCTET_STRING, length)
    content = header(_SEQUENCE, len(_BASIC) + len(octets) + length) + _BASIC + octets
    explicit = enumerated(0) + header(0xA0, len(content) + length) + content
    return header(_SEQUENCE, len(explicit) + length) + explicit


@lru_cache(maxsize=128)
def _before_nonce(length: int) -> bytes:
    """Encode what stands before a nonce of so many octets, the only extension of an answer."""
    extension = _NONCE + header(_OCTET_STRING, length)
    for tag in (_SEQUENCE, _SEQUENCE, 0xA1):
        extension = header(tag, len(extension) + length) + extension
    return extension


@lru_cache(maxsize=64)
def _issuer(form: IssuerForm) -> bytes:
    algorithm, name, key = form
    return b"".join((algorithm, wrapped(_OCTET_STRING, name), wrapped(_OCTET_STRING, key)))
