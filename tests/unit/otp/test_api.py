"""What the browser is answered, with real tokens."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from libs.common.core.errors import Refused
from libs.common.core.health import Health
from libs.common.web.http import create_app
from libs.common.web.tokens import Authenticator, TokenIssuer, TokenVerifier
from services.otp.api import code_routes, inbox_routes
from services.otp.limits import LimitRules
from services.otp.sms import DevelopmentInbox
from tests.unit.otp.harness import JOURNEY, METRICS, RULES, OtpProcess, World, journey

URL = f"/v1/journeys/{JOURNEY}/code"


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def otp(world: World) -> OtpProcess:
    return OtpProcess(world, limit_rules=LimitRules(tries=4))


@pytest_asyncio.fixture
async def http(world: World, otp: OtpProcess) -> AsyncIterator[httpx.AsyncClient]:
    issuer = TokenIssuer(Ed25519PrivateKey.generate(), "identity", "key-1", world.clock)
    auth = Authenticator(TokenVerifier(json.dumps(issuer.jwks()), "identity", world.clock))
    routers = [
        code_routes(otp.service, auth),
        inbox_routes(DevelopmentInbox(otp.inboxes.aggregates, world.clock)),
    ]
    app = create_app("otp", metrics=METRICS, health=Health(), routers=routers)
    headers = {"Authorization": f"Bearer {issuer.journey(JOURNEY, timedelta(days=7))}"}
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://otp", headers=headers) as client:
        yield client


async def test_a_code_is_refused_refused_again_and_then_taken_as_often_as_it_is_sent(
    world: World, otp: OtpProcess, http: httpx.AsyncClient
) -> None:
    await otp.sent()
    wrong = await http.post(URL, json={"code": world.wrong})
    assert wrong.status_code == 422
    assert wrong.headers["content-type"] == "application/problem+json"
    document = wrong.json()
    assert (document["type"], document["key"], document["tries_left"]) == (
        "urn:onboarding:problem:otp.wrong_code",
        "otp.wrong_code",
        2,
    )
    for _ in range(2):
        right = await http.post(URL, json={"code": f" {world.code} "})
        assert (right.status_code, right.json()) == (200, {"verified": True})


async def test_used_up_tries_are_answered_with_the_time_to_come_back(
    world: World, otp: OtpProcess, http: httpx.AsyncClient
) -> None:
    await otp.sent()
    answers = [await http.post(URL, json={"code": world.wrong}) for _ in range(3)]
    assert [(each.status_code, each.json()["key"]) for each in answers[1:]] == [
        (422, "otp.wrong_code"),
        (429, "otp.tries_used_up"),
    ]
    assert answers[-1].json()["retry_at"] == "2026-03-02T12:01:00+00:00"
    assert answers[-1].headers["retry-after"] == "Mon, 02 Mar 2026 12:01:00 GMT"


async def test_a_frozen_person_is_answered_with_the_time_to_come_back(
    world: World, otp: OtpProcess, http: httpx.AsyncClient
) -> None:
    await otp.sent(journey(1))
    for _ in range(3):
        with pytest.raises(Refused):
            await otp.service.check(journey(1), world.wrong)
    await otp.sent()
    await http.post(URL, json={"code": world.wrong})
    frozen = await http.post(URL, json={"code": world.code})
    assert (frozen.status_code, frozen.json()["key"]) == (429, "otp.frozen")
    assert frozen.json()["retry_at"] == "2026-03-03T12:00:00+00:00"


async def test_a_code_before_the_sms_and_one_after_its_time_are_told_apart(
    world: World, otp: OtpProcess, http: httpx.AsyncClient
) -> None:
    early = await http.post(URL, json={"code": "123456"})
    assert (early.status_code, early.json()["key"]) == (409, "otp.not_sent_yet")
    await otp.sent()
    world.now += RULES.code_lifetime
    late = await http.post(URL, json={"code": world.code})
    assert (late.status_code, late.json()["key"]) == (410, "otp.expired")


async def test_another_code_is_promised_and_asking_too_soon_is_answered_with_a_time(
    world: World, otp: OtpProcess, http: httpx.AsyncClient
) -> None:
    await otp.sent()
    soon = await http.post(f"{URL}/resend")
    assert (soon.status_code, soon.json()["key"]) == (429, "otp.too_soon")
    assert soon.json()["retry_at"] == "2026-03-02T12:01:00+00:00"
    world.now += RULES.resend_after
    assert (await http.post(f"{URL}/resend")).status_code == 202


@pytest.mark.parametrize("code", ["", "12a456", "123", "12345678901", "١٢٣٤٥٦", "123456\n7", 123456, None, ["1"]])
async def test_what_is_no_code_is_refused_without_being_repeated_and_uses_up_nothing(
    world: World, otp: OtpProcess, http: httpx.AsyncClient, code: object
) -> None:
    await otp.sent()
    answer = await http.post(URL, json={"code": code})
    assert (answer.status_code, answer.json()["key"]) == (422, "code.malformed")
    assert len(str(code)) < 6 or str(code) not in answer.text
    assert not world.rows["usage"].rows["person-1"].state["tries"]


async def test_only_the_journeys_own_token_opens_its_codes(http: httpx.AsyncClient) -> None:
    other = f"/v1/journeys/{journey(1)}/code"
    nobody = await http.post(URL, json={"code": "123456"}, headers={"Authorization": ""})
    answers = [
        await http.post(other, json={"code": "123456"}),
        await http.post(f"{other}/resend"),
    ]
    assert nobody.status_code == 401
    assert [(each.status_code, each.json()["key"]) for each in answers] == [(403, "token.wrong_subject")] * 2


async def test_developers_find_the_sms_of_a_journey(world: World, otp: OtpProcess, http: httpx.AsyncClient) -> None:
    inbox = DevelopmentInbox(otp.inboxes.aggregates, world.clock)
    await inbox.send(JOURNEY, "+77010000012", "271828: код", "sms-1")
    found = await http.get("/dev/inbox", params={"journey_id": JOURNEY})
    assert found.json() == [{"at": "2026-03-02T12:00:00Z", "text": "271828: код"}]
    assert (await http.get("/dev/inbox", params={"journey_id": journey(1)})).json() == []
    assert (await http.get("/dev/inbox", params={"journey_id": "no journey"})).status_code == 422
