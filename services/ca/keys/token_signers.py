"""Private keys that stay in a PKCS#11 token: they sign there, and never leave it.

They are private keys of `cryptography` by type, so that its builders, and ours, sign with them as with any other.
"""

from typing import Any, Final, NoReturn, Self

import pkcs11
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa, utils
from cryptography.hazmat.primitives.asymmetric.padding import AsymmetricPadding, PKCS1v15
from pkcs11 import Attribute, Mechanism, ObjectClass

from services.ca.authority.issuers import PrivateKey, PublicKey
from services.ca.keys.store import KeyMissingError, KeyStoreError
from services.ca.keys.token_session import TokenSession, search

_DIGEST_INFO: Final = {
    "sha256": bytes.fromhex("3031300d060960864801650304020105000420"),
    "sha384": bytes.fromhex("3041300d060960864801650304020205000430"),
    "sha512": bytes.fromhex("3051300d060960864801650304020305000440"),
}
"""What stands before a digest in a PKCS#1 v1.5 signature (RFC 8017, 9.2, note 1)."""

_PKCS1: Final = PKCS1v15().name

Buffer = bytes | bytearray | memoryview


def token_key(session: TokenSession, label: str, public_key: PublicKey) -> PrivateKey:
    """Make the private key that goes with a public one, under its label in the token."""
    handle = _Handle(session, label)
    if isinstance(public_key, rsa.RSAPublicKey):
        return TokenRsaKey(handle, public_key)
    return TokenEcKey(handle, public_key)


def find_key(session: pkcs11.Session, label: str) -> Any | None:
    """Find a private key. KeyStoreError if there are two, or if it could be taken out of the token."""
    found = search(session, ObjectClass.PRIVATE_KEY, label)
    if len(found) > 1:
        raise KeyStoreError(f"the token has two keys «{label}»: it is unclear which is meant; remove the wrong one")
    if not found:
        return None
    (key,) = found
    if key[Attribute.EXTRACTABLE] or not key[Attribute.SENSITIVE]:
        raise KeyStoreError(f"the key «{label}» can be taken out of the token: only keys that stay are used")
    return key


class _Handle:
    """A key object, found again in each new session."""

    def __init__(self, session: TokenSession, label: str) -> None:
        self._session = session
        self._label = label
        self._found: tuple[pkcs11.Session, Any] | None = None

    def sign(self, data: bytes, mechanism: Mechanism) -> bytes:
        """Sign.

        Raises:
            TokenUnavailableError: the token does not answer.
            KeyStoreError: it answers, and does not sign; KeyMissingError: the key is gone.
        """
        try:
            signature: bytes = self._session.run(lambda session: self._in(session).sign(data, mechanism=mechanism))
        except pkcs11.PKCS11Error as error:
            raise KeyStoreError(
                f"the token «{self._session.name}» does not sign with «{self._label}» ({type(error).__name__})"
            ) from error
        return signature

    def _in(self, session: pkcs11.Session) -> Any:
        if self._found is None or self._found[0] is not session:
            key = find_key(session, self._label)
            if key is None:
                raise KeyMissingError(
                    f"the key «{self._label}» is no longer in the token «{self._session.name}»: restore its backup"
                )
            self._found = session, key
        return self._found[1]


class _Stays:
    """What no key in a token does."""

    def private_numbers(self) -> NoReturn:
        """Refuse: the key stays in its token."""
        raise UnsupportedAlgorithm("this key never leaves its token")

    def private_bytes(self, *_: object, **__: object) -> NoReturn:
        """Refuse: the key stays in its token."""
        self.private_numbers()

    def exchange(self, *_: object, **__: object) -> NoReturn:
        """Refuse: these keys only sign."""
        raise UnsupportedAlgorithm("this key signs, and does nothing else")

    def decrypt(self, *_: object, **__: object) -> NoReturn:
        """Refuse: these keys only sign."""
        self.exchange()

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        return self


class TokenEcKey(_Stays, ec.EllipticCurvePrivateKey):
    """An EC key in a token. Its nonces are the token's: no two signatures are alike (``deterministic`` is ignored)."""

    def __init__(self, handle: _Handle, public_key: ec.EllipticCurvePublicKey) -> None:
        self._handle = handle
        self._public_key = public_key

    def sign(self, data: Buffer, signature_algorithm: ec.EllipticCurveSignatureAlgorithm) -> bytes:
        """Sign by ECDSA; the digest is made here, so that large lists need not pass through the token."""
        if not isinstance(signature_algorithm, ec.ECDSA):
            raise UnsupportedAlgorithm("an EC key in a token signs by ECDSA")
        signature = self._handle.sign(_digest(data, signature_algorithm.algorithm), Mechanism.ECDSA)
        half = len(signature) // 2
        r, s = (int.from_bytes(part, "big") for part in (signature[:half], signature[half:]))
        return utils.encode_dss_signature(r, s)

    def public_key(self) -> ec.EllipticCurvePublicKey:
        """Return the public half."""
        return self._public_key

    @property
    def curve(self) -> ec.EllipticCurve:
        """The curve."""
        return self._public_key.curve

    @property
    def key_size(self) -> int:
        """Bits of the curve's order."""
        return self._public_key.key_size


class TokenRsaKey(_Stays, rsa.RSAPrivateKey):
    """An RSA key in a token. It signs by PKCS#1 v1.5, as everything here does."""

    def __init__(self, handle: _Handle, public_key: rsa.RSAPublicKey) -> None:
        self._handle = handle
        self._public_key = public_key

    def sign(self, data: Buffer, padding: AsymmetricPadding, algorithm: object) -> bytes:
        """Sign a digest that is made here; the token pads and computes."""
        known = _DIGEST_INFO.get(algorithm.name) if isinstance(algorithm, hashes.HashAlgorithm) else None
        if padding.name != _PKCS1 or known is None:
            raise UnsupportedAlgorithm("an RSA key in a token signs by PKCS#1 v1.5 with SHA-256, SHA-384 or SHA-512")
        return self._handle.sign(known + _digest(data, algorithm), Mechanism.RSA_PKCS)

    def public_key(self) -> rsa.RSAPublicKey:
        """Return the public half."""
        return self._public_key

    @property
    def key_size(self) -> int:
        """Bits of the modulus."""
        return self._public_key.key_size


def _digest(data: Buffer, algorithm: object) -> bytes:
    if not isinstance(algorithm, hashes.HashAlgorithm):
        raise UnsupportedAlgorithm("give the data itself: its digest is made here")
    digest = hashes.Hash(algorithm)
    digest.update(data)
    return digest.finalize()
