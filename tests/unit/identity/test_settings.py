"""Settings of identity: impossible ones cannot be made, and say why without quoting a secret."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pydantic import SecretStr, ValidationError

from libs.common.core.settings import explain
from libs.common.testing import event_keys
from libs.common.testing.harness import NOON
from libs.common.web.tokens import TokenIssuer, TokenVerifier
from services.identity.settings import Settings
from tests.unit.identity.factories import HOUR

KEY = Ed25519PrivateKey.generate()
JWKS = TokenIssuer(KEY, "identity", "key-7", lambda: NOON).jwks()


def pem(key: Any) -> str:
    return str(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode())


def sealing(*audiences: str) -> str:
    secret = base64.b64encode(bytes(range(32))).decode()
    return json.dumps({"keys": {name: {"1": secret} for name in audiences}, "blind": secret})


def settings(**change: Any) -> Settings:
    reason: dict[str, Any] = {
        "profile": "development",
        "kafka": "127.0.0.1:9092",
        "mongo_uri": "mongodb://127.0.0.1",
        "mongo_database": "identity",
        "http_port": 0,
        "sealing": sealing("person", "contact", "identity"),
        "identity_jwks": json.dumps(JWKS),
        "event_key": event_keys.pem("identity"),
        "event_jwks": event_keys.JWKS,
        "token_key": pem(KEY),
    }
    return Settings(**reason | change)


SAFE: dict[str, Any] = {"profile": "production", "kafka_tls": True, "mongo_uri": "mongodb://store.example/?tls=true"}
OUTSIDE = {
    "register_url": "https://register.example/",
    "register_token": "t",
    "mcb_url": "https://mcb.example/",
    "mcb_token": "t",
}


def test_tokens_are_signed_under_the_name_that_the_published_key_has() -> None:
    read = settings()
    assert read.kid == "key-7"
    token = TokenIssuer(read.private_key, "identity", read.kid, lambda: NOON).journey("j", HOUR)
    assert TokenVerifier(read.identity_jwks, "identity", lambda: NOON).verify(token).sub == "j"


def test_while_keys_are_changed_the_older_one_stays_published() -> None:
    older = TokenIssuer(Ed25519PrivateKey.generate(), "identity", "key-6", lambda: NOON).jwks()
    both = {"keys": older["keys"] + JWKS["keys"]}
    read = settings(identity_jwks=json.dumps(both))
    assert read.kid == "key-7"
    assert read.key_set == both


def test_the_token_key_may_come_as_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "token.pem"
    path.write_text(pem(KEY))
    monkeypatch.setenv("IDENTITY_TOKEN_KEY_FILE", str(path))
    others = settings().model_dump(exclude={"token_key", "mongo_uri", "sealing"})
    keyring = SecretStr(sealing("person", "contact", "identity"))
    read = Settings(**others, mongo_uri=SecretStr("mongodb://127.0.0.1"), sealing=keyring)
    assert read.kid == "key-7"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"token_key": pem(Ed25519PrivateKey.generate())}, "lacks the public half"),
        ({"token_key": "nonsense"}, "must be an Ed25519 private key"),
        ({"token_key": pem(generate_private_key(65537, 2048))}, "must be an Ed25519 private key"),
        ({"sealing": sealing("person", "contact")}, "lacks the audience 'identity'"),
        ({"register_url": "https://register.example/"}, "register_url and register_token belong together"),
        (SAFE, "register_url and register_token name a system of the state"),
        (
            {"profile": "production", **SAFE, **OUTSIDE, "mcb_url": None, "mcb_token": None},
            "mcb_url and mcb_token name",
        ),
    ],
)
def test_impossible_settings_are_refused_in_a_sentence(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError) as refused:
        settings(**change)
    reason = explain(refused.value)
    assert sentence in reason
    assert "PRIVATE KEY" not in reason
    assert "nonsense" not in reason


def test_production_with_both_outside_systems_is_possible() -> None:
    assert settings(**SAFE, **OUTSIDE).profile == "production"
