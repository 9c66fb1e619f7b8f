"""Codes that confirm the revocation of a certificate: no journey, and no second life."""

import pytest

from services.otp import domain
from tests.unit.otp.harness import JOURNEY, REVOCATION, RULES, OtpProcess, Problem, World, journey, started


async def test_the_right_code_confirms_the_request_and_proves_no_journey(world: World, otp: OtpProcess) -> None:
    await otp.receive(event=REVOCATION)
    for _ in range(2):
        await otp.check(JOURNEY, world.code)
    assert otp.topics() == ["otp.sent", "otp.confirmed"]


async def test_the_sms_says_that_a_certificate_is_to_be_revoked(world: World, otp: OtpProcess) -> None:
    await otp.receive(event=REVOCATION)
    (text,) = world.gateway.delivered.values()
    assert "отзыва регистрационного свидетельства" in text
    assert "тіркеу куәлігін кері қайтарып алу" in text


async def test_a_request_delivered_twice_sends_one_code(world: World, otp: OtpProcess) -> None:
    for _ in range(2):
        await otp.receive(event=REVOCATION)
    assert len(world.codes) == 1


async def test_wrong_codes_end_the_request_and_keep_no_phone_number(world: World, otp: OtpProcess) -> None:
    await otp.receive(event=REVOCATION)
    for _ in range(RULES.tries_per_code):
        with pytest.raises(Problem):
            await otp.check(JOURNEY, world.wrong)
    assert isinstance(world.state(), domain.CodesClosed)
    assert otp.published()[-1] == ("otp.rejected", {"reason": "tries_used_up", "final": True, "retry_at": None})
    with pytest.raises(Problem, match=r"otp\.not_needed"):
        await otp.check(JOURNEY, world.code)


async def test_a_code_that_nobody_typed_in_time_ends_the_request(world: World, otp: OtpProcess) -> None:
    await otp.receive(event=REVOCATION)
    await otp.service.advance(RULES.code_lifetime)
    assert isinstance(world.state(), domain.CodesClosed)


async def test_requests_count_against_the_same_limits_as_journeys(world: World) -> None:
    async with world.process(limits={"codes": 2}) as otp:
        await otp.receive(journey(1), started())
        await otp.receive(journey(2), REVOCATION)
        await otp.receive(journey(3), REVOCATION)
        assert len(world.codes) == 2
        assert otp.topics(journey(3)) == ["otp.rejected"]
