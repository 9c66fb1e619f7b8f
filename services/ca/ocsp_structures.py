"""Online certificate status (RFC 6960, 4) declared as DER. Strict: BER forms, trailing octets, unknown fields fail."""

from typing import Annotated, Final

from cryptography.hazmat import asn1
from cryptography.x509 import ObjectIdentifier

from libs.common.der import Extension, tlv

BASIC: Final = ObjectIdentifier("1.3.6.1.5.5.7.48.1.1")
NONCE: Final = ObjectIdentifier("1.3.6.1.5.5.7.48.1.2")

GOOD: Final = b"\x80\x00"
UNKNOWN: Final = b"\x82\x00"
_REVOKED: Final = b"\xa1"


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


@asn1.sequence
class _RevokedInfo:
    at: asn1.GeneralizedTime
    reason: Annotated[list[asn1.TLV] | None, asn1.Implicit(0)]


@asn1.sequence
class SingleResponse:
    """One answer."""

    cert_id: CertId
    status: asn1.TLV
    this_update: asn1.GeneralizedTime
    next_update: Annotated[asn1.GeneralizedTime | None, asn1.Explicit(0)]


@asn1.sequence
class ResponseData:
    """What the responder signs; it names itself by the digest of its key."""

    responder: Annotated[bytes, asn1.Explicit(2)]
    produced_at: asn1.GeneralizedTime
    responses: list[SingleResponse]
    extensions: Annotated[list[Extension] | None, asn1.Explicit(1)]


@asn1.sequence
class BasicResponse:
    """The signed answers, with the responder's certificate."""

    tbs: asn1.TLV
    signature_algorithm: asn1.TLV
    signature: asn1.BitString
    certificates: Annotated[list[asn1.TLV], asn1.Explicit(0)]


@asn1.sequence
class _ResponseBytes:
    type: ObjectIdentifier
    response: bytes


@asn1.sequence
class _Response:
    status: asn1.TLV
    content: Annotated[_ResponseBytes | None, asn1.Explicit(0)]


def enumerated(value: int) -> asn1.TLV:
    """Encode an ENUMERATED below 128."""
    return tlv(bytes((0x0A, 1, value)))


def revoked(at: asn1.GeneralizedTime, reason: int | None) -> bytes:
    """Encode the status of a revoked certificate; an unspecified reason is left out (None)."""
    info = _RevokedInfo(at=at, reason=None if reason is None else [enumerated(reason)])
    return _REVOKED + asn1.encode_der(info)[1:]


def response(status: int, basic: bytes | None = None) -> bytes:
    """Encode a response: the status, and, in a successful one, the signed answers."""
    content = None if basic is None else _ResponseBytes(type=BASIC, response=basic)
    return asn1.encode_der(_Response(status=enumerated(status), content=content))
