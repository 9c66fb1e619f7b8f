"""Textual encodings of PKIX, PKCS and CMS structures, known as PEM: all that RFC 7468 lets others write is read."""

import re
from base64 import b64decode
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from itertools import islice
from typing import Final, NamedTuple

BEGIN: Final = "-----BEGIN "
"""How the line before a structure begins. Capitals count (RFC 7468, 3, erratum 4508)."""
_BOUNDARY: Final = re.compile(BEGIN + "(?P<label>[ -~]{0,64}?)-----")
_NO_BASE64: Final = re.compile("[^A-Za-z0-9+/=]+")


class Armoured(NamedTuple):
    """What stood between the boundaries, and the label that says what it is."""

    label: str
    octets: bytes


def as_text(octets: bytes) -> str:
    """Return text in ASCII or any superset of it as characters, one for each octet. Windows tools write UTF-16 too.

    Raises:
        ValueError: UTF-16 that is cut off.
    """
    for mark, encoding in ((BOM_UTF16_LE, "utf-16-le"), (BOM_UTF16_BE, "utf-16-be")):
        if octets.startswith(mark):
            return octets.removeprefix(mark).decode(encoding)
    return octets.decode("latin-1")


def unarmoured(text: str) -> Armoured:
    """Return the one structure of a text.

    Text around it is passed over (RFC 7468, 2). So is every character between the boundaries that is not of base64: a
    parser SHOULD ignore them. Lines may be missing, and padding (RFC 7468, 3, ``laxtextualmsg``).

    Raises:
        ValueError: none or several structures, another label at the end, or no base64.
    """
    boundaries = list(islice(_BOUNDARY.finditer(text), 2))
    if len(boundaries) != 1:
        raise ValueError("this is not one structure in PEM")
    label = boundaries[0]["label"]
    body, end, _ = text[boundaries[0].end() :].partition(f"-----END {label}-----")
    if not end:
        raise ValueError("the structure in PEM has no end")
    symbols = _NO_BASE64.sub("", body)
    return Armoured(label, b64decode(symbols + "=" * (-len(symbols) % 4), validate=True))
