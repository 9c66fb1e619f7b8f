"""Which key store it is: encrypted files or a token, as configured."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ConfigDict, SecretStr

from libs.common.core.model import Model
from services.ca.authority.hierarchy import ROOT, SEAL
from services.ca.authority.issuers import PrivateKey
from services.ca.keys.store import EncryptedFiles, KeyStore, KeyStoreError, SigningKeyKind
from services.ca.keys.token_keys import TokenKeys
from services.ca.keys.token_session import TokenSession
from services.ca.settings import Settings


class TokenConfig(Model):
    """Where the ceremony makes the keys, if not as encrypted files.

    Attributes:
        module: the PKCS#11 library of the token's maker.
        label: the token of the keys that the running service needs.
        root_label: another token, for the root's key alone; it is put away after the ceremony.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    module: Path
    label: str
    root_label: str | None = None


@dataclass(frozen=True, slots=True)
class SplitKeys:
    """A key store of several: some labels have one of their own."""

    usual: KeyStore
    own: Mapping[str, KeyStore]

    def load(self, label: str) -> PrivateKey:
        """Return a key from the store that keeps it."""
        return self.own.get(label, self.usual).load(label)

    def create(self, label: str, kind: SigningKeyKind) -> PrivateKey:
        """Make a key in the store that is to keep it."""
        return self.own.get(label, self.usual).create(label, kind)


def service_keys(settings: Settings) -> KeyStore:
    """Open the running service's keys. KeyStoreError if they can't be."""
    if settings.token_module is not None:
        return _token(settings.token_module, settings.token_label, settings.token_pin, "CA_TOKEN_PIN")
    return _files(settings.keys, settings.keystore_passphrase)


def ceremony_keys(token: TokenConfig | None, folder: Path, secrets: Mapping[str, str]) -> KeyStore:
    """Open the ceremony's keys.

    With a token, the root may lie on one of its own, which then stays offline; and the seal's key, which is handed
    to another service, lies in an encrypted file all the same.

    Args:
        folder: of encrypted files.
        secrets: by the names of environment variables: CA_KEYSTORE_PASSPHRASE, CA_TOKEN_PIN, CA_ROOT_TOKEN_PIN.

    Raises:
        KeyStoreError: a store can't be opened.
    """
    files = _files(folder, _secret(secrets, "CA_KEYSTORE_PASSPHRASE"))
    if token is None:
        return files
    usual = _token(token.module, token.label, _secret(secrets, "CA_TOKEN_PIN"), "CA_TOKEN_PIN")
    own: dict[str, KeyStore] = {SEAL: files}
    if token.root_label is not None:
        own[ROOT] = _token(token.module, token.root_label, _secret(secrets, "CA_ROOT_TOKEN_PIN"), "CA_ROOT_TOKEN_PIN")
    return SplitKeys(usual, own)


def environment_keys(folder: Path, environment: Mapping[str, str]) -> KeyStore:
    """Open keys as the ``CA_…`` variables say: a token if it is named, else encrypted files.

    Beside a token those that lie in the folder all the same are files: the seal's.
    """
    module, passphrase = environment.get("CA_TOKEN_MODULE"), _secret(environment, "CA_KEYSTORE_PASSPHRASE")
    if not module:
        return _files(folder, passphrase)
    token = _token(
        Path(module), environment.get("CA_TOKEN_LABEL", ""), _secret(environment, "CA_TOKEN_PIN"), "CA_TOKEN_PIN"
    )
    labels = [path.stem for path in folder.glob("*.key")]
    return SplitKeys(token, dict.fromkeys(labels, _files(folder, passphrase)) if labels else {})


def _secret(secrets: Mapping[str, str], name: str) -> SecretStr | None:
    return SecretStr(secrets[name]) if secrets.get(name) else None


def _files(folder: Path, passphrase: SecretStr | None) -> KeyStore:
    if passphrase is None:
        raise KeyStoreError("the key store's passphrase is missing: give it as CA_KEYSTORE_PASSPHRASE")
    return EncryptedFiles(folder, passphrase)


def _token(module: Path, label: str, pin: SecretStr | None, variable: str) -> KeyStore:
    if pin is None:
        raise KeyStoreError(f"the PIN of the token «{label}» is missing: give it as {variable}")
    return TokenKeys(TokenSession(module, label, pin))
