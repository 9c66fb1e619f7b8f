"""Production does not start with what an attacker would like, unless somebody took the risk by its name."""

import base64
import json
from typing import Any

import pytest
from pydantic import ValidationError

from libs.common.core.risks import Risk, encrypted_store, refuse_risks
from libs.common.core.settings import ServiceSettings
from libs.common.testing import event_keys
from services.identity.settings import Settings as IdentitySettings
from services.kandas.settings import Settings as KandasSettings
from services.otp.settings import Settings as OtpSettings


def key(octets: bytes) -> str:
    return base64.b64encode(octets).decode()


GOOD = key(bytes(range(32)))
KEY_SET = json.dumps({"keys": [{"kid": "k"}]})
PRODUCTION: dict[str, Any] = {
    "kafka": "broker.example:9093",
    "kafka_tls": True,
    "mongo_uri": "mongodb+srv://store.example",
    "mongo_database": "otp",
    "sealing": json.dumps({"keys": {"contact": {"1": GOOD}}, "blind": GOOD}),
    "http_port": 8080,
    "identity_jwks": KEY_SET,
    "event_key": event_keys.pem("otp"),
    "event_jwks": event_keys.JWKS,
    "sms_url": "https://sms.example",
    "sms_token": "invented",
}
STAFF = {"staff_jwks": KEY_SET, "staff_issuer": "https://staff.example"}
RISKY: dict[str, dict[str, Any]] = {
    "kafka-plaintext": {"kafka_tls": False},
    "store-plaintext": {"mongo_uri": "mongodb://store.example"},
    "staff-audience": STAFF,
    "weak-key": {"sealing": json.dumps({"keys": {"contact": {"1": key(bytes(32))}}, "blind": GOOD})},
    "sms-plaintext": {"sms_url": "http://sms.example"},
    "short-codes": {"rules": {"code_digits": 4}},
}


def test_production_starts_without_a_risk() -> None:
    given = OtpSettings.model_validate(PRODUCTION | STAFF | {"staff_audience": "onboarding"})
    assert (given.profile, list(given.risks())) == ("production", [])


@pytest.mark.parametrize("name", RISKY)
def test_production_refuses_a_risk_says_why_and_takes_it_only_by_its_name(name: str) -> None:
    risky = PRODUCTION | RISKY[name]
    with pytest.raises(ValidationError, match=f"production does not start with this: .*accept {name}"):
        OtpSettings.model_validate(risky)
    with pytest.raises(ValidationError, match="no risk here"):
        OtpSettings.model_validate(risky | {"accepted_risks": "something-else"})
    assert OtpSettings.model_validate(risky | {"accepted_risks": f" {name} ,"}).profile == "production"
    assert OtpSettings.model_validate(risky | {"profile": "development"}).profile == "development"


def test_an_acceptance_that_is_needed_no_more_is_noticed() -> None:
    with pytest.raises(ValidationError, match="no risk here: kafka-plaintext"):
        OtpSettings.model_validate(PRODUCTION | {"accepted_risks": "kafka-plaintext"})


def test_all_risks_are_named_at_once() -> None:
    with pytest.raises(ValueError, match=r"first.*accept a.*second.*accept b"):
        refuse_risks([Risk("a", "first"), Risk("b", "second")], "")


@pytest.mark.parametrize(
    ("uri", "encrypted"),
    [
        ("mongodb://db", False),
        ("mongodb://db/?tls=true", True),
        ("mongodb://db/?replicaSet=a&SSL=true", True),
        ("mongodb://db/?tls=false", False),
        ("mongodb+srv://db", True),
        ("mongodb+srv://db/?tls=false", False),
    ],
)
def test_a_store_is_encrypted_where_its_address_says_so(uri: str, encrypted: bool) -> None:
    assert encrypted_store(uri) is encrypted


def names(settings: ServiceSettings) -> set[str]:
    return {risk.name for risk in settings.risks()}


def test_each_service_adds_its_own() -> None:
    plain = {"register_url": "http://register.example", "mcb_url": "http://mcb.example"}
    identity = IdentitySettings.model_construct(
        **{**plain, "pin_hash": IdentitySettings.model_fields["pin_hash"].default.__class__(memory_kib=64)},
        kafka_tls=True,
        **trusted(),
    )
    assert names(identity) == {"register-plaintext", "mcb-plaintext", "weak-pin-hash"}
    kandas = KandasSettings.model_construct(kafka_tls=True, ministry_url="http://ministry.example", **trusted())
    assert names(kandas) == {"ministry-plaintext", "no-revoked-list"}


def trusted() -> dict[str, Any]:
    given = OtpSettings.model_validate(PRODUCTION)
    return {"mongo_uri": given.mongo_uri, "sealing": given.sealing, "staff_jwks": None}
