"""The secrets of an installation: each service gets its own share, and a second run changes nothing."""

from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from deploy.keys import AUDIENCES, SIGNING_KID, make_keys
from libs.common.core.sealing import Keyring, SealError
from libs.common.core.values import utc_now
from libs.common.web.tokens import TokenIssuer, TokenVerifier
from services.otp.settings import Settings


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys")
    make_keys(folder)
    return folder


def ring(keys: Path, service: str) -> Keyring:
    return Keyring.parse((keys / service / "sealing").read_text())


def test_what_one_service_seals_opens_with_those_meant_to_read_it_and_no_others(keys: Path) -> None:
    box = ring(keys, "identity").seal("contact", b"+7 700 000 00 00", "place")
    assert ring(keys, "otp").open(box, "place") == b"+7 700 000 00 00"
    for stranger in ("biometrics", "ca", "kandas"):
        with pytest.raises(SealError):
            ring(keys, stranger).open(box, "place")


def test_all_services_know_a_person_by_the_same_blind_name(keys: Path) -> None:
    assert len({ring(keys, service).blind("person", "900101300123") for service in AUDIENCES}) == 1


def test_tokens_of_identitys_key_pass_with_every_services_key_set(keys: Path) -> None:
    key = load_pem_private_key((keys / "identity" / "token.pem").read_bytes(), password=None)
    assert isinstance(key, Ed25519PrivateKey)
    token = TokenIssuer(key, "identity", SIGNING_KID, utc_now).journey("j-1", timedelta(minutes=1))
    for service in AUDIENCES:
        key_set = (keys / service / "identity-jwks.json").read_text()
        assert TokenVerifier(key_set, "identity", utc_now).verify(token).sub == "j-1"


def test_a_second_run_changes_nothing(keys: Path) -> None:
    before = {file: file.read_bytes() for file in keys.rglob("*") if file.is_file()}
    make_keys(keys)
    assert {file: file.read_bytes() for file in keys.rglob("*") if file.is_file()} == before


def test_nobody_else_on_the_machine_can_read_them(keys: Path) -> None:
    assert {file.stat().st_mode & 0o777 for file in keys.rglob("*") if file.is_file()} == {0o600}
    assert {folder.stat().st_mode & 0o077 for folder in keys.iterdir()} == {0}


def test_a_service_starts_from_these_files(keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = {
        "OTP_PROFILE": "development",
        "OTP_KAFKA": "127.0.0.1:9092",
        "OTP_MONGO_URI": "mongodb://127.0.0.1:27017",
        "OTP_MONGO_DATABASE": "otp",
        "OTP_HTTP_PORT": "8080",
        "OTP_SEALING_FILE": str(keys / "otp" / "sealing"),
        "OTP_IDENTITY_JWKS": str(keys / "otp" / "identity-jwks.json"),
        "OTP_EVENT_KEY_FILE": str(keys / "otp" / "event.pem"),
        "OTP_EVENT_JWKS": str(keys / "otp" / "event-jwks.json"),
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    assert settings.keyring.holds("contact")
    assert not settings.keyring.holds("person")
