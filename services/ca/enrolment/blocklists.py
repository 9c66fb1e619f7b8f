"""Keys known to be compromised, such as Debian's weak ones (CVE-2008-0166), from a list that the operator brings.

Two forms are read: `badkeys`' ``blocklist.dat`` (https://badkeys.info; several million leaked and predictable keys, by
which number of theirs is public: docs/BLOCKLISTFORMAT.md there), told by its ending, and digests in a text file.
"""

import hashlib
import re
from bisect import bisect_left
from itertools import pairwise
from pathlib import Path
from typing import Final, Protocol

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

BADKEYS_ENDING: Final = ".dat"
_ENTRY, _DIGEST = 16, 15
"""Octets: an entry is a truncated digest, and the number of the collection that it comes from."""
_SAMPLES: Final = 4096
_SHA256: Final = re.compile("[0-9a-f]{64}")


class Blocklist(Protocol):
    """Keys that must not be certified."""

    def holds(self, spki: bytes) -> bool:
        """Say whether a key, EC or RSA, as SubjectPublicKeyInfo (DER), is one of them."""

    def __len__(self) -> int:
        """How many there are."""


class Digests:
    """Keys by the SHA-256 of their SubjectPublicKeyInfo, hexadecimal. About 130 octets of memory a key."""

    def __init__(self, digests: frozenset[str]) -> None:
        self._digests = digests

    def holds(self, spki: bytes) -> bool:
        """Say whether the key is one of them."""
        return hashlib.sha256(spki).hexdigest() in self._digests

    def __len__(self) -> int:
        return len(self._digests)


class BadkeysList:
    """Keys by the number that makes them: an RSA modulus, whatever the exponent, or the x of a point. 16 octets a key.

    Held in memory, not mapped: `badkeys` writes a newer list over the old one.
    """

    def __init__(self, entries: bytes) -> None:
        self._entries = entries

    def holds(self, spki: bytes) -> bool:
        """Say whether the key is one of them."""
        digest = _public_digest(spki)
        place = bisect_left(range(len(self)), digest, key=self._digest)
        return place < len(self) and self._digest(place) == digest

    def __len__(self) -> int:
        return len(self._entries) // _ENTRY

    def _digest(self, place: int) -> bytes:
        return self._entries[place * _ENTRY : place * _ENTRY + _DIGEST]

    def sound(self) -> bool:
        """Say whether whole entries are there, in order as far as samples show: a search finds nothing otherwise."""
        step = max(1, len(self) // _SAMPLES)
        digests = map(self._digest, range(0, len(self), step))
        return bool(self._entries) and not len(self._entries) % _ENTRY and all(a <= b for a, b in pairwise(digests))


def read_blocklist(path: Path | None) -> Blocklist:
    """Read a list: `badkeys`' if the name ends in ``.dat``, else a SHA-256 a line, with comments that begin with ``#``.

    Raises:
        ValueError: it is something else; a text's line is named.
    """
    if path is None:
        return Digests(frozenset())
    if path.suffix != BADKEYS_ENDING:
        return Digests(frozenset(_text_digests(path)))
    found = BadkeysList(path.read_bytes())
    if not found.sound():
        raise ValueError(f"{path.name} is no blocklist of badkeys, or was cut off: please fetch it again")
    return found


def _text_digests(path: Path) -> list[str]:
    digests = []
    for number, line in enumerate(path.read_text(encoding="ascii").splitlines(), 1):
        text = line.strip().lower()
        if text and not text.startswith("#"):
            if not _SHA256.fullmatch(text):
                raise ValueError(f"{path.name}, line {number}: a SHA-256 in hexadecimal stands here, or a comment")
            digests.append(text)
    return digests


def _public_digest(spki: bytes) -> bytes:
    key = load_der_public_key(spki)
    if isinstance(key, rsa.RSAPublicKey):
        number = key.public_numbers().n
    elif isinstance(key, ec.EllipticCurvePublicKey):
        number = key.public_numbers().x
    else:
        raise TypeError("keys of other kinds are refused before")
    return hashlib.sha256(number.to_bytes((number.bit_length() + 7) // 8, "big")).digest()[:_DIGEST]
