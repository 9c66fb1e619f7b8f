"""The operator's gateway over HTTP, what its answers mean, and which gateway a profile gets."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import ValidationError

from libs.common.core.errors import Retryable
from libs.common.testing import event_keys
from libs.common.testing.harness import NOON
from libs.common.web.tokens import TokenIssuer
from services.otp.app import build, random_code
from services.otp.settings import Settings
from services.otp.sms import HttpGateway, Undeliverable
from tests.unit.otp.harness import PHONE
from tests.waiting import PATIENCE_S

JWKS = json.dumps(TokenIssuer(Ed25519PrivateKey.generate(), "identity", "key-1", lambda: NOON).jwks())
SECRET = base64.b64encode(bytes(range(32))).decode()
SEALING = json.dumps({"keys": {"contact": {"1": SECRET}}, "blind": SECRET})


@dataclass
class Operator:
    """An SMS gateway that answers with one status, or not at all, and keeps what it was sent."""

    status: int | None = 202
    requests: list[tuple[str, dict[str, str], dict[str, str]]] = field(default_factory=list)
    url: str = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.strip().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        body = json.loads(await reader.readexactly(int(headers["content-length"])))
        self.requests.append((first, headers, body))
        if self.status is None:
            await reader.read()  # until the client gives up
        else:
            writer.write(b"HTTP/1.1 %d x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % self.status)
        writer.close()
        await writer.wait_closed()


@pytest_asyncio.fixture
async def operator() -> AsyncIterator[Operator]:
    gateway = Operator()
    server = await asyncio.start_server(gateway.serve, "127.0.0.1", 0)
    gateway.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/api/v1/sms"
    async with server:
        yield gateway


async def hand_over(operator: Operator, sms_id: str = "sms-1", read_s: float = PATIENCE_S) -> None:
    timeout = httpx.Timeout(PATIENCE_S, read=read_s)
    async with httpx.AsyncClient(headers={"Authorization": "Bearer operator"}, timeout=timeout) as client:
        await HttpGateway(client, operator.url, "1414").send("journey-1", PHONE, "271828: код", sms_id)


async def test_a_message_goes_to_the_very_address_with_sender_text_and_idempotency_key(operator: Operator) -> None:
    await hand_over(operator)
    ((first, headers, body),) = operator.requests
    assert first == "POST /api/v1/sms HTTP/1.1"
    assert body == {"from": "1414", "to": PHONE, "text": "271828: код"}
    assert (headers["idempotency-key"], headers["authorization"]) == ("sms-1", "Bearer operator")
    assert "journey-1" not in str(operator.requests)


@pytest.mark.parametrize("status", [200, 201, 202, 204])
async def test_any_success_means_taken(operator: Operator, status: int) -> None:
    operator.status = status
    await hand_over(operator)


@pytest.mark.parametrize("status", [400, 422])
async def test_a_refused_message_means_that_this_phone_cannot_be_reached(operator: Operator, status: int) -> None:
    operator.status = status
    with pytest.raises(Undeliverable, match=str(status)):
        await hand_over(operator)


@pytest.mark.parametrize("status", [301, 401, 403, 404, 408, 409, 425, 429, 500, 502, 503])
async def test_an_overloaded_gateway_or_a_wrong_token_says_nothing_about_the_phone(
    operator: Operator, status: int
) -> None:
    operator.status = status
    with pytest.raises(Retryable, match=str(status)):
        await hand_over(operator)


async def test_a_gateway_that_does_not_answer_in_time_is_asked_later(operator: Operator) -> None:
    operator.status = None
    with pytest.raises(Retryable, match="ReadTimeout") as error:
        await hand_over(operator, read_s=0.3)
    assert PHONE not in str(error.value)
    assert "271828" not in str(error.value)


async def test_a_gateway_that_is_not_there_is_asked_later(operator: Operator, free_port: int) -> None:
    operator.url = f"http://127.0.0.1:{free_port}/sms"
    with pytest.raises(Retryable, match="ConnectError"):
        await hand_over(operator)


def settings(**change: Any) -> Settings:
    reason: dict[str, Any] = {
        "profile": "development",
        "kafka": "127.0.0.1:9",
        "mongo_uri": "mongodb://127.0.0.1:9",
        "mongo_database": "otp",
        "http_port": 0,
        "sealing": SEALING,
        "identity_jwks": JWKS,
        "event_key": event_keys.pem("otp"),
        "event_jwks": event_keys.JWKS,
    }
    return Settings(**{**reason, **change})


SAFE: dict[str, Any] = {"kafka_tls": True, "mongo_uri": "mongodb://store.example/?tls=true"}
GATEWAY = {"sms_url": "https://sms.test.kz/v1/messages", "sms_token": "a token"}


def test_production_without_a_gateway_is_refused() -> None:
    with pytest.raises(ValidationError, match="no code reaches anybody"):
        settings(profile="production", **SAFE)


@pytest.mark.parametrize("half", [{"sms_url": "https://sms.test.kz"}, {"sms_token": "a token"}])
@pytest.mark.parametrize("profile", ["production", "development"])
def test_half_a_gateway_is_refused_and_does_not_fall_back_to_an_inbox(profile: str, half: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="belong together"):
        settings(profile=profile, **SAFE, **half)


async def test_production_has_no_inbox_at_any_address() -> None:
    http = build(settings(profile="production", **SAFE, **GATEWAY)).http
    async with httpx.AsyncClient(transport=httpx.ASGITransport(http), base_url="http://otp") as client:
        answer = await client.get("/dev/inbox", params={"journey_id": "7a4b3f0e-5a35-4d0a-9a51-6a5b8f6f4a01"})
    assert (answer.status_code, answer.json()["key"]) == (404, "route.unknown")
    assert not [path for path in http.openapi()["paths"] if "inbox" in path or path.startswith("/dev")]


def test_development_has_an_inbox_unless_it_is_given_a_gateway() -> None:
    assert "/dev/inbox" in build(settings()).http.openapi()["paths"]
    assert "/dev/inbox" not in build(settings(**GATEWAY)).http.openapi()["paths"]


def test_codes_have_all_their_digits_and_come_from_the_whole_range() -> None:
    drawn = [random_code(6, lambda: "an id")() for _ in range(500)]
    digits = [code for code, _ in drawn]
    assert {len(code) for code in digits} == {6}
    assert all(code.isdecimal() for code in digits)
    assert {code[0] for code in digits} == set("0123456789")
    assert len(set(digits)) > 490
