"""The keys of a trial installation: what seals, and who signs tokens."""

import base64
import json
from datetime import timedelta
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from libs.common.core.values import Clock
from libs.common.testing import event_keys
from libs.common.web.tokens import TokenIssuer

STAFF_ISSUER: Final = "https://staff.example"
STAFF_TOKEN_LIFETIME: Final = timedelta(hours=12)
AUDIENCES: Final = ("person", "contact", "identity", "biometrics", "ca", "kandas")
_KID: Final = "staff-1"


class StaffIssuer:
    """A stand-in for the operator's OpenID provider: it makes tokens for staff."""

    def __init__(self, key: Ed25519PrivateKey, clock: Clock) -> None:
        self._key = key
        self._clock = clock

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
        now = self._clock()
        times = {"iat": int(now.timestamp()), "exp": int((now + STAFF_TOKEN_LIFETIME).timestamp())}
        return jwt.encode({"iss": STAFF_ISSUER, **times, **claims}, self._key, "EdDSA", headers={"kid": _KID})


class TrialKeys:
    """Every key a service in memory needs. The sealing keys are always the same ones."""

    def __init__(self, clock: Clock) -> None:
        self._token_key = Ed25519PrivateKey.generate()
        self.tokens = TokenIssuer(self._token_key, "identity", "key-1", clock)
        """Makes the tokens of journeys and citizens."""
        self.staff = StaffIssuer(Ed25519PrivateKey.generate(), clock)
        secret = base64.b64encode(bytes(range(32))).decode()
        self.sealing = json.dumps({"keys": {name: {"1": secret} for name in AUDIENCES}, "blind": secret})

    @property
    def token_key(self) -> str:
        """The private key that identity signs tokens with, PKCS#8 in PEM."""
        return self._token_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()

    def settings(self, service: str) -> dict[str, Any]:
        """Return the settings that all services share, for the development profile."""
        return {
            "profile": "development",
            "kafka": "memory.invalid:9092",
            "mongo_uri": "mongodb://memory.invalid",
            "mongo_database": service,
            "sealing": self.sealing,
            "http_port": 0,
            "identity_jwks": json.dumps(self.tokens.jwks()),
            "event_key": event_keys.pem(service),
            "event_jwks": event_keys.JWKS,
            "staff_jwks": self.staff.jwks,
            "staff_issuer": STAFF_ISSUER,
        }
