"""Time-stamps (RFC 3161) declared as DER. Strict: BER forms, trailing octets and unknown fields are a ValueError."""

from typing import Annotated, Final

from cryptography.hazmat import asn1
from cryptography.x509 import ObjectIdentifier

from libs.common.pki.cms_structures import ContentInfo
from libs.common.pki.der import Extension

TST_INFO: Final = ObjectIdentifier("1.2.840.113549.1.9.16.1.4")


@asn1.sequence
class MessageImprint:
    """The digest of what is stamped."""

    algorithm: asn1.TLV
    digest: bytes


@asn1.sequence
class TimeStampRequest:
    """A request (2.4.1)."""

    version: int
    imprint: MessageImprint
    policy: ObjectIdentifier | None
    nonce: int | None
    certificate_wanted: Annotated[bool, asn1.Default(False)]
    extensions: Annotated[list[Extension] | None, asn1.Implicit(0)]


@asn1.sequence
class Accuracy:
    """How far the stated time may be from the true one, to either side."""

    seconds: int
    millis: Annotated[int | None, asn1.Implicit(0)]


@asn1.sequence
class TstInfo:
    """What is signed (2.4.2). ``ordering`` is false: stamps of several replicas are not ordered by their times."""

    version: int
    policy: ObjectIdentifier
    imprint: MessageImprint
    serial_number: int
    time: asn1.GeneralizedTime
    accuracy: Accuracy
    ordering: Annotated[bool, asn1.Default(False)]
    nonce: int | None


@asn1.sequence
class _StatusInfo:
    status: int
    text: list[str] | None
    failure: asn1.BitString | None


@asn1.sequence
class _Response:
    status: _StatusInfo
    token: ContentInfo | None


def granted(token: ContentInfo) -> bytes:
    """Encode a response with a time-stamp."""
    return asn1.encode_der(_Response(status=_StatusInfo(status=0, text=None, failure=None), token=token))


def read_granted(response: bytes) -> ContentInfo:
    """Read the time-stamp out of a response. ValueError if it is none, or holds none."""
    token: ContentInfo | None = asn1.decode_der(_Response, response).token
    if token is None:
        raise ValueError("the response holds no time-stamp")
    return token


def rejected(failure: int, text: str) -> bytes:
    """Encode a refusal; ``failure`` is the number of the bit in PKIFailureInfo."""
    octet, bit = divmod(failure, 8)
    named = asn1.BitString(bytes(octet) + bytes((0x80 >> bit,)), 7 - bit)  # DER: no zero bits at the end
    return asn1.encode_der(_Response(status=_StatusInfo(status=2, text=[text], failure=named), token=None))
