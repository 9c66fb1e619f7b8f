"""A stand-in for the operator's OpenID provider: it makes tokens for the staff of a trial installation."""

import json
import os
from datetime import timedelta
from pathlib import Path
from typing import Final

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from libs.common.core.values import utc_now

ISSUER: Final = "https://staff.example"
TOKEN_LIFETIME: Final = timedelta(hours=12)
_KID: Final = "staff-1"


class StaffProvider:
    """Holds the signing key of a trial installation; makes it at first use."""

    def __init__(self, folder: Path) -> None:
        path = folder / "staff.pem"
        if not path.exists():
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(pem)
        key = load_pem_private_key(path.read_bytes(), password=None)
        if not isinstance(key, Ed25519PrivateKey):
            raise TypeError(f"{path} must hold an Ed25519 key")
        self._key = key

    @property
    def jwks(self) -> str:
        """The public key, as a JWK set."""
        public = jwt.algorithms.OKPAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        return json.dumps({"keys": [{**public, "kid": _KID, "alg": "EdDSA", "use": "sig"}]})

    def clerk(self, name: str = "clerk-1") -> str:
        """Make a clerk's token."""
        return self._token({"sub": name, "role": "clerk"})

    def officer(self, region: str, name: str = "officer-1") -> str:
        """Make an officer's token, for one region."""
        return self._token({"sub": name, "role": "officer", "region": region})

    def auditor(self, name: str = "auditor-1") -> str:
        """Make an auditor's token."""
        return self._token({"sub": name, "role": "auditor"})

    def _token(self, claims: dict[str, str]) -> str:
        now = utc_now()
        times = {"iat": int(now.timestamp()), "exp": int((now + TOKEN_LIFETIME).timestamp())}
        return jwt.encode({"iss": ISSUER, **times, **claims}, self._key, "EdDSA", headers={"kid": _KID})
