"""The whole service on a real broker and a real store: a journey whose messages come twice and out of order."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pydantic import SecretStr

from libs.common.contracts.events import Event, Meta, encode
from libs.common.core.kafka_access import KafkaAccess
from libs.common.core.values import utc_now
from libs.common.delivery.documents import Outgoing
from libs.common.delivery.kafka import KafkaPublisher
from libs.common.delivery.topic_admin import create_topics
from libs.common.testing import event_keys
from libs.common.web.tokens import TokenIssuer
from services.identity.app import build
from services.identity.settings import Settings
from tests.unit.identity.factories import IIN, MATCHED, PIN, VERIFIED, issued
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.kafka

FORM = {"iin": IIN, "phone": "+77010000012"}


def make_settings(broker_address: str, broker_kind: str, mongo_uri: str) -> Settings:
    key = Ed25519PrivateKey.generate()
    secret = base64.b64encode(bytes(range(32))).decode()
    keys = {name: {"1": secret} for name in ("person", "contact", "identity")}
    return Settings(
        profile="development",
        kafka=broker_address,
        kafka_idempotence=broker_kind == "kafka",
        mongo_uri=SecretStr(mongo_uri),
        mongo_database=f"identity-{uuid4().hex[:8]}",
        sealing=SecretStr(json.dumps({"keys": keys, "blind": secret})),
        http_port=0,
        identity_jwks=json.dumps(TokenIssuer(key, "identity", "k1", utc_now).jwks()),
        event_key=SecretStr(event_keys.pem("identity")),
        event_jwks=event_keys.JWKS,
        token_key=SecretStr(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()),
    )


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    app = build(settings).http
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://identity") as http,
    ):
        yield http


@dataclass
class Others:
    """The other services, as far as identity hears of them. Each message is sent twice."""

    publisher: KafkaPublisher
    settings: Settings

    async def deliver(self, event: Event, journey_id: str) -> None:
        meta = Meta(str(uuid4()), event.type(), "elsewhere", utc_now(), journey_id, journey_id)
        value = encode(event, meta, self.settings.keyring).decode()
        await self.publisher.publish([Outgoing(event.topic, meta, value)] * 2)


async def seen(
    http: httpx.AsyncClient, path: str, headers: dict[str, str], ready: Callable[[dict[str, Any]], bool]
) -> dict[str, Any]:
    """Look until what is shown is what is waited for."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            shown: dict[str, Any] = (await http.get(path, headers=headers)).json()
            if ready(shown):
                return shown
            await asyncio.sleep(0.02)


def keys_of(shown: dict[str, Any]) -> list[str]:
    return sorted(entry["key"] for entry in shown["timeline"])


async def test_a_journey_ends_with_both_certificates_in_the_cabinet_and_shows_every_step_once(
    broker_address: str, broker_kind: str, mongo_uri: str
) -> None:
    settings = make_settings(broker_address, broker_kind, mongo_uri)
    await create_topics(KafkaAccess(broker_address), partitions=1)
    publisher = event_keys.everybody(broker_address)
    await publisher.start()
    others = Others(publisher, settings)
    try:
        async with running(settings) as http:
            started = await http.post("/v1/journeys", json=FORM, headers={"Idempotency-Key": str(uuid4())})
            assert started.status_code == 201, started.text
            journey_id, path = started.json()["journey_id"], f"/v1/journeys/{started.json()['journey_id']}"
            mine = {"Authorization": f"Bearer {started.json()['token']}"}
            for fact in (MATCHED, VERIFIED):
                await others.deliver(fact, journey_id)
            await seen(http, path, mine, lambda shown: shown["step"] == "pin")
            created = await http.post(
                f"{path}/digital-id", json={"pin": PIN}, headers=mine | {"Idempotency-Key": str(uuid4())}
            )
            citizen_id = created.json()["citizen_id"]
            await others.deliver(issued("AUTH", citizen_id=citizen_id), journey_id)
            await others.deliver(issued("SIGN", citizen_id=citizen_id), journey_id)
            shown = await seen(
                http, path, mine, lambda shown: {"journey.completed", "mcb.registered"} <= set(keys_of(shown))
            )
            session = await http.post("/v1/sessions", json={"iin": IIN, "pin": PIN})
            cabinet = await http.get("/v1/cabinet", headers={"Authorization": f"Bearer {session.json()['token']}"})
    finally:
        await publisher.stop()
    assert shown["outcome"] == "completed"
    assert keys_of(shown) == [
        *("cert.issued", "cert.issued", "digital_id.created", "face.matched"),
        *("journey.completed", "journey.started", "mcb.registered", "otp.verified"),
    ]
    assert {each["profile"] for each in cabinet.json()["certificates"]} == {"SIGN", "AUTH"}
