"""Why a key store did not open: a wrong password told apart from a key that is not for this program.

The MAC of a PKCS#12 file (RFC 7292, 4 and appendix B; PBMAC1, RFC 9579) says whether a password is right, without
opening what the file holds. Then the bag with the key is decrypted far enough to read the key's algorithm.
"""

import hashlib
import hmac
from collections.abc import Iterator
from enum import Enum, auto
from typing import Any, Final

from asn1crypto import core, pkcs12  # type: ignore[import-untyped]  # asn1crypto ships no types
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import BlockCipherAlgorithm, Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

MAC_KEY: Final = 3
_CIPHER_KEY: Final = 1
_CIPHER_IV: Final = 2
"""The purpose bytes of RFC 7292, B.3."""
_DIGESTS: Final = frozenset({"sha1", "sha224", "sha256", "sha384", "sha512"})
_PBMAC1: Final = "1.2.840.113549.1.5.14"
_MOST_ROUNDS: Final = 20_000_000
"""What a hostile file may cost: some ten seconds."""
_GOST: Final = ("1.2.398.3.10.", "1.2.643.")
"""Kazakhstan's and Russia's arcs of GOST algorithms."""


class StoreFault(Enum):
    """Why a key store did not open."""

    UNREADABLE = auto()
    """It is no PKCS#12, its MAC cannot be checked, or the password is wrong for it."""
    GOST_KEY = auto()
    """The password is right, and the key is by a GOST algorithm."""
    FOREIGN_KEY = auto()
    """The password is right, and something in the file is by an algorithm that is not known here."""


def fault_of(data: bytes, password: str) -> StoreFault:
    """Say why a key store does not open with this password."""
    try:
        store = pkcs12.Pfx.load(data)
        if not _opens(store, password):
            return StoreFault.UNREADABLE
    except (ValueError, TypeError, KeyError, NotImplementedError):
        return StoreFault.UNREADABLE
    try:
        algorithms = list(_key_algorithms(store, password))
    except (ValueError, TypeError, KeyError, NotImplementedError):
        algorithms = []
    return StoreFault.GOST_KEY if any(each.startswith(_GOST) for each in algorithms) else StoreFault.FOREIGN_KEY


def derive(password: str, salt: bytes, *, rounds: int, purpose: int, length: int, digest: str) -> bytes:
    """Derive octets from a password (RFC 7292, B.2)."""
    block = hashlib.new(digest, usedforsecurity=False).block_size
    secret = (password + "\0").encode("utf-16-be")
    start, text = bytes([purpose]) * block, _fill(salt, block) + _fill(secret, block)
    derived = b""
    while True:
        part = start + text
        for _ in range(rounds):
            part = hashlib.new(digest, part, usedforsecurity=False).digest()
        derived += part
        if len(derived) >= length:
            return derived[:length]
        added = int.from_bytes(_fill(part, block)[:block], "big") + 1
        blocks = (text[at : at + block] for at in range(0, len(text), block))
        text = b"".join(((int.from_bytes(each, "big") + added) % 256**block).to_bytes(block, "big") for each in blocks)


def _opens(store: Any, password: str) -> bool:
    """Compare the MAC. A file without one says nothing of the password."""
    mac, safe = store["mac_data"], store["auth_safe"]
    if mac.native is None or safe["content_type"].native != "data":
        return False
    given, algorithm = mac["mac"]["digest"].native, mac["mac"]["digest_algorithm"]["algorithm"]
    if algorithm.dotted == _PBMAC1:
        raise NotImplementedError("the library that opens key stores reads PBMAC1 itself")
    name, rounds = algorithm.native, mac["iterations"].native
    if name not in _DIGESTS or rounds > _MOST_ROUNDS:
        raise NotImplementedError(name)
    length = hashlib.new(name, usedforsecurity=False).digest_size
    key = derive(password, mac["mac_salt"].native, rounds=rounds, purpose=MAC_KEY, length=length, digest=name)
    return hmac.compare_digest(hmac.digest(key, safe["content"].native, name), given)


def _key_algorithms(store: Any, password: str) -> Iterator[str]:
    """Return the algorithms of the keys that the file holds, as dotted numbers."""
    for content in store.authenticated_safe:
        if content["content_type"].native != "data":
            continue  # an encrypted safe holds certificates
        for bag in pkcs12.SafeContents.load(content["content"].native):
            match bag["bag_id"].native:
                case "key_bag":
                    info = bag["bag_value"].untag().dump()
                case "pkcs8_shrouded_key_bag":
                    info = _decrypted(bag["bag_value"], password)
                case _:
                    continue
            # The library's own type stops at algorithms it does not know. PrivateKeyInfo: version, algorithm, key.
            yield core.Sequence.load(info)[1][0].dotted


def _decrypted(shrouded: Any, password: str) -> bytes:
    scheme, ciphertext = shrouded["encryption_algorithm"], shrouded["encrypted_data"].native
    if scheme["algorithm"].native == "pbes2":
        digest = scheme.kdf_hmac
        secret, rounds = password.encode("utf-8"), scheme.kdf_iterations
        if rounds > _MOST_ROUNDS or scheme.encryption_cipher != "aes":
            raise NotImplementedError(scheme.encryption_cipher)
        key = hashlib.pbkdf2_hmac(digest, secret, scheme.kdf_salt, rounds, scheme.key_length)
        return _plain(AES(key), scheme.encryption_iv, ciphertext)
    if scheme["algorithm"].native == "pkcs12_sha1_tripledes_3key":
        salt, rounds = scheme.kdf_salt, scheme.kdf_iterations
        if rounds > _MOST_ROUNDS:
            raise NotImplementedError("too many rounds")
        key, iv = (
            derive(password, salt, rounds=rounds, purpose=purpose, length=length, digest="sha1")
            for purpose, length in ((_CIPHER_KEY, 24), (_CIPHER_IV, 8))
        )
        return _plain(TripleDES(key), iv, ciphertext)
    raise NotImplementedError(scheme["algorithm"].dotted)


def _plain(algorithm: BlockCipherAlgorithm, iv: bytes, ciphertext: bytes) -> bytes:
    """Decrypt, padding and all: what follows the DER is not looked at."""
    decryptor = Cipher(algorithm, CBC(iv)).decryptor()
    padded = decryptor.update(ciphertext) + decryptor.finalize()
    return padded[: -padded[-1]]


def _fill(text: bytes, block: int) -> bytes:
    """Repeat `text` up to a whole number of hash blocks."""
    length = -(-len(text) // block) * block
    return (text * (length // len(text) + 1))[:length]
