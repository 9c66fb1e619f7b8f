"""Codes that confirm the revocation of a certificate: no journey, and no second life."""

import pytest

from libs.common.contracts.identity import RevocationRequested
from libs.common.contracts.people import Contact
from libs.common.core.errors import Refused
from libs.common.core.sealing import Sealed
from services.otp import domain
from services.otp.limits import LimitRules
from tests.unit.otp.harness import JOURNEY, MINUTE, NOON, PHONE, RULES, OtpProcess, World, journey, started

REQUEST = RevocationRequested(
    citizen_id="citizen-1",
    serial="7f" * 16,
    reason="keyCompromise",
    contact=Sealed(Contact(phone=PHONE)),
    person_ref="person-1",
    phone_ref="phone-1",
    expires_at=NOON + 15 * MINUTE,
)


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def otp(world: World) -> OtpProcess:
    return OtpProcess(world)


async def test_the_right_code_confirms_the_request_and_proves_no_journey(world: World, otp: OtpProcess) -> None:
    await otp.sent(event=REQUEST)
    for _ in range(2):
        await otp.service.check(JOURNEY, world.code)
    assert world.topics() == ["otp.sent", "otp.confirmed"]


async def test_the_sms_says_that_a_certificate_is_to_be_revoked(world: World, otp: OtpProcess) -> None:
    await otp.sent(event=REQUEST)
    (text,) = world.gateway.delivered.values()
    assert "отзыва регистрационного свидетельства" in text
    assert "кері қайтарып алу" in text


async def test_a_request_delivered_twice_sends_one_code(world: World, otp: OtpProcess) -> None:
    for _ in range(2):
        await otp.sent(event=REQUEST)
    assert len(world.codes) == 1


async def test_wrong_codes_end_the_request_and_keep_no_phone_number(world: World, otp: OtpProcess) -> None:
    await otp.sent(event=REQUEST)
    for _ in range(RULES.tries_per_code):
        with pytest.raises(Refused):
            await otp.service.check(JOURNEY, world.wrong)
    assert isinstance(await otp.state(), domain.CodesClosed)
    assert world.published()[-1] == ("otp.rejected", {"reason": "tries_used_up", "final": True, "retry_at": None})
    with pytest.raises(Refused, match=r"otp\.not_needed"):
        await otp.service.check(JOURNEY, world.code)


async def test_a_code_that_nobody_typed_in_time_ends_the_request(world: World, otp: OtpProcess) -> None:
    await otp.sent(event=REQUEST)
    world.now += RULES.code_lifetime
    await otp.wake_due()
    assert isinstance(await otp.state(), domain.CodesClosed)


async def test_requests_count_against_the_same_limits_as_journeys(world: World) -> None:
    otp = OtpProcess(world, limit_rules=LimitRules(codes=2))
    await otp.sent(journey(1), started())
    await otp.sent(journey(2), REQUEST)
    await otp.sent(journey(3), REQUEST)
    assert len(world.codes) == 2
    assert world.topics(journey(3)) == ["otp.rejected"]
