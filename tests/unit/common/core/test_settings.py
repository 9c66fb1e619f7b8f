"""What settings are taken, and the sentences that refuse the impossible ones."""

import base64
import json
import ssl
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from pydantic import SecretStr, ValidationError
from pydantic_settings import SettingsConfigDict

from libs.common.core.settings import ServiceSettings, explain
from libs.common.core.values import utc_now
from libs.common.testing import event_keys
from libs.common.web.tokens import TokenIssuer

JWKS = json.dumps(TokenIssuer(Ed25519PrivateKey.generate(), "identity", "1", utc_now).jwks())
KEY = base64.b64encode(bytes(range(32))).decode()
SEALING = json.dumps({"keys": {"person": {"1": KEY}}, "blind": KEY})


class OtpSettings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="OTP_")

    tries: int = 5
    regions: tuple[str, ...] = ()


def settings(**changes: Any) -> OtpSettings:
    usual: dict[str, Any] = {
        "kafka": "127.0.0.1:9092",
        "kafka_tls": True,
        "mongo_uri": "mongodb://user:pa55@db/?tls=true",
        "mongo_database": "otp",
        "sealing": SEALING,
        "http_port": 8000,
        "identity_jwks": JWKS,
        "event_key": event_keys.pem("otp"),
        "event_jwks": event_keys.JWKS,
    }
    return OtpSettings(**{name: value for name, value in (usual | changes).items() if value is not None})


def refusal(**changes: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        settings(**changes)
    return explain(caught.value)


def test_the_defaults_are_those_of_production() -> None:
    given = settings()
    assert (given.profile, given.http_host, given.log_json, given.kafka_idempotence) == (
        "production",
        "127.0.0.1",
        True,
        True,
    )
    assert given.keyring.holds("person")


def test_settings_come_from_variables_with_the_service_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTP_TRIES", "3")
    monkeypatch.setenv("TRIES", "9")
    monkeypatch.setenv("OTP_KAFKA", "k:1")
    assert settings(kafka=None).kafka == "k:1"
    assert settings().tries == 3


def test_a_secret_may_come_as_a_mounted_file_and_a_variable_wins_over_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "sealing").write_text(SEALING + "\n")
    (tmp_path / "tries").write_text("7\n")
    monkeypatch.setenv("OTP_SEALING_FILE", str(tmp_path / "sealing"))
    monkeypatch.setenv("OTP_TRIES_FILE", str(tmp_path / "tries"))
    assert settings(sealing=None).sealing == SecretStr(SEALING)
    assert settings().tries == 7
    (tmp_path / "regions").write_text('["75", "71"]')
    monkeypatch.setenv("OTP_REGIONS_FILE", str(tmp_path / "regions"))
    assert settings().regions == ("75", "71")
    monkeypatch.setenv("OTP_TRIES", "3")
    assert settings().tries == 3


def test_a_secret_file_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OTP_SEALING_FILE", str(tmp_path / "absent"))
    assert "sealing: it cannot be read from the file" in (reason := refusal(sealing=None))
    assert "absent': No such file" in reason


def test_the_key_set_may_be_a_file(tmp_path: Path) -> None:
    (tmp_path / "jwks.json").write_text(JWKS)
    assert settings(identity_jwks=str(tmp_path / "jwks.json")).identity_jwks == JWKS


def test_settings_cannot_be_changed_afterwards() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        settings().tries = 9  # type: ignore[misc]  # the very thing that must not be possible


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"kafka": None}, "kafka: Field required"),
        ({"http_port": 70000}, "http_port"),
        ({"mongo_uri": "postgres://db"}, "mongo_uri must begin with mongodb://"),
        ({"mongo_database": "My DB"}, "mongo_database"),
        ({"sealing": '{"keys": {"person": {"1": "c2hvcnQ="}}, "blind": "AA=="}'}, "not a keyring"),
        ({"sealing": '{"keys": {"person": {}}, "blind": "AA=="}'}, "not a keyring"),
        ({"sealing": "[]"}, "not a keyring"),
        ({"identity_jwks": '{"keys": []}'}, "the JWK set is empty"),
        ({"identity_jwks": "{not json"}, "not a JWK set"),
        ({"identity_jwks": "/nowhere/jwks.json"}, "the key set cannot be read from the file"),
        ({"staff_jwks": JWKS}, "staff_jwks and staff_issuer belong together"),
        ({"staff_issuer": "https://staff"}, "staff_jwks and staff_issuer belong together"),
        ({"staff_issuer": "identity", "staff_jwks": JWKS}, "must have different issuers"),
        ({"profile": "development", "http_host": "0.0.0.0"}, "listens on 127.0.0.1 only"),  # noqa: S104 - refused
        ({"profile": "bench", "http_host": "10.0.0.8"}, "listens on 127.0.0.1 only"),
        ({"profile": "staging"}, "profile: Input should be 'production', 'development' or 'bench'"),
    ],
)
def test_an_impossible_configuration_is_refused_with_a_sentence(changes: dict[str, Any], sentence: str) -> None:
    assert sentence in refusal(**changes)


def test_a_development_profile_may_be_exposed_from_a_container_by_saying_so() -> None:
    given = settings(profile="development", http_host="0.0.0.0", development_exposed=True)  # noqa: S104 - a container
    assert given.profile == "development"


def test_no_secret_shows_in_a_refusal_or_in_a_printed_configuration() -> None:
    with pytest.raises(ValidationError) as caught:
        settings(http_port="x", sealing=json.dumps({"keys": {"person": {"1": KEY}}}))
    for text in (str(caught.value), explain(caught.value), repr(settings())):
        assert KEY not in text
        assert "pa55" not in text


def certificate(folder: Path) -> dict[str, Path]:
    """A certificate and its key, in files as the settings name them."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "otp")])
    one = (
        x509.CertificateBuilder(name, name, key.public_key(), 1)
        .not_valid_before(utc_now())
        .not_valid_after(utc_now() + timedelta(hours=1))
        .sign(key, SHA256())
    )
    files = {"kafka_tls_certificate": folder / "otp.pem", "kafka_tls_key": folder / "otp.key"}
    files["kafka_tls_certificate"].write_bytes(one.public_bytes(Encoding.PEM))
    files["kafka_tls_key"].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return files


def test_without_more_said_the_broker_is_spoken_to_in_clear() -> None:
    assert settings(profile="development", kafka_tls=False).kafka_access.options() == {
        "bootstrap_servers": "127.0.0.1:9092"
    }


def test_over_tls_the_broker_is_verified_by_name_against_the_named_authority_alone(tmp_path: Path) -> None:
    files = certificate(tmp_path)
    given = settings(kafka_tls=True, kafka_tls_ca=files["kafka_tls_certificate"], **files).kafka_access.options()
    assert given["security_protocol"] == "SSL"
    assert given["ssl_context"].check_hostname
    assert given["ssl_context"].verify_mode is ssl.CERT_REQUIRED
    assert given["ssl_context"].cert_store_stats()["x509"] == 1


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"])
def test_a_password_is_used_as_it_was_said(mechanism: str) -> None:
    named = {"kafka_username": "otp", "kafka_password": "pa55", "kafka_mechanism": mechanism, "kafka_tls": True}
    given = settings(**named).kafka_access.options()
    assert (given["security_protocol"], given["sasl_mechanism"]) == ("SASL_SSL", mechanism)
    assert (given["sasl_plain_username"], given["sasl_plain_password"]) == ("otp", "pa55")
    assert "pa55" not in repr(settings(**named))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"kafka_tls_ca": "/run/ca.pem"}, "go with kafka_tls=true"),
        ({"kafka_tls": True, "kafka_tls_key": "/run/key.pem"}, "give both, or neither"),
        ({"kafka_username": "otp"}, "give both, or neither"),
        ({"kafka_password": "pa55"}, "give both, or neither"),
        (
            {"kafka_username": "otp", "kafka_password": "pa55", "kafka_mechanism": "PLAIN"},
            "would send the password in clear",
        ),
        ({"kafka_tls": True, "kafka_tls_ca": "/absent/ca.pem"}, "cannot be used: No such file"),
        ({"kafka_tls": True, "kafka_tls_ca": "/dev/null"}, "the files for TLS to Kafka cannot be used"),
    ],
)
def test_a_way_to_the_broker_that_cannot_work_is_refused(changes: dict[str, Any], said: str) -> None:
    assert said in (reason := refusal(**({"kafka_tls": False} | changes)))
    assert "pa55" not in reason
