"""A stand-in for the operator's OpenID provider, with a key that outlives the process."""

import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from libs.common.core.values import utc_now
from libs.common.testing.trial_keys import StaffIssuer


def staff_issuer(folder: Path) -> StaffIssuer:
    """Open the issuer of staff tokens of a trial installation; its key is made at first use."""
    path = folder / "staff.pem"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(pem)
    key = load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise TypeError(f"{path} must hold an Ed25519 key")
    return StaffIssuer(key, utc_now)
