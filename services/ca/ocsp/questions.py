"""Parser of requests (RFC 6960, 4.1). It is strict: BER forms, trailing octets, unknown critical extensions fail."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Self

from cryptography.hazmat import asn1

from libs.common.pki.der import Extension
from services.ca.ocsp.structures import NONCE, CertId, IssuerForm, OcspRequest

MAX_OCTETS: Final = 8192
MAX_QUESTIONS: Final = 16
MAX_NONCE: Final = 128
"""Octets (RFC 9654, 2.1); a longer or an empty nonce makes the request malformed."""


class OcspFailure(IntEnum):
    """Why there is no answer (RFC 6960, 4.2.1). These responses are not signed."""

    MALFORMED_REQUEST = 1
    TRY_LATER = 3
    UNAUTHORIZED = 6


class OcspRefused(Exception):
    """The request gets no answer, but a reason."""

    def __init__(self, failure: OcspFailure) -> None:
        super().__init__(failure.name)
        self.failure = failure


@dataclass(frozen=True, slots=True)
class OcspQuestion:
    """Which certificate is asked about: what names its issuer, its serial number, and all of it (CertID) in DER."""

    issuer: IssuerForm
    serial_number: int
    der: bytes

    @classmethod
    def of(cls, cert_id: CertId) -> Self:
        """Take it as it came: DER has one form of each value."""
        return cls(cert_id.issuer, cert_id.serial_number, cert_id.der)


@dataclass(frozen=True, slots=True)
class OcspQuestions:
    """What a request asks. ``nonce`` is the extension's value, in DER."""

    cert_ids: tuple[OcspQuestion, ...]
    nonce: bytes | None

    @property
    def serial_numbers(self) -> tuple[int, ...]:
        """The certificates in question, in order."""
        return tuple([cert_id.serial_number for cert_id in self.cert_ids])


def read_questions(der: bytes) -> OcspQuestions:
    """Read a request in DER.

    Raises:
        OcspRefused: it is malformed: no DER of this form, too long, another version, a critical extension nobody
            here knows, an impossible nonce, or no or too many questions.
    """
    try:
        return _questions(der)
    except ValueError as error:
        raise OcspRefused(OcspFailure.MALFORMED_REQUEST) from error


def _questions(der: bytes) -> OcspQuestions:
    if len(der) > MAX_OCTETS:
        raise ValueError("too long")
    tbs = asn1.decode_der(OcspRequest, der).tbs
    asked = tbs.requests
    if tbs.version != 0 or not 0 < len(asked) <= MAX_QUESTIONS:
        raise ValueError("not this version, or no or too many questions")
    if any(extension.critical for each in asked for extension in each.extensions or ()):
        raise ValueError("an unknown critical extension")
    return OcspQuestions(tuple(OcspQuestion.of(each.cert_id) for each in asked), _nonce(tbs.extensions or []))


def _nonce(extensions: Sequence[Extension]) -> bytes | None:
    if any(extension.critical for extension in extensions if extension.oid != NONCE):
        raise ValueError("an unknown critical extension")
    values = [extension.value for extension in extensions if extension.oid == NONCE]
    if not values:
        return None
    (value,) = values
    if not 0 < len(asn1.decode_der(bytes, value)) <= MAX_NONCE:
        raise ValueError("a nonce has 1 to 128 octets")
    return value
