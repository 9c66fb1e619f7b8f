"""What the browser is answered by the service that its own `app.build` makes, with real tokens."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import httpx
import pytest

from libs.common.contracts.otp import OtpVerified
from libs.common.testing.harness import Harness, Surroundings
from services.otp.app import build
from services.otp.domain import CodeRules
from services.otp.settings import Settings
from tests.unit.otp.harness import JOURNEY, journey, started

URL = f"/v1/journeys/{JOURNEY}/code"
RULES = CodeRules()
WRONG = "wrong"


@asynccontextmanager
async def running(**limits: int) -> AsyncIterator[Harness]:
    async with Surroundings().run("otp", build, Settings, limits=limits) as otp:
        otp.http.headers["Authorization"] = f"Bearer {otp.keys.tokens.journey(JOURNEY, timedelta(days=7))}"
        yield otp


@pytest.fixture
async def otp() -> AsyncIterator[Harness]:
    async with running() as harness:
        yield harness


async def right_code(otp: Harness, subject: str = JOURNEY) -> str:
    """Return the digits of the newest SMS."""
    inbox = (await otp.http.get("/dev/inbox", params={"journey_id": subject})).json()
    text: str = inbox[-1]["text"]
    return text[: RULES.code_digits]


async def type_code(otp: Harness, code: object, subject: str = JOURNEY) -> httpx.Response:
    """Type a code, or for `WRONG` one that is not right."""
    if code == WRONG:
        code = f"{(int(await right_code(otp, subject)) + 1) % 10**RULES.code_digits:0{RULES.code_digits}d}"
    token = otp.keys.tokens.journey(subject, timedelta(days=7))
    headers = {"Authorization": f"Bearer {token}", "Accept-Language": "en"}
    return await otp.http.post(f"/v1/journeys/{subject}/code", json={"code": code}, headers=headers)


async def test_a_wrong_code_is_refused_and_the_right_one_taken_as_often_as_it_is_sent(otp: Harness) -> None:
    await otp.receive(started(), JOURNEY)
    wrong = await type_code(otp, WRONG)
    assert wrong.status_code == 422
    assert wrong.headers["content-type"] == "application/problem+json"
    document = wrong.json()
    assert (document["type"], document["key"], document["tries_left"]) == (
        "urn:onboarding:problem:otp.wrong_code",
        "otp.wrong_code",
        2,
    )
    assert document["detail"].startswith("2 tries are left. ")
    for _ in range(2):
        right = await type_code(otp, f" {await right_code(otp)} ")
        assert (right.status_code, right.json()) == (200, {"verified": True})
    assert len(otp.published(OtpVerified)) == 1


@pytest.mark.parametrize("zero", ["٠", "۰", "０"])
async def test_a_code_is_the_same_in_the_digits_of_any_script(otp: Harness, zero: str) -> None:
    await otp.receive(started(), JOURNEY)
    written = "".join(chr(ord(zero) + int(digit)) for digit in await right_code(otp))
    assert (await type_code(otp, f" {written}\N{ZERO WIDTH SPACE}")).json() == {"verified": True}


@pytest.mark.parametrize(
    ("language", "detail"),
    [
        ("ru", "Осталось 2 попытки."),
        ("kk", "2 әрекет қалды."),
        ("kk-Latn", "2 äreket qaldy."),
    ],
)
async def test_a_refusal_comes_in_the_language_of_the_caller(otp: Harness, language: str, detail: str) -> None:
    await otp.receive(started(), JOURNEY)
    wrong = f"{(int(await right_code(otp)) + 1) % 10**6:06d}"
    answer = await otp.http.post(URL, json={"code": wrong}, headers={"Accept-Language": language})
    assert answer.json()["detail"].startswith(detail)
    assert answer.headers["Content-Language"] == language


async def test_used_up_tries_are_answered_with_the_time_to_come_back(otp: Harness) -> None:
    await otp.receive(started(), JOURNEY)
    answers = [await type_code(otp, WRONG) for _ in range(3)]
    assert [(each.status_code, each.json()["key"]) for each in answers[1:]] == [
        (422, "otp.wrong_code"),
        (429, "otp.tries_used_up"),
    ]
    assert answers[-1].json()["retry_at"] == "2026-03-02T12:01:00+00:00"
    assert answers[-1].headers["retry-after"] == "Mon, 02 Mar 2026 12:01:00 GMT"
    assert "2 March 2026, 17:01" in answers[-1].json()["detail"]


async def test_the_last_code_leaves_out_the_time_that_never_comes() -> None:
    async with Surroundings().run("otp", build, Settings, rules={"codes_per_journey": 1}) as otp:
        await otp.receive(started(), JOURNEY)
        last = [await type_code(otp, WRONG) for _ in range(3)][-1].json()
    assert (last["key"], last["retry_at"]) == ("otp.tries_used_up", None)
    assert last["detail"].startswith("If no further code can be sent")


async def test_a_frozen_person_is_answered_with_the_time_to_come_back() -> None:
    async with running(tries=4) as otp:
        await otp.receive(started(), journey(1))
        for _ in range(3):
            await type_code(otp, WRONG, journey(1))
        await otp.receive(started(), JOURNEY)
        await type_code(otp, WRONG)
        frozen = await type_code(otp, await right_code(otp))
    assert (frozen.status_code, frozen.json()["key"]) == (429, "otp.frozen")
    assert frozen.json()["retry_at"] == "2026-03-03T12:00:00+00:00"


async def test_a_code_before_the_sms_and_one_after_its_time_have_reasons_of_their_own(otp: Harness) -> None:
    early = await type_code(otp, "123456")
    assert (early.status_code, early.json()["key"]) == (409, "otp.not_sent_yet")
    await otp.receive(started(), JOURNEY)
    code = await right_code(otp)
    await otp.advance(RULES.code_lifetime)
    late = await type_code(otp, code)
    assert (late.status_code, late.json()["key"]) == (410, "otp.expired")


async def test_another_code_is_promised_and_asking_too_soon_is_answered_with_a_time(otp: Harness) -> None:
    await otp.receive(started(), JOURNEY)
    soon = await otp.http.post(f"{URL}/resend")
    assert (soon.status_code, soon.json()["key"]) == (429, "otp.too_soon")
    assert soon.json()["retry_at"] == "2026-03-02T12:01:00+00:00"
    await otp.advance(RULES.resend_after)
    assert (await otp.http.post(f"{URL}/resend")).status_code == 202


@pytest.mark.parametrize("code", ["", "12a456", "123", "12345678901", "123456\n7", 123456, None, ["1"]])
async def test_what_is_no_code_is_refused_without_being_repeated_and_uses_up_nothing(
    otp: Harness, code: object
) -> None:
    await otp.receive(started(), JOURNEY)
    answer = await type_code(otp, code)
    assert (answer.status_code, answer.json()["key"]) == (422, "code.malformed")
    assert answer.json()["title"] == "This is not a code."
    assert len(str(code)) < 6 or str(code) not in answer.text
    assert not otp.store.documents["usage"].rows["person-1"].state["tries"]


async def test_only_the_journeys_own_token_opens_its_codes(otp: Harness) -> None:
    other = f"/v1/journeys/{journey(1)}/code"
    nobody = await otp.http.post(URL, json={"code": "123456"}, headers={"Authorization": ""})
    answers = [
        await otp.http.post(other, json={"code": "123456"}),
        await otp.http.post(f"{other}/resend"),
    ]
    assert nobody.status_code == 401
    assert [(each.status_code, each.json()["key"]) for each in answers] == [(403, "token.wrong_subject")] * 2


async def test_developers_find_the_sms_of_a_journey(otp: Harness) -> None:
    await otp.receive(started(), JOURNEY)
    (found,) = (await otp.http.get("/dev/inbox", params={"journey_id": JOURNEY})).json()
    assert found["at"] == "2026-03-02T12:00:00Z"
    assert "ЭЦҚ алу коды" in found["text"]
    assert (await otp.http.get("/dev/inbox", params={"journey_id": journey(1)})).json() == []
    assert (await otp.http.get("/dev/inbox", params={"journey_id": "no journey"})).status_code == 422
