"""Keys known to be compromised, such as Debian's weak ones (CVE-2008-0166), from the list of the project badkeys.

``blocklist.dat`` (https://badkeys.info) holds several million leaked and predictable keys, by which number of theirs is
public: docs/BLOCKLISTFORMAT.md there. Why it is read here and not by that project's library: ADR 18.
"""

import hashlib
from bisect import bisect_left
from itertools import pairwise
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

_ENTRY, _DIGEST = 16, 15
"""Octets: an entry is a truncated digest, and the number of the collection that it comes from."""
_SAMPLES: Final = 4096


class Blocklist:
    """Keys by the number that makes them: an RSA modulus, whatever the exponent, or the x of a point. 16 octets a key.

    Held in memory, not mapped: nothing that happens to the file changes what a running service refuses.
    """

    def __init__(self, entries: bytes = b"") -> None:
        self._entries = entries

    def holds(self, spki: bytes) -> bool:
        """Return whether a key, EC or RSA, as SubjectPublicKeyInfo (DER), is one of them."""
        digest = _public_digest(spki)
        place = bisect_left(range(len(self)), digest, key=self._digest)
        return place < len(self) and self._digest(place) == digest

    def __len__(self) -> int:
        return len(self._entries) // _ENTRY

    def _digest(self, place: int) -> bytes:
        return self._entries[place * _ENTRY : place * _ENTRY + _DIGEST]

    def sound(self) -> bool:
        """Return whether whole entries are there, in order as far as samples show: a search finds nothing otherwise."""
        step = max(1, len(self) // _SAMPLES)
        digests = map(self._digest, range(0, len(self), step))
        return bool(self._entries) and not len(self._entries) % _ENTRY and all(a <= b for a, b in pairwise(digests))


def read_blocklist(path: Path | None) -> Blocklist:
    """Read a list; without one, no key is on it.

    Raises:
        ValueError: it is something else, or was cut off.
    """
    if path is None:
        return Blocklist()
    found = Blocklist(path.read_bytes())
    if not found.sound():
        raise ValueError(f"{path.name} is no blocklist of badkeys, or was cut off: please fetch it again")
    return found


def _public_digest(spki: bytes) -> bytes:
    key = load_der_public_key(spki)
    if isinstance(key, rsa.RSAPublicKey):
        number = key.public_numbers().n
    elif isinstance(key, ec.EllipticCurvePublicKey):
        number = key.public_numbers().x
    else:
        raise TypeError("keys of other kinds are refused before")
    return hashlib.sha256(number.to_bytes((number.bit_length() + 7) // 8, "big")).digest()[:_DIGEST]
