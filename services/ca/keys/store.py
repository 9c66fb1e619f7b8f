"""Where the authority's private keys live."""

import re
from enum import StrEnum
from pathlib import Path
from typing import Final, Protocol

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from pydantic import SecretStr

from services.ca.authority.issuers import PrivateKey
from services.ca.keys.files import write_new
from services.ca.model.key_rules import RSA_EXPONENT

MIN_PASSPHRASE: Final = 16
_LABEL: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?")


class SigningKeyKind(StrEnum):
    """What kind of key to create."""

    P256 = "P-256"
    P384 = "P-384"
    RSA2048 = "RSA-2048"
    RSA3072 = "RSA-3072"
    RSA4096 = "RSA-4096"

    @property
    def is_rsa(self) -> bool:
        """Whether it is an RSA key; an EC key otherwise."""
        return self.startswith("RSA-")

    @property
    def bits(self) -> int:
        """Its size."""
        return int(self.rpartition("-")[2])


class KeyStoreError(Exception):
    """A key can't be had: the message says which and what to do."""


class KeyMissingError(KeyStoreError):
    """No key of this label was ever created here."""


class KeyStore(Protocol):
    """Keeps private keys by label. They sign; whether they can leave the store is its own matter."""

    def load(self, label: str) -> PrivateKey:
        """Return the key. KeyMissingError if there is none, KeyStoreError if it can't be opened."""
        ...

    def create(self, label: str, kind: SigningKeyKind) -> PrivateKey:
        """Make a key and keep it durably before returning. KeyStoreError if the label is taken."""
        ...


class EncryptedFiles:
    """A key store of files: ``<label>.key``, PKCS#8 in PEM, encrypted with AES-256 (PBES2).

    The key derivation of this format is fast (PBKDF2, 2048 rounds), so the passphrase has to carry the
    strength: use a random one. Files are for their owner only (mode 0600), and written whole or not at all.

    Raises:
        KeyStoreError: the passphrase is shorter than ``MIN_PASSPHRASE`` characters.
    """

    def __init__(self, directory: Path, passphrase: SecretStr) -> None:
        if len(passphrase.get_secret_value()) < MIN_PASSPHRASE:
            raise KeyStoreError(
                f"the key store's passphrase is too short: give {MIN_PASSPHRASE} random characters or more"
            )
        self._directory = directory
        self._passphrase = passphrase

    def load(self, label: str) -> PrivateKey:
        """Read and decrypt a key."""
        path = self._path(label)
        try:
            pem = path.read_bytes()
        except FileNotFoundError:
            raise KeyMissingError(
                f"there is no key «{label}» in {self._directory}: hold the key ceremony, which makes what is missing"
            ) from None
        try:
            key = load_pem_private_key(pem, self._secret())
        except (ValueError, TypeError) as error:
            raise KeyStoreError(
                f"the key «{label}» does not open: wrong passphrase, or {path} is damaged (restore the backup)"
            ) from error
        if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
            raise KeyStoreError(f"the key «{label}» is neither EC nor RSA")
        return key

    def create(self, label: str, kind: SigningKeyKind) -> PrivateKey:
        """Generate, encrypt, write."""
        key = generate(kind)
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(self._secret()))
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            write_new(self._path(label), pem)
        except FileExistsError:
            raise KeyStoreError(f"there is a key «{label}» already: a key is never replaced") from None
        return key

    def _path(self, label: str) -> Path:
        require_label(label)
        return self._directory / f"{label}.key"

    def _secret(self) -> bytes:
        return self._passphrase.get_secret_value().encode()


def require_label(label: str) -> None:
    """Insist on a label that every kind of store can carry. KeyStoreError otherwise."""
    if not _LABEL.fullmatch(label):
        raise KeyStoreError("a key's label has lower-case letters, digits and hyphens")


def require_ec(key: PrivateKey, label: str) -> ec.EllipticCurvePrivateKey:
    """Narrow to the kind of key that the ceremony makes for the services. KeyStoreError for another."""
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise KeyStoreError(f"the key «{label}» has to be an EC key, as the key ceremony makes it")
    return key


def generate(kind: SigningKeyKind) -> PrivateKey:
    """Make a private key in memory."""
    if kind.is_rsa:
        return rsa.generate_private_key(RSA_EXPONENT, kind.bits)
    return ec.generate_private_key(ec.SECP256R1() if kind is SigningKeyKind.P256 else ec.SECP384R1())
