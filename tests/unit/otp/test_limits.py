"""What a person may use up over many journeys, and that no crash gives any of it away or takes the citizen's way."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.common.core.errors import Refused
from services.otp import domain
from services.otp.limits import LimitRules
from services.otp.problems import PROBLEMS
from tests.unit.common.faults import Crash, Faults
from tests.unit.otp.harness import JOURNEY, LIMITS, MINUTE, NOON, RULES, SECOND, OtpProcess, World, journey, started

PLENTY = LimitRules(codes=1000)
DAY = timedelta(days=1)


async def wrong(otp: OtpProcess, subject: str) -> str:
    with pytest.raises(Refused) as error:
        await otp.service.check(subject, otp.world.wrong)
    return error.value.key


async def test_wrong_codes_over_many_journeys_of_one_person_freeze_that_person_alone() -> None:
    world = World()
    otp = OtpProcess(world, limit_rules=PLENTY)
    keys = []
    for number in range(6):
        await otp.sent(journey(number), started(phone=f"phone-{number}"))
        keys += [await wrong(otp, journey(number)) for _ in range(2)]
    assert keys[: LIMITS.tries] == ["otp.wrong_code"] * LIMITS.tries
    assert keys[LIMITS.tries :] == ["otp.frozen"] * 2
    await otp.sent(journey(7), started(phone="phone-7"))
    assert world.published(journey(7)) == [
        ("otp.rejected", {"reason": "frozen", "final": False, "retry_at": "2026-03-03T12:00:00Z"})
    ]
    await otp.sent(journey(8), started("person-2", "phone-8"))
    assert world.topics(journey(8)) == ["otp.sent"]


async def test_even_the_right_code_is_not_looked_at_while_a_person_is_frozen() -> None:
    world = World()
    otp = OtpProcess(world, limit_rules=LimitRules(tries=2))
    await otp.sent()
    for _ in range(2):
        await wrong(otp, JOURNEY)
    with pytest.raises(Refused) as error:
        await otp.service.check(JOURNEY, world.code)
    assert (error.value.key, PROBLEMS[error.value.key]) == ("otp.frozen", 429)
    assert error.value.extras["retry_at"] == NOON + DAY
    assert world.topics() == ["otp.sent"]


async def test_a_frozen_person_may_go_on_in_the_same_journey_when_the_window_has_passed() -> None:
    world = World()
    otp = OtpProcess(world, limit_rules=LimitRules(codes=1))
    await otp.sent(journey(1))
    await otp.sent(JOURNEY)
    state = await otp.state()
    assert isinstance(state, domain.CodeBlocked)
    assert (state.reason, state.number, state.retry_at) == ("frozen", 0, NOON + DAY)
    world.now += DAY - SECOND
    with pytest.raises(Refused, match=r"otp\.too_soon"):
        await otp.service.resend(JOURNEY)
    world.now += SECOND
    await otp.service.resend(JOURNEY)
    await otp.wake_due()
    await otp.service.check(JOURNEY, world.code)
    assert world.topics() == ["otp.rejected", "otp.sent", "otp.verified"]


async def test_journeys_of_many_persons_cannot_flood_one_phone() -> None:
    world = World()
    otp = OtpProcess(world)
    for number in range(LIMITS.codes + 3):
        await otp.sent(journey(number), started(f"person-{number}"))
    assert len(world.gateway.delivered) == LIMITS.codes


async def test_the_last_code_a_person_may_have_can_still_be_typed() -> None:
    world = World()
    otp = OtpProcess(world, limit_rules=LimitRules(codes=2))
    for number in range(2):
        await otp.sent(journey(number))
        await otp.service.check(journey(number), world.code)
    assert world.topics(journey(1)) == ["otp.sent", "otp.verified"]


async def test_asking_again_counts_against_the_person_and_is_refused_when_frozen() -> None:
    world = World()
    otp = OtpProcess(world, limit_rules=LimitRules(codes=2))
    await otp.sent()
    world.now += RULES.resend_after
    await otp.service.resend(JOURNEY)
    await otp.wake_due()
    world.now += RULES.resend_after
    with pytest.raises(Refused) as error:
        await otp.service.resend(JOURNEY)
    assert (error.value.key, PROBLEMS[error.value.key]) == ("otp.frozen", 429)
    assert error.value.extras["retry_at"] == NOON + DAY
    assert len(world.gateway.delivered) == 2


async def test_proving_a_phone_of_ones_own_gives_no_fresh_guesses_at_somebody_elses() -> None:
    world = World()
    otp = OtpProcess(world, limit_rules=PLENTY)
    for number in range(5):
        await otp.sent(journey(2 * number), started(phone="the victim's"))
        assert [await wrong(otp, journey(2 * number)) for _ in range(2)] == ["otp.wrong_code"] * 2
        await otp.sent(journey(2 * number + 1), started(phone="the attacker's"))
        if number < 4:
            await otp.service.check(journey(2 * number + 1), world.code)
    assert await wrong(otp, journey(0)) == "otp.frozen"


async def test_right_codes_use_up_no_tries() -> None:
    world = World()
    otp = OtpProcess(world, limit_rules=LimitRules(tries=1, codes=1000))
    for number in range(3):
        await otp.sent(journey(number))
        await otp.service.check(journey(number), world.code)
    assert world.rows["usage"].rows["person-1"].state["tries"] == []


async def guess_till_refused(world: World, faults: Faults, limit_rules: LimitRules) -> int:
    """Guess in one journey after another until no guess is compared any more; processes may die at any step."""
    compared = 0
    otp = OtpProcess(world, faults, limit_rules=limit_rules)
    for number in range(12):
        meta = world.meta(started(), journey(number))
        for _ in range(8):
            try:
                await otp.start(journey(number), meta=meta)
                await otp.wake_due()
                await otp.service.check(journey(number), world.wrong)
            except Crash:
                faults.revive()
                world.now += MINUTE
                otp = OtpProcess(world, faults, limit_rules=limit_rules)
            except Refused as refusal:
                compared += refusal.key in ("otp.wrong_code", "otp.tries_used_up")
                if refusal.key == "otp.frozen":
                    return compared
                if refusal.key == "otp.tries_used_up":
                    break
    return compared


@settings(max_examples=12, deadline=None)
@given(st.lists(st.integers(1, 250), max_size=6))
async def test_crashes_never_give_a_try_away(steps: list[int]) -> None:
    compared = await guess_till_refused(World(), Faults(*steps), PLENTY)
    assert compared <= LIMITS.tries
    assert compared >= LIMITS.tries - len(steps)


async def test_a_crash_at_any_step_of_a_try_leaves_it_counted_or_untaken_and_never_proves_a_wrong_code() -> None:
    counted = Faults()
    world = World()
    await OtpProcess(world).sent()
    with pytest.raises(Refused):
        await OtpProcess(world, counted).service.check(JOURNEY, world.wrong)
    assert counted.steps >= 6
    for step in range(1, counted.steps + 1):
        world = World()
        await OtpProcess(world).sent()
        with pytest.raises(Crash):
            await OtpProcess(world, Faults(step)).service.check(JOURNEY, world.wrong)
        otp = OtpProcess(world)
        tries = world.rows["usage"].rows["person-1"].state["tries"]
        state = await otp.state()
        assert isinstance(state, domain.CodeSent)
        assert len(tries) >= RULES.tries_per_code - state.tries_left, f"a try was given away at step {step}"
        await otp.service.check(JOURNEY, world.code)
        await otp.codes.outbox.sweep()
        assert world.topics() == ["otp.sent", "otp.verified"]


async def test_a_crash_at_any_step_from_start_to_sms_ends_in_one_code_counted_once_under_one_sms_id() -> None:
    counted = Faults()
    await OtpProcess(World(), counted).sent()
    for step in range(1, counted.steps + 1):
        world, faults = World(), Faults(step)
        meta = world.meta(started())
        while not (world.gateway.delivered and "otp.sent" in world.topics()):
            otp = OtpProcess(world, faults)
            try:
                await otp.start(meta=meta)
                await otp.wake_due()
                await otp.codes.outbox.sweep()
            except Crash:
                faults.revive()
            world.now += MINUTE
        assert len({sms_id for _, sms_id in world.gateway.asked}) == 1, f"another SMS after step {step}"
        assert len(world.gateway.delivered) == 1
        assert world.topics() == ["otp.sent"]
        for ref in ("person-1", "phone-1"):
            assert len(world.rows["usage"].rows[ref].state["codes"]) == 1


async def test_the_one_code_a_person_may_have_is_not_lost_to_a_crash_after_it_was_counted() -> None:
    counted, one = Faults(), LimitRules(codes=1)
    await OtpProcess(World(), counted, limit_rules=one).start()
    for step in range(1, counted.steps + 1):
        world = World()
        meta = world.meta(started())
        with pytest.raises(Crash):
            await OtpProcess(world, Faults(step), limit_rules=one).start(meta=meta)
        otp = OtpProcess(world, limit_rules=one)
        await otp.start(meta=meta)
        assert isinstance(await otp.state(), domain.CodeToSend), f"step {step}"
