import base64
import json
from datetime import date, timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from libs.common.testing import event_keys
from services.kandas.settings import Settings

KEY = base64.b64encode(bytes(range(32))).decode()
_MONDAY = date(2026, 3, 2)
GIVEN = {
    "kafka": "127.0.0.1:9092",
    "mongo_uri": "mongodb://127.0.0.1",
    "mongo_database": "kandas",
    "sealing": json.dumps({"keys": {"kandas": {"1": KEY}}, "blind": KEY}),
    "http_port": 8005,
    "identity_jwks": json.dumps({"keys": [{"kid": "k"}]}),
    "event_key": event_keys.pem("kandas"),
    "event_jwks": event_keys.JWKS,
    "root_certificates": "root.pem",
    "issuing_certificates": "issuing.pem",
    "seal_file": "seal.p12",
    "seal_passphrase": "invented-for-tests",
}

SAFE = {"kafka_tls": True, "mongo_uri": "mongodb://store.example/?tls=true", "revoked_certificates": "revoked.json"}


def test_development_needs_no_ministry_and_finds_its_rules() -> None:
    settings = Settings.model_validate(GIVEN | {"profile": "development"})
    assert settings.law.draft == timedelta(days=30)
    assert settings.law.book.on(settings.law.calendar.add(_MONDAY, 1)).id == "2025-10-26"


def test_production_without_a_ministry_or_a_public_address_is_refused() -> None:
    ministry = {"ministry_url": "https://ministry.example/", "ministry_token": "invented"}
    with pytest.raises(ValidationError, match="ministry_url"):
        Settings.model_validate(GIVEN | SAFE)
    with pytest.raises(ValidationError, match="verify_url"):
        Settings.model_validate(GIVEN | SAFE | ministry)
    settings = Settings.model_validate(GIVEN | SAFE | ministry | {"verify_url": "https://kandas.example/v1/documents"})
    assert settings.profile == "production"


def test_rules_and_moved_days_can_be_replaced_by_files(tmp_path: Path) -> None:
    moved = tmp_path / "moved.json"
    moved.write_text('{"days_off": ["2026-03-03"]}')
    settings = Settings.model_validate(GIVEN | {"profile": "development", "moved_days_file": moved})
    assert settings.law.calendar.add(_MONDAY, 1).isoformat() == "2026-03-04"
