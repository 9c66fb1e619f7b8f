"""Secrets for an installation of one's own: `python -m deploy.keys FOLDER`. What exists is left as it is.

For development and trials. A production installation brings its own from its vault, under the same names.
"""

import base64
import json
import os
import secrets
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from libs.common.contracts.signatures import key_set
from libs.common.core.values import utc_now
from libs.common.web.tokens import TokenIssuer

AUDIENCES: Final[Mapping[str, tuple[str, ...]]] = {
    "identity": ("person", "contact", "identity"),
    "otp": ("contact",),
    "biometrics": ("person", "biometrics"),
    "ca": ("person", "ca"),
    "kandas": ("person", "kandas"),
}
"""Who may read which sealed data: a service gets the keys of these audiences and no others."""

KEY_BYTES: Final = 32
SIGNING_KID: Final = "1"


def make_keys(folder: Path) -> None:
    """Put each service's secrets into `folder`/<service>, readable by the owner only.

    For every service `sealing` (the keyring), `event.pem` (signs its events; Ed25519, PKCS#8), `event-jwks.json` (the
    public halves of all services) and `identity-jwks.json` (identity's public key). For identity what signs tokens,
    `token.pem`; for ca and kandas what opens the seal; for ca what opens its key store.
    """
    audiences = sorted({audience for held in AUDIENCES.values() for audience in held})
    sealing = {audience: _kept(folder / "master" / audience, _random) for audience in audiences}
    blind = _kept(folder / "master" / "blind", _random)
    event_keys = {service: _ed25519(_kept(folder / service / "event.pem", _new_ed25519_key)) for service in AUDIENCES}
    event_key_set = key_set({service: key.public_key() for service, key in event_keys.items()})
    token_key_set = json.dumps(_key_set(_kept(folder / "identity" / "token.pem", _new_ed25519_key)))
    seal_passphrase = _kept(folder / "ca" / "seal-passphrase", _random)
    _kept(folder / "ca" / "keystore-passphrase", _random)
    _kept(folder / "kandas" / "seal-passphrase", lambda: seal_passphrase)
    for service, held in AUDIENCES.items():
        keyring = {"keys": {audience: {"1": sealing[audience]} for audience in held}, "blind": blind}
        _kept(folder / service / "sealing", partial(json.dumps, keyring))
        _kept(folder / service / "identity-jwks.json", lambda: token_key_set)
        _kept(folder / service / "event-jwks.json", lambda: event_key_set)


def _kept(file: Path, make: Callable[[], str]) -> str:
    """Give the file's text, made first if there is none."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as secret:
            secret.write(make())
    return file.read_text()


def _random() -> str:
    return base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()


def _new_ed25519_key() -> str:
    key = Ed25519PrivateKey.generate()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _ed25519(pem: str) -> Ed25519PrivateKey:
    key = load_pem_private_key(pem.encode(), password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise TypeError("token.pem and event.pem must hold Ed25519 keys")
    return key


def _key_set(pem: str) -> dict[str, Any]:
    return TokenIssuer(_ed25519(pem), "identity", SIGNING_KID, utc_now).jwks()


if __name__ == "__main__":
    if len(sys.argv) != 2:  # noqa: PLR2004 - the program and its one argument
        sys.exit("usage: python -m deploy.keys FOLDER")
    make_keys(Path(sys.argv[1]))
