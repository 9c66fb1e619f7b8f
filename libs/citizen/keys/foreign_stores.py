"""Why a key store did not open: a wrong password told apart from a key that is not for this program.

The MAC of a PKCS#12 file (RFC 7292, 4 and appendix B; PBMAC1, RFC 9579) says whether a password is right, without
opening what the file holds. Then the bag with the key is decrypted far enough to read the key's algorithm.
"""

import hashlib
import hmac
from collections.abc import Iterator
from enum import Enum, auto
from typing import Any, Final

from asn1crypto import algos, core, pkcs12  # type: ignore[import-untyped]  # asn1crypto ships no types
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import BlockCipherAlgorithm, Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.padding import PKCS7

_FIELDS_WITHOUT_MAC: Final = 2
"""Version and content. The library passes over a MAC that is none, so the fields are counted."""
MAC_KEY: Final = 3
_CIPHER_KEY: Final = 1
_CIPHER_IV: Final = 2
"""The purpose bytes of RFC 7292, B.3."""
_DIGESTS: Final = frozenset({
    "md5", "sha1", "sha224", "sha256", "sha384", "sha512", "sha512_224", "sha512_256",
    "sha3_224", "sha3_256", "sha3_384", "sha3_512",
})  # fmt: skip
_PBMAC1: Final = "1.2.840.113549.1.5.14"
_MOST_ROUNDS: Final = 20_000_000
"""What a hostile file may cost: some ten seconds."""
_LONGEST_KEY: Final = 64
"""Octets of what a key is derived for here: the longest is for HMAC-SHA512."""
_MALFORMED: Final = (ValueError, TypeError, KeyError, AttributeError)
"""What the reading library raises for a file that is not what it says; AttributeError for a field of another type."""
_GOST: Final = ("1.2.398.3.10.", "1.2.643.")
"""Kazakhstan's and Russia's arcs of GOST algorithms."""


class StoreFault(Enum):
    """Why a key store did not open."""

    UNREADABLE = auto()
    """It is no PKCS#12, or the password is wrong for it."""
    UNCHECKED = auto()
    """Its MAC is by an algorithm that is not known here: nothing says whether the password is right."""
    GOST_KEY = auto()
    """The password is right, and a key is by a GOST algorithm."""
    FOREIGN_KEY = auto()
    """The password is right, and something in the file is by an algorithm or in a form that is not known here."""


def fault_of(data: bytes, password: str) -> StoreFault:
    """Say why a key store does not open with this password."""
    try:
        return _fault(pkcs12.Pfx.load(data), password)
    except _MALFORMED:
        return StoreFault.UNREADABLE


def _fault(store: Any, password: str) -> StoreFault:
    if store["auth_safe"]["content_type"].native != "data":
        return StoreFault.UNREADABLE
    checked = len(core.Sequence.load(store.dump())) > _FIELDS_WITHOUT_MAC
    unknown = checked and _mac_algorithm(store) not in _DIGESTS | {_PBMAC1}
    if checked and not unknown and not _mac_agrees(store, password):
        return StoreFault.UNREADABLE
    try:
        algorithms = list(_key_algorithms(store, password))
    except _MALFORMED:
        algorithms = []
    if any(each.startswith(_GOST) for each in algorithms):
        return StoreFault.GOST_KEY
    if unknown:
        return StoreFault.UNCHECKED
    # Without a MAC, only a key that was decrypted shows that the password is right.
    return StoreFault.FOREIGN_KEY if checked or algorithms else StoreFault.UNREADABLE


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


def _mac_algorithm(store: Any) -> str:
    name: str = store["mac_data"]["mac"]["digest_algorithm"]["algorithm"].native
    return name


def _mac_agrees(store: Any, password: str) -> bool:
    """Compare the MAC, which is by HMAC with a key of RFC 7292, B, or of PBKDF2 (RFC 9579)."""
    mac, name = store["mac_data"], _mac_algorithm(store)
    if name == _PBMAC1:
        # PBMAC1-params (RFC 8018, A.5): key derivation, message authentication
        parameters = core.Sequence.load(mac["mac"]["digest_algorithm"]["parameters"].dump())
        name = algos.HmacAlgorithm.load(parameters[1].dump())["algorithm"].native
        key = _pbkdf2(algos.KdfAlgorithm.load(parameters[0].dump())["parameters"], password)
    else:
        rounds, length = _bearable(mac["iterations"].native), hashlib.new(name, usedforsecurity=False).digest_size
        key = derive(password, mac["mac_salt"].native, rounds=rounds, purpose=MAC_KEY, length=length, digest=name)
    signed, given = store["auth_safe"]["content"].native, mac["mac"]["digest"].native
    return hmac.compare_digest(hmac.digest(key, signed, name), given)


def _pbkdf2(parameters: Any, password: str, length: int | None = None) -> bytes:
    """Derive a key (RFC 8018, 5.2) of `length` octets, or of as many as the parameters say."""
    length = length or parameters["key_length"].native
    if length not in range(1, _LONGEST_KEY + 1):
        raise ValueError(length)
    digest, rounds = parameters["prf"]["algorithm"].native, _bearable(parameters["iteration_count"].native)
    return hashlib.pbkdf2_hmac(digest, password.encode("utf-8"), parameters["salt"].native, rounds, length)


def _bearable(rounds: int) -> int:
    if rounds not in range(1, _MOST_ROUNDS + 1):
        raise ValueError(rounds)
    return rounds


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
            yield algos.AlgorithmIdentifier.load(core.Sequence.load(info)[1].dump())["algorithm"].dotted


def _decrypted(shrouded: Any, password: str) -> bytes:
    scheme, ciphertext = shrouded["encryption_algorithm"], shrouded["encrypted_data"].native
    match scheme["algorithm"].native:
        case "pbes2" if scheme.encryption_cipher == "aes":
            key = _pbkdf2(scheme["parameters"]["key_derivation_func"]["parameters"], password, scheme.key_length)
            return _plain(AES(key), scheme.encryption_iv, ciphertext)
        case "pkcs12_sha1_tripledes_3key":
            salt, rounds = scheme.kdf_salt, _bearable(scheme.kdf_iterations)
            key, iv = (
                derive(password, salt, rounds=rounds, purpose=purpose, length=length, digest="sha1")
                for purpose, length in ((_CIPHER_KEY, 24), (_CIPHER_IV, 8))
            )
            return _plain(TripleDES(key), iv, ciphertext)
        case other:
            raise ValueError(other)


def _plain(algorithm: BlockCipherAlgorithm, iv: bytes, ciphertext: bytes) -> bytes:
    """Decrypt; ValueError for a wrong padding, as a wrong key mostly leaves it."""
    decryptor, unpadder = Cipher(algorithm, CBC(iv)).decryptor(), PKCS7(algorithm.block_size).unpadder()
    padded = decryptor.update(ciphertext) + decryptor.finalize()
    return unpadder.update(padded) + unpadder.finalize()


def _fill(text: bytes, block: int) -> bytes:
    """Repeat `text` up to a whole number of hash blocks; of nothing there is nothing."""
    if not text:
        return b""
    length = -(-len(text) // block) * block
    return (text * (length // len(text) + 1))[:length]
