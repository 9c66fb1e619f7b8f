"""Online certificate status (RFC 6960, 4) as DER.

Requests are declared field by field, and read strictly: BER forms, trailing octets, unknown fields fail. Responses are
put together from octets, since thousands are made a second.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Final

from cryptography.hazmat import asn1
from cryptography.x509 import ObjectIdentifier

from libs.common.der import Extension, header

BASIC: Final = ObjectIdentifier("1.3.6.1.5.5.7.48.1.1")
NONCE: Final = ObjectIdentifier("1.3.6.1.5.5.7.48.1.2")

GOOD: Final = b"\x80\x00"
UNKNOWN: Final = b"\x82\x00"
_BASIC: Final = asn1.encode_der(BASIC)
_SEQUENCE: Final = 0x30
_BIT_STRING: Final = 0x03
_OCTET_STRING: Final = 0x04


@asn1.sequence
class CertId:
    """Which certificate: digests of its issuer's name and key, and its serial number."""

    hash_algorithm: asn1.TLV
    issuer_name_hash: bytes
    issuer_key_hash: bytes
    serial_number: int

    @property
    def issuer(self) -> tuple[bytes, bytes, bytes]:
        """What names the issuer: the digest algorithm (AlgorithmIdentifier, DER), the name's and the key's digest."""
        return asn1.encode_der(self.hash_algorithm), self.issuer_name_hash, self.issuer_key_hash


@asn1.sequence
class SingleRequest:
    """One question."""

    cert_id: CertId
    extensions: Annotated[list[Extension] | None, asn1.Explicit(0)]


@asn1.sequence
class TbsRequest:
    """The questions of one request. The requestor's name is not looked at: the answers are for everybody."""

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
    return _wrapped(0xA1, moment(at), b"" if reason is None else _wrapped(0xA0, enumerated(reason)))


def single(cert_id: bytes, told: bytes, this_update: datetime, next_update: datetime) -> bytes:
    """Encode one answer: which certificate, in which state, and between which times."""
    return _wrapped(_SEQUENCE, cert_id, told, moment(this_update), _wrapped(0xA0, moment(next_update)))


def response_data(key_digest: bytes, produced_at: datetime, answers: Sequence[bytes], nonce: bytes | None) -> bytes:
    """Encode what the responder signs; it names itself by the digest of its key. ``nonce`` is the extension's value."""
    extensions = b""
    if nonce is not None:
        extension = asn1.encode_der(Extension(oid=NONCE, critical=False, value=nonce))
        extensions = _wrapped(0xA1, _wrapped(_SEQUENCE, extension))
    return _wrapped(
        _SEQUENCE,
        _wrapped(0xA2, _wrapped(_OCTET_STRING, key_digest)),
        moment(produced_at),
        _wrapped(_SEQUENCE, *answers),
        extensions,
    )


def basic_response(data: bytes, signature_algorithm: bytes, signature: bytes, certificate: bytes) -> bytes:
    """Encode the signed answers, with the responder's certificate."""
    certificates = _wrapped(0xA0, _wrapped(_SEQUENCE, certificate))
    return _wrapped(_SEQUENCE, data, signature_algorithm, _wrapped(_BIT_STRING, b"\0", signature), certificates)


def response(status: int, basic: bytes | None = None) -> bytes:
    """Encode a response: the status, and, in a successful one, the signed answers."""
    if basic is None:
        return _wrapped(_SEQUENCE, enumerated(status))
    content = _wrapped(_SEQUENCE, _BASIC, _wrapped(_OCTET_STRING, basic))
    return _wrapped(_SEQUENCE, enumerated(status), _wrapped(0xA0, content))


def _wrapped(tag: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    return header(tag, len(content)) + content
