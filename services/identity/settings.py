"""Settings of identity, as ``IDENTITY_…``."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Self

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from pydantic import SecretStr, model_validator
from pydantic_settings import SettingsConfigDict
from typing_extensions import override

from libs.common.core.risks import Risk, plain_addresses
from libs.common.core.settings import ServiceSettings
from services.identity.accounts.domain import SignInRules
from services.identity.accounts.hashing import HashRules
from services.identity.accounts.pins import PinHash
from services.identity.journeys.states import JourneyRules
from services.identity.register.people import INVENTED_PEOPLE

_LEAST_WORK: Final = 19456 * 2
"""KiB times passes of Argon2id; OWASP's Password Storage Cheat Sheet recommends at least this."""


class Settings(ServiceSettings):
    """Settings of identity.

    Attributes:
        token_key: the Ed25519 key that signs tokens, PKCS#8 in PEM; `identity_jwks` holds its public half.
        register_url: the gateway of the population register; in development none is needed.
        register_token: what that gateway knows us by.
        mcb_url: the gateway of the Mobile Citizens Base, likewise; ends with a slash if it has a path.
        mcb_token: what that gateway knows us by.
        development_people: who there is where no register is named: a JSON file like `data/people.json`.
    """

    model_config = SettingsConfigDict(env_prefix="IDENTITY_", env_nested_delimiter="__")

    token_key: SecretStr
    rules: JourneyRules = JourneyRules()
    sign_in: SignInRules = SignInRules()
    pin_hash: HashRules = HashRules()
    register_url: str | None = None
    register_token: SecretStr | None = None
    mcb_url: str | None = None
    mcb_token: SecretStr | None = None
    development_people: Path = INVENTED_PEOPLE

    @override
    def risks(self) -> Iterator[Risk]:
        yield from super().risks()
        yield from plain_addresses(register_url=self.register_url, mcb_url=self.mcb_url)
        if self.pin_hash.memory_kib * self.pin_hash.passes < _LEAST_WORK:
            yield Risk("weak-pin-hash", "PINs can be guessed from their hashes: leave pin_hash as it is, or dearer")

    @property
    def private_key(self) -> Ed25519PrivateKey:
        """The key that signs tokens."""
        return _ed25519(self.token_key.get_secret_value())

    @property
    def key_set(self) -> dict[str, Any]:
        """The public keys by which tokens are checked, the older ones too."""
        published: dict[str, Any] = json.loads(self.identity_jwks)
        return published

    @property
    def kid(self) -> str:
        """The name of our key in the key set."""
        return _kid_of(self.private_key, self.key_set)

    @model_validator(mode="after")
    def _check_keys(self) -> Self:
        try:
            _kid_of(self.private_key, self.key_set)
        except StopIteration:
            raise ValueError(
                "identity_jwks lacks the public half of token_key: nobody would accept our tokens"
            ) from None
        except (ValueError, TypeError):
            raise ValueError("token_key must be an Ed25519 private key, PKCS#8 in PEM without a password") from None
        for audience in ("person", "contact", PinHash.audience):
            if not self.keyring.holds(audience):
                raise ValueError(f"the keyring lacks the audience {audience!r}, which identity seals for")
        return self

    @model_validator(mode="after")
    def _check_gateways(self) -> Self:
        for name in ("register", "mcb"):
            given = [getattr(self, f"{name}_url") is not None, getattr(self, f"{name}_token") is not None]
            if any(given) and not all(given):
                raise ValueError(f"{name}_url and {name}_token belong together")
            if self.profile == "production" and not all(given):
                raise ValueError(f"{name}_url and {name}_token name a system of the state that identity must ask")
        return self


def _ed25519(pem: str) -> Ed25519PrivateKey:
    key = load_pem_private_key(pem.encode(), password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise TypeError("not an Ed25519 key")
    return key


def _kid_of(key: Ed25519PrivateKey, key_set: dict[str, Any]) -> str:
    ours = jwt.algorithms.OKPAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return next(str(each["kid"]) for each in key_set["keys"] if each.get("x") == ours["x"] and "kid" in each)
