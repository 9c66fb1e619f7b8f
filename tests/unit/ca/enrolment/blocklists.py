"""A list of compromised keys, as operators bring it."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey


def spki(key: PublicKey) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def badkeys_of(folder: Path, keys: Sequence[PublicKey]) -> Path:
    """A `blocklist.dat`: sorted, of each key the first 15 octets of a SHA-256 and the number of a collection."""
    path = folder / "blocklist.dat"
    entries = [hashlib.sha256(_number(each)).digest()[:15] + bytes((1 + n % 5,)) for n, each in enumerate(keys)]
    path.write_bytes(b"".join(sorted(entries)))
    return path


def _number(key: PublicKey) -> bytes:
    """An RSA modulus or the x of a point, without leading zeros."""
    numbers = key.public_numbers()
    number = numbers.n if isinstance(numbers, rsa.RSAPublicNumbers) else numbers.x
    return bytes.fromhex(f"{number:x}".zfill(2 * ((number.bit_length() + 7) // 8)))
