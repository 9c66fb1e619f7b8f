"""A CMS in BER, as streaming signers write it, brought into DER (X.690, 8 and 10): so one strict reader is enough.

Changed is what BER leaves to the writer: lengths (indefinite, or longer than needed), octet strings in parts, the order
of sets. All else stays, and is the strict reader's to judge. What is signed stays as it was signed: certificates and
revocation lists have to come in DER and are not looked into; the parts of a content are one content. Signed attributes
are signed in DER, however they travel (RFC 5652, 5.4); some signers sign them as they travel, and OpenSSL and Java
verify them so: those octets are kept too.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from libs.common.pki.der import header

MAX_DEPTH: Final = 48
"""Values around a value. A signature with a time-stamp and its certificates takes about half of it."""
MAX_VALUES: Final = 32_768
"""A content of 10 MB in parts of 320 octets; signers write 1,000 and more."""

_CONSTRUCTED, _LONG_FORM, _LONG_TAG = 0x20, 0x80, 0x1F
_OCTET_STRING, _SET = 0x04, 0x31
_END: Final = b"\x00\x00"
_AS_THEY_CAME: Final = frozenset({b"\x30\xa0\x30\xa0", b"\x30\xa0\x30\xa1"})
"""Where certificates and lists stand: the tags from the outermost value on."""
_SIGNED_ATTRIBUTES: Final = b"\x30\xa0\x30\x31\x30\xa0"
_SETS: Final = _AS_THEY_CAME | {_SIGNED_ATTRIBUTES, b"\x30\xa0\x30\x31\x30\xa1"}
"""Sets whose own tag does not say so; the second pair are a signer's signed and unsigned attributes."""

_Value = tuple[int, bytes]
"""Tag and content, in DER."""


class NotBerError(ValueError):
    """No value in BER, or one that nests deeper or holds more values than any signature does."""


@dataclass(frozen=True, slots=True)
class FromBer:
    """A value brought into DER.

    Attributes:
        der: the value.
        as_it_came: the signed attributes as they came, by what became of them; both with the tag of a SET.
    """

    der: bytes
    as_it_came: Mapping[bytes, bytes]


def from_ber(ber: bytes) -> FromBer:
    """Bring a SignedData in its ContentInfo from BER into DER; what is DER already stays the same.

    Time grows with the size alone; memory is at most four times the size and 6 MB, whatever it holds.

    Raises:
        NotBerError: see there; nothing else, for any octets.
    """
    reader = _Reader(ber)
    value, end = reader.value(0, len(ber), b"")
    if end != len(ber):
        raise NotBerError("octets after the end")
    return FromBer(_encoded(value), reader.as_it_came)


class _Reader:
    def __init__(self, ber: bytes) -> None:
        self._ber = ber
        self._values = 0
        self.as_it_came: dict[bytes, bytes] = {}

    def value(self, start: int, limit: int, around: bytes) -> tuple[_Value, int]:
        """Read the value at ``start``, inside of those with the tags ``around``, and say where it ends."""
        self._values += 1
        if self._values > MAX_VALUES or len(around) >= MAX_DEPTH:
            raise NotBerError("too many values, or too deep")
        tag, content, end = self._header(start, limit)
        if around in _AS_THEY_CAME or not tag & _CONSTRUCTED:
            return self._whole(tag, start, content, end, exactly=around in _AS_THEY_CAME)
        path = around + bytes((tag,))
        parts, after = self._parts(content, end, limit, path)
        if tag == _OCTET_STRING | _CONSTRUCTED:
            return _joined(parts), after
        encoded = [_encoded(part) for part in parts]
        if tag == _SET or path in _SETS:
            encoded.sort()
        content_in_der = b"".join(encoded)
        if path == _SIGNED_ATTRIBUTES:
            self.as_it_came[_encoded((_SET, content_in_der))] = bytes((_SET,)) + self._ber[start + 1 : after]
        return (tag, content_in_der), after

    def _header(self, start: int, limit: int) -> tuple[int, int, int | None]:
        """Read a tag and a length: where the content begins, and where it ends if that is said."""
        tag, content = self._octet(start, limit), start + 2
        length = self._octet(start + 1, limit)
        if tag & _LONG_TAG == _LONG_TAG or not tag & ~_CONSTRUCTED:
            raise NotBerError("a tag that no signature has")
        if length == _LONG_FORM:
            return tag, content, None
        if length & _LONG_FORM:
            octets = length & ~_LONG_FORM
            length, content = int.from_bytes(self._ber[content : content + octets], "big"), content + octets
        if content + length > limit:
            raise NotBerError("a length beyond the end")
        return tag, content, content + length

    def _octet(self, at: int, limit: int) -> int:
        if at >= limit:
            raise NotBerError("cut off")
        return self._ber[at]

    def _whole(self, tag: int, start: int, content: int, end: int | None, *, exactly: bool) -> tuple[_Value, int]:
        """Take a content as it is; ``exactly``: its length has to be written as in DER too."""
        if end is None or (exactly and header(tag, end - content) != self._ber[start:content]):
            raise NotBerError("a length that may not come here")
        return (tag, self._ber[content:end]), end

    def _parts(self, start: int, end: int | None, limit: int, path: bytes) -> tuple[list[_Value], int]:
        """Read values up to ``end``, or to the mark where no end is said; say where that is."""
        parts: list[_Value] = []
        at, bound = start, limit if end is None else end
        while at != end:
            if end is None and self._ber[at : min(at + 2, limit)] == _END:
                return parts, at + 2
            part, at = self.value(at, bound, path)
            parts.append(part)
        return parts, at


def _joined(parts: list[_Value]) -> _Value:
    if any(tag != _OCTET_STRING for tag, _ in parts):
        raise NotBerError("an octet string of something else")
    return _OCTET_STRING, b"".join(content for _, content in parts)


def _encoded(value: _Value) -> bytes:
    tag, content = value
    return header(tag, len(content)) + content
