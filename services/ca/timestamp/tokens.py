"""Believing a time-stamp in a signature: an RFC 3161 token as signature-time-stamp attribute (EN 319 122-1, 5.3)."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final

from cryptography import x509
from cryptography.hazmat import asn1

from libs.common.pki.certificate_use import TIME_STAMPING
from libs.common.pki.cms import Claim, read
from libs.common.pki.cms_algorithms import DIGESTS
from libs.common.pki.cms_refusals import SignatureRefused
from libs.common.pki.der import Extension
from libs.common.pki.trust import TrustAnchors
from services.ca.timestamp.structures import TST_INFO, MessageImprint

SIGNATURE_TIME_STAMP: Final = x509.ObjectIdentifier("1.2.840.113549.1.9.16.2.14")
_VERSION: Final = 1
_MAX_STAMPS: Final = 4
_STRANGERS: Final = "timestamp_untrusted_issuer"


@asn1.sequence
class _Accuracy:
    seconds: int | None
    millis: Annotated[int | None, asn1.Implicit(0)]
    micros: Annotated[int | None, asn1.Implicit(1)]


@asn1.sequence
class _TstInfo:
    """What any authority may have signed (RFC 3161, 2.4.2); what ours signs has less."""

    version: int
    policy: x509.ObjectIdentifier
    imprint: MessageImprint
    serial_number: int
    time: asn1.GeneralizedTime
    accuracy: _Accuracy | None
    ordering: Annotated[bool, asn1.Default(False)]
    nonce: int | None
    authority: Annotated[list[asn1.TLV] | None, asn1.Implicit(0)]
    extensions: Annotated[list[Extension] | None, asn1.Implicit(1)]


class NotStampedError(Exception):
    """A time-stamp that proves nothing. ``reason`` is ``timestamp_`` and what is wrong with it."""

    def __init__(self, what: str) -> None:
        self.reason = f"timestamp_{what}"
        super().__init__(self.reason)


@dataclass(frozen=True, slots=True)
class TimeStamp:
    """A time-stamp authority of ours says that the signature existed at ``time`` (UTC).

    Attributes:
        certificate: the authority's. Whether it was revoked is the caller's question.
        digest: of the signature value, by ``digest_algorithm``.
    """

    time: datetime
    serial_number: int
    policy: x509.ObjectIdentifier
    digest_algorithm: str
    digest: bytes
    certificate: x509.Certificate


def time_stamp(claim: Claim, trust: TrustAnchors) -> TimeStamp | None:
    """Verify the time-stamps over a signature, and return the earliest of ours; None if it bears none.

    There may be several, of several authorities (RFC 5126, 6.1.1); strangers' prove nothing beside one of ours.

    Raises:
        NotStampedError: one is malformed or of another signature, or none is by a time-stamp authority of ours.
    """
    found: list[TimeStamp] = []
    strangers: list[NotStampedError] = []
    for token in claim.unsigned(SIGNATURE_TIME_STAMP)[: _MAX_STAMPS + 1]:
        if len(found) + len(strangers) == _MAX_STAMPS:
            raise NotStampedError("too_large")
        try:
            stamp = believed(token, trust)
        except NotStampedError as error:
            if error.reason != _STRANGERS:
                raise
            strangers.append(error)
            continue
        if stamp.digest != hashlib.new(stamp.digest_algorithm, claim.info.signature).digest():
            raise NotStampedError("wrong_document")
        found.append(stamp)
    if strangers and not found:
        raise strangers[0]
    return min(found, key=lambda each: each.time, default=None)


def believed(token: bytes, trust: TrustAnchors) -> TimeStamp:
    """Verify a time-stamp token by itself; what it was made over is the caller's question.

    Raises:
        NotStampedError: it is malformed, or not by a time-stamp authority of ours.
    """
    try:
        message = read(token, content_type=TST_INFO)
        if message.content is None or len(message.signers) != 1:
            raise NotStampedError("malformed")
        info = asn1.decode_der(_TstInfo, message.content)
        moment: datetime = info.time.as_datetime()
        authority = message.claim(message.signers[0], message.content).verify(trust, moment, TIME_STAMPING)
    except SignatureRefused as refusal:
        raise NotStampedError(refusal.fault) from refusal
    except ValueError as error:
        raise NotStampedError("malformed") from error
    algorithm = DIGESTS.get(asn1.encode_der(info.imprint.algorithm))
    if info.version != _VERSION or algorithm is None:
        raise NotStampedError("unsupported_algorithm")
    return TimeStamp(moment, info.serial_number, info.policy, algorithm.name, info.imprint.digest, authority)
