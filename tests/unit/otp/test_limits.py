"""What a person may use up over many journeys, and that no crash gives any of it away or takes the citizen's way."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.common.core.errors import Refused
from services.otp import domain
from services.otp.limits import LimitRules
from tests.unit.common.faults import Crash, Faults
from tests.unit.otp.desk import JOURNEY, LIMITS, MINUTE, NOON, RULES, SECOND, Desk, World, journey, started

PLENTY = LimitRules(codes=1000)
DAY = timedelta(days=1)


async def wrong(desk: Desk, subject: str) -> str:
    with pytest.raises(Refused) as error:
        await desk.service.check(subject, desk.world.wrong)
    return error.value.key


async def test_wrong_codes_over_many_journeys_of_one_person_freeze_that_person_alone() -> None:
    world = World()
    desk = Desk(world, limit_rules=PLENTY)
    keys = []
    for number in range(6):
        await desk.sent(journey(number), started(phone=f"phone-{number}"))
        keys += [await wrong(desk, journey(number)) for _ in range(2)]
    assert keys[: LIMITS.tries] == ["otp.wrong_code"] * LIMITS.tries
    assert keys[LIMITS.tries :] == ["otp.frozen"] * 2
    await desk.sent(journey(7), started(phone="phone-7"))
    assert world.told(journey(7)) == [
        ("otp.rejected", {"reason": "frozen", "final": False, "retry_at": "2026-03-03T12:00:00Z"})
    ]
    await desk.sent(journey(8), started("person-2", "phone-8"))
    assert world.topics(journey(8)) == ["otp.sent"]


async def test_even_the_right_code_is_not_looked_at_while_a_person_is_frozen() -> None:
    world = World()
    desk = Desk(world, limit_rules=LimitRules(tries=2))
    await desk.sent()
    for _ in range(2):
        await wrong(desk, JOURNEY)
    with pytest.raises(Refused) as error:
        await desk.service.check(JOURNEY, world.code)
    assert (error.value.key, error.value.status) == ("otp.frozen", 429)
    assert error.value.extras["retry_at"] == NOON + DAY
    assert world.topics() == ["otp.sent"]


async def test_a_frozen_person_may_go_on_in_the_same_journey_when_the_window_has_passed() -> None:
    world = World()
    desk = Desk(world, limit_rules=LimitRules(codes=1))
    await desk.sent(journey(1))
    await desk.sent(JOURNEY)
    state = await desk.state()
    assert isinstance(state, domain.Blocked)
    assert (state.reason, state.number, state.retry_at) == ("frozen", 0, NOON + DAY)
    world.now += DAY - SECOND
    with pytest.raises(Refused, match="just sent"):
        await desk.service.resend(JOURNEY)
    world.now += SECOND
    await desk.service.resend(JOURNEY)
    await desk.wake_due()
    await desk.service.check(JOURNEY, world.code)
    assert world.topics() == ["otp.rejected", "otp.sent", "otp.verified"]


async def test_journeys_of_many_persons_cannot_flood_one_phone() -> None:
    world = World()
    desk = Desk(world)
    for number in range(LIMITS.codes + 3):
        await desk.sent(journey(number), started(f"person-{number}"))
    assert len(world.gateway.delivered) == LIMITS.codes


async def test_the_last_code_a_person_may_have_can_still_be_typed() -> None:
    world = World()
    desk = Desk(world, limit_rules=LimitRules(codes=2))
    for number in range(2):
        await desk.sent(journey(number))
        await desk.service.check(journey(number), world.code)
    assert world.topics(journey(1)) == ["otp.sent", "otp.verified"]


async def test_asking_again_counts_against_the_person_and_is_refused_when_frozen() -> None:
    world = World()
    desk = Desk(world, limit_rules=LimitRules(codes=2))
    await desk.sent()
    world.now += RULES.resend_after
    await desk.service.resend(JOURNEY)
    await desk.wake_due()
    world.now += RULES.resend_after
    with pytest.raises(Refused) as error:
        await desk.service.resend(JOURNEY)
    assert (error.value.key, error.value.status) == ("otp.frozen", 429)
    assert error.value.extras["retry_at"] == NOON + DAY
    assert len(world.gateway.delivered) == 2


async def test_proving_a_phone_of_ones_own_gives_no_fresh_guesses_at_somebody_elses() -> None:
    world = World()
    desk = Desk(world, limit_rules=PLENTY)
    for number in range(5):
        await desk.sent(journey(2 * number), started(phone="the victim's"))
        assert [await wrong(desk, journey(2 * number)) for _ in range(2)] == ["otp.wrong_code"] * 2
        await desk.sent(journey(2 * number + 1), started(phone="the attacker's"))
        if number < 4:
            await desk.service.check(journey(2 * number + 1), world.code)
    assert await wrong(desk, journey(0)) == "otp.frozen"


async def test_right_codes_use_up_no_tries() -> None:
    world = World()
    desk = Desk(world, limit_rules=LimitRules(tries=1, codes=1000))
    for number in range(3):
        await desk.sent(journey(number))
        await desk.service.check(journey(number), world.code)
    assert world.rows["usage"].rows["person-1"].state["tries"] == []


async def guess_till_refused(world: World, faults: Faults, limit_rules: LimitRules) -> int:
    """Guess in one journey after another until no guess is compared any more; processes may die at any step."""
    compared = 0
    desk = Desk(world, faults, limit_rules=limit_rules)
    for number in range(12):
        meta = world.meta(started(), journey(number))
        for _ in range(8):
            try:
                await desk.start(journey(number), meta=meta)
                await desk.wake_due()
                await desk.service.check(journey(number), world.wrong)
            except Crash:
                faults.revive()
                world.now += MINUTE
                desk = Desk(world, faults, limit_rules=limit_rules)
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
    await Desk(world).sent()
    with pytest.raises(Refused):
        await Desk(world, counted).service.check(JOURNEY, world.wrong)
    assert counted.steps >= 6
    for step in range(1, counted.steps + 1):
        world = World()
        await Desk(world).sent()
        with pytest.raises(Crash):
            await Desk(world, Faults(step)).service.check(JOURNEY, world.wrong)
        desk = Desk(world)
        tries = world.rows["usage"].rows["person-1"].state["tries"]
        state = await desk.state()
        assert isinstance(state, domain.Sent)
        assert len(tries) >= RULES.tries_per_code - state.tries_left, f"a try was given away at step {step}"
        await desk.service.check(JOURNEY, world.code)
        await desk.codes.outbox.sweep()
        assert world.topics() == ["otp.sent", "otp.verified"]


async def test_a_crash_at_any_step_from_start_to_sms_ends_in_one_code_counted_once_under_one_sms_id() -> None:
    counted = Faults()
    await Desk(World(), counted).sent()
    for step in range(1, counted.steps + 1):
        world, faults = World(), Faults(step)
        meta = world.meta(started())
        while not (world.gateway.delivered and "otp.sent" in world.topics()):
            desk = Desk(world, faults)
            try:
                await desk.start(meta=meta)
                await desk.wake_due()
                await desk.codes.outbox.sweep()
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
    await Desk(World(), counted, limit_rules=one).start()
    for step in range(1, counted.steps + 1):
        world = World()
        meta = world.meta(started())
        with pytest.raises(Crash):
            await Desk(world, Faults(step), limit_rules=one).start(meta=meta)
        desk = Desk(world, limit_rules=one)
        await desk.start(meta=meta)
        assert isinstance(await desk.state(), domain.Sending), f"step {step}"
