"""Certificates as DER (X.690), declared field by field, for writing and for strict reading.

`cryptography` writes and reads certificates too, and stays the judge of every value here. Two things it
does not give: the to-be-signed bytes before any key is used, and names by the rules of RFC 5280, which
count a common name's 64 in characters (appendix A.1, ub-common-name) where `cryptography` counts octets,
so that it refuses a Cyrillic name of 33 letters.
"""

from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Final
from unicodedata import normalize

from cryptography.hazmat import asn1
from cryptography.x509 import ObjectIdentifier
from cryptography.x509.oid import NameOID

Attributes = tuple[tuple[ObjectIdentifier, str], ...]
"""A name: attribute types and values in the order in which they are encoded, one to a relative name."""

_PRINTABLE: Final = frozenset({NameOID.COUNTRY_NAME, NameOID.SERIAL_NUMBER})
"""Attributes which X.520 defines as PrintableString; every other one is UTF8String (RFC 5280, 4.1.2.4)."""

_GENERALIZED_FROM: Final = 2050
_LONG_FORM_FROM: Final = 0x80
_WIDE_STRINGS: Final = {b"\x1c": "utf-32-be", b"\x1e": "utf-16-be"}
"""UniversalString and BMPString; the octets of the others read as UTF-8, or are not worth reading."""
_CONSTRUCTED, _LONG_TAG = 0x20, 0x1F


@asn1.sequence
class AlgorithmIdentifier:
    """An algorithm whose parameters are absent or NULL: all that signatures and digests here need."""

    algorithm: ObjectIdentifier
    parameters: asn1.Null | None


@asn1.sequence
class Extension:
    """One certificate extension; ``value`` is the DER of what it holds."""

    oid: ObjectIdentifier
    critical: Annotated[bool, asn1.Default(False)]
    value: bytes


@asn1.sequence
class Validity:
    """From when to when, both ends included."""

    not_before: asn1.UTCTime | asn1.GeneralizedTime
    not_after: asn1.UTCTime | asn1.GeneralizedTime


@asn1.sequence
class TbsCertificate:
    """The part of a certificate that is signed (RFC 5280, 4.1). Unique identifiers of version 2 are refused."""

    version: Annotated[int, asn1.Explicit(0)]
    serial_number: int
    signature: asn1.TLV
    issuer: asn1.TLV
    validity: Validity
    subject: asn1.TLV
    public_key: asn1.TLV
    extensions: Annotated[list[Extension], asn1.Explicit(3)]


@asn1.sequence
class CertificateFields:
    """A signed certificate; ``tbs`` keeps its exact bytes."""

    tbs: asn1.TLV
    signature_algorithm: asn1.TLV
    signature: asn1.BitString


@asn1.sequence
class _AttributeTypeAndValue:
    type: ObjectIdentifier
    value: str | asn1.PrintableString


@asn1.sequence
class _Name:
    rdns: list[asn1.SetOf[_AttributeTypeAndValue]]


@asn1.sequence
class _AnyAttribute:
    type: ObjectIdentifier
    value: asn1.TLV


@asn1.sequence
class _AnyName:
    rdns: list[asn1.SetOf[_AnyAttribute]]


@asn1.sequence
class _Box:
    value: asn1.TLV


@lru_cache(maxsize=4096)
def header(tag: int, length: int) -> bytes:
    """Encode what stands before the content of a value: its tag, and its length in octets (X.690, 8.1.3)."""
    if length < _LONG_FORM_FROM:
        return bytes((tag, length))
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((tag, _LONG_FORM_FROM | len(octets))) + octets


def wrapped(tag: int, *parts: bytes | memoryview) -> bytes:
    """Encode a value whose content is these octets, one after another."""
    content = b"".join(parts)
    return header(tag, len(content)) + content


def tlv(der: bytes) -> asn1.TLV:
    """Take DER as it is. ValueError if it is not exactly one value."""
    return asn1.decode_der(asn1.TLV, der)


def boxed(der: bytes) -> bytes:
    """Put one value into a SEQUENCE: a SEQUENCE OF can be declared as a field only. ValueError as in ``tlv``."""
    return asn1.encode_der(_Box(value=tlv(der)))


def name_tlv(attributes: Attributes) -> asn1.TLV:
    """Encode a name, one attribute to a relative name."""
    rdns = [asn1.SetOf([_attribute(kind, value)]) for kind, value in attributes]
    return asn1.decode_der(_Box, asn1.encode_der(_Name(rdns=rdns))).value


def name_attributes(name: asn1.TLV) -> Attributes:
    """Read a name. ValueError if it uses other string types, or several attributes in a relative name."""
    rdns = asn1.decode_der(_Name, asn1.encode_der(_Box(value=name))).rdns
    return tuple(_single(rdn.as_list()) for rdn in rdns)


def visible_name(name: asn1.TLV) -> frozenset[str]:
    """Return the texts of anybody's name as people see them: order, case, width, spaces and string types do not show.

    ValueError if it is no name.
    """
    rdns = asn1.decode_der(_AnyName, asn1.encode_der(_Box(value=name))).rdns
    texts = (_text(each.value) for rdn in rdns for each in rdn.as_list())
    return frozenset(" ".join(text.casefold().split()) for text in texts)


def _text(value: asn1.TLV) -> str:
    """Read a string of any type, octets that are none replaced."""
    encoding = _WIDE_STRINGS.get(value.tag_bytes, "utf-8")
    return normalize("NFKC", bytes(value.data).decode(encoding, errors="replace"))


def time(moment: datetime) -> asn1.UTCTime | asn1.GeneralizedTime:
    """Encode a moment in whole seconds: UTCTime through 2049, then GeneralizedTime (RFC 5280, 4.1.2.5)."""
    return asn1.UTCTime(moment) if moment.year < _GENERALIZED_FROM else asn1.GeneralizedTime(moment)


def signed(tbs: bytes, signature_algorithm: bytes, signature: bytes) -> bytes:
    """Put a certificate together from what was signed and the signature."""
    certificate = CertificateFields(
        tbs=tlv(tbs),
        signature_algorithm=tlv(signature_algorithm),
        signature=asn1.BitString(signature, 0),
    )
    return asn1.encode_der(certificate)


def tbs_fields(certificate: bytes) -> TbsCertificate:
    """Read a certificate's signed part. ValueError if it is no strict DER of the form written here."""
    return asn1.decode_der(TbsCertificate, asn1.encode_der(asn1.decode_der(CertificateFields, certificate).tbs))


def subject_name(certificate: bytes) -> asn1.TLV:
    """Find the subject in a certificate in DER. ValueError as in ``tbs_fields``."""
    return tbs_fields(certificate).subject


def serial_text(serial_number: int) -> str:
    """Write a serial number as this system does everywhere: lower-case hexadecimal, whole octets."""
    text = f"{serial_number:x}"
    return text if len(text) % 2 == 0 else f"0{text}"


def _attribute(kind: ObjectIdentifier, value: str) -> _AttributeTypeAndValue:
    text = asn1.PrintableString(value) if kind in _PRINTABLE else value
    return _AttributeTypeAndValue(type=kind, value=text)


def _single(attributes: Iterable[_AttributeTypeAndValue]) -> tuple[ObjectIdentifier, str]:
    (attribute,) = attributes
    value = attribute.value
    if isinstance(value, str) == (attribute.type in _PRINTABLE):
        raise ValueError("an attribute of the name has a string type that is not its own")
    return attribute.type, value if isinstance(value, str) else value.as_str()


def holds_at_most(values: int, octets: bytes) -> bool:
    """Return whether DER or BER holds at most so many values, one inside another or side by side.

    Ask it before anything large is read: two octets make a value, and each becomes an object. Nothing is decoded, and
    no more is looked at than needed. False as well for tags of several octets, which nothing here has. What is no DER
    or BER at all is left to the reader to refuse.
    """
    at = 0
    while at < len(octets) and values:
        values -= 1
        tag, length, content = octets[at], octets[at + 1 : at + 2], at + 2
        if tag & _LONG_TAG == _LONG_TAG:
            return False
        size = length[0] if length else 0
        if size > _LONG_FORM_FROM:
            content += size - _LONG_FORM_FROM
            size = int.from_bytes(octets[at + 2 : content], "big")
        at = content if tag & _CONSTRUCTED else content + size
    return at >= len(octets)
