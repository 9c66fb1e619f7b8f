"""Reading what is asked (RFC 6960, 4.1), strictly: BER forms, trailing octets, unknown critical extensions fail."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Self

from cryptography.hazmat import asn1

from libs.common.pki.der import Extension
from services.ca.model.ids import SERIAL_OCTETS
from services.ca.ocsp.structures import NONCE, CertId, IssuerForm, OcspRequest

MAX_OCTETS: Final = 8192
MAX_QUESTIONS: Final = 16
MAX_NONCE: Final = 128
"""Octets (RFC 9654, 2.1); a longer or an empty nonce makes the request malformed."""
_LEARNT_OCTETS: Final = 256
_LEARNT: Final = 4
"""How many shapes of one length are kept: the latest, of short requests."""
_OURS: Final = range(0x40, 0x80)
"""With what serial numbers of `SERIAL_OCTETS` begin here: others have other forms in DER, and are read in full."""


class Failure(IntEnum):
    """Why there is no answer (RFC 6960, 4.2.1). These responses are not signed."""

    MALFORMED_REQUEST = 1
    TRY_LATER = 3
    UNAUTHORIZED = 6


class OcspRefused(Exception):
    """The request gets no answer, but a reason."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.name)
        self.failure = failure


@dataclass(frozen=True, slots=True)
class Question:
    """Which certificate is asked about: what names its issuer, its serial number, and all of it (CertID) in DER."""

    issuer: IssuerForm
    serial_number: int
    der: bytes

    @classmethod
    def of(cls, cert_id: CertId) -> Self:
        """Take it as it came: DER has one form of each value."""
        return cls(cert_id.issuer, cert_id.serial_number, cert_id.der)


@dataclass(frozen=True, slots=True)
class Questions:
    """What a request asks. ``nonce`` is the extension's value, in DER."""

    cert_ids: tuple[Question, ...]
    nonce: bytes | None

    @property
    def serial_numbers(self) -> tuple[int, ...]:
        """The certificates in question, in order."""
        return tuple([cert_id.serial_number for cert_id in self.cert_ids])


def read(der: bytes) -> Questions:
    """Read a request in DER.

    Raises:
        OcspRefused: it is malformed: no DER of this form, too long, another version, a critical extension nobody
            here knows, an impossible nonce, or no or too many questions.
    """
    try:
        return _questions(der)
    except ValueError as error:
        raise OcspRefused(Failure.MALFORMED_REQUEST) from error


class Reader:
    """Reads as `read` does, and at a glance what differs from an earlier request in serial number and nonce only.

    A client's software writes all else alike. In DER lengths stand before contents, and any octets will do for the
    contents of these two (see `_OURS`): so with the same octets everywhere else, a request reads the same.
    """

    def __init__(self) -> None:
        self._shapes: dict[int, tuple[_Shape, ...]] = {}

    def read(self, der: bytes) -> Questions:
        """Read a request in DER. OcspRefused as `read`."""
        known = self._shapes.get(len(der), ())
        for shape in known:
            if (questions := shape.read(der)) is not None:
                return questions
        questions = read(der)
        if len(der) <= _LEARNT_OCTETS and (learnt := _Shape.of(der, questions)) is not None:
            self._shapes[len(der)] = (learnt, *known[: _LEARNT - 1])
        return questions


@dataclass(frozen=True, slots=True)
class _Shape:
    """What requests about one issuer's certificates have in common.

    Attributes:
        head: the octets before the serial number.
        middle: those between it and the nonce, which is the last in the request.
        begin: where the CertID begins, which ends with the serial number.
        issuer: what names the issuer in it.
        nonce: octets of the nonce as an extension's value; 0 if there is none.
    """

    head: bytes
    middle: bytes
    begin: int
    issuer: IssuerForm
    nonce: int

    @classmethod
    def of(cls, der: bytes, questions: Questions) -> Self | None:
        """Take the shape of a request. None: it asks for something else, or where is not beyond doubt."""
        nonce = questions.nonce or b""
        content = asn1.decode_der(bytes, nonce) if nonce else b""
        only = questions.cert_ids[0]
        at = der.find(only.der) + len(only.der) - SERIAL_OCTETS
        shape = cls(
            der[:at],
            der[at + SERIAL_OCTETS : len(der) - len(content)],
            at + SERIAL_OCTETS - len(only.der),
            only.issuer,
            len(nonce),
        )
        alone = len(questions.cert_ids) == 1 and der.find(only.der) == der.rfind(only.der)
        last = not nonce or der.find(nonce) == len(der) - len(nonce)
        return shape if alone and last and shape.read(der) == questions else None

    def read(self, der: bytes) -> Questions | None:
        """Read a request of the same length. None: it has another shape."""
        at = len(self.head)
        end = at + SERIAL_OCTETS
        if der[at] not in _OURS or not der.startswith(self.head) or not der.startswith(self.middle, end):
            return None
        asked = Question(self.issuer, int.from_bytes(der[at:end], "big"), der[self.begin : end])
        return Questions((asked,), der[-self.nonce :] if self.nonce else None)


def _questions(der: bytes) -> Questions:
    if len(der) > MAX_OCTETS:
        raise ValueError("too long")
    tbs = asn1.decode_der(OcspRequest, der).tbs
    asked = tbs.requests
    if tbs.version != 0 or not 0 < len(asked) <= MAX_QUESTIONS:
        raise ValueError("not this version, or no or too many questions")
    if any(extension.critical for each in asked for extension in each.extensions or ()):
        raise ValueError("an unknown critical extension")
    return Questions(tuple(Question.of(each.cert_id) for each in asked), _nonce(tbs.extensions or []))


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
