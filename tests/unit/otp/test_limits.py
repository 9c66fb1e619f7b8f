"""What a person may use up over many journeys, and that no crash gives any of it away or takes the citizen's way."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.common.testing.faults import Crash, Faults
from libs.common.testing.harness import NOON
from services.otp import domain
from tests.unit.otp.harness import (
    DAY,
    JOURNEY,
    LIMITS,
    MINUTE,
    RULES,
    SECOND,
    OtpProcess,
    Problem,
    World,
    journey,
    started,
)

PLENTY = {"codes": 1000}


async def wrong(otp: OtpProcess, subject: str) -> str:
    with pytest.raises(Problem) as error:
        await otp.check(subject, otp.world.wrong)
    return error.value.key


async def test_wrong_codes_over_many_journeys_of_one_person_freeze_that_person_alone(world: World) -> None:
    async with world.process(limits=PLENTY) as otp:
        keys = []
        for number in range(6):
            await otp.receive(journey(number), started(phone=f"phone-{number}"))
            keys += [await wrong(otp, journey(number)) for _ in range(2)]
        assert keys[: LIMITS.tries] == ["otp.wrong_code"] * LIMITS.tries
        assert keys[LIMITS.tries :] == ["otp.frozen"] * 2
        await otp.receive(journey(7), started(phone="phone-7"))
        assert otp.published(journey(7)) == [
            ("otp.rejected", {"reason": "frozen", "final": False, "retry_at": "2026-03-03T12:00:00Z"})
        ]
        await otp.receive(journey(8), started("person-2", "phone-8"))
        assert otp.topics(journey(8)) == ["otp.sent"]


async def test_even_the_right_code_is_not_compared_while_a_person_is_frozen(world: World) -> None:
    async with world.process(limits={"tries": 2}) as otp:
        await otp.receive()
        for _ in range(2):
            await wrong(otp, JOURNEY)
        with pytest.raises(Problem) as error:
            await otp.check(JOURNEY, world.code)
        assert (error.value.key, error.value.status, error.value.retry_at) == ("otp.frozen", 429, NOON + DAY)
        assert otp.topics() == ["otp.sent"]


async def test_a_frozen_person_may_go_on_in_the_same_journey_when_the_window_has_passed(world: World) -> None:
    async with world.process(limits={"codes": 1}) as otp:
        await otp.receive(journey(1))
        await otp.receive(JOURNEY)
        state = world.state()
        assert isinstance(state, domain.CodeBlocked)
        assert (state.reason, state.number, state.retry_at) == ("frozen", 0, NOON + DAY)
        world.now += DAY - SECOND
        with pytest.raises(Problem, match=r"otp\.too_soon"):
            await otp.resend()
        world.now += SECOND
        await otp.resend()
        await otp.settle()
        await otp.check(JOURNEY, world.code)
        assert otp.topics() == ["otp.rejected", "otp.sent", "otp.verified"]


async def test_journeys_of_many_persons_cannot_flood_one_phone(world: World, otp: OtpProcess) -> None:
    for number in range(LIMITS.codes + 3):
        await otp.receive(journey(number), started(f"person-{number}"))
    assert len(world.gateway.delivered) == LIMITS.codes


async def test_the_last_code_a_person_may_have_can_still_be_typed(world: World) -> None:
    async with world.process(limits={"codes": 2}) as otp:
        for number in range(2):
            await otp.receive(journey(number))
            await otp.check(journey(number), world.code)
        assert otp.topics(journey(1)) == ["otp.sent", "otp.verified"]


async def test_asking_again_counts_against_the_person_and_is_refused_when_frozen(world: World) -> None:
    async with world.process(limits={"codes": 2}) as otp:
        await otp.receive()
        world.now += RULES.resend_after
        await otp.resend()
        await otp.settle()
        world.now += RULES.resend_after
        with pytest.raises(Problem) as error:
            await otp.resend()
        assert (error.value.key, error.value.status, error.value.retry_at) == ("otp.frozen", 429, NOON + DAY)
        assert len(world.gateway.delivered) == 2


async def test_proving_a_phone_of_ones_own_gives_no_fresh_guesses_at_somebody_elses(world: World) -> None:
    async with world.process(limits=PLENTY) as otp:
        for number in range(5):
            await otp.receive(journey(2 * number), started(phone="the victim's"))
            assert [await wrong(otp, journey(2 * number)) for _ in range(2)] == ["otp.wrong_code"] * 2
            await otp.receive(journey(2 * number + 1), started(phone="the attacker's"))
            if number < 4:
                await otp.check(journey(2 * number + 1), world.code)
        assert await wrong(otp, journey(0)) == "otp.frozen"


async def test_right_codes_use_up_no_tries(world: World) -> None:
    async with world.process(limits={"tries": 1, "codes": 1000}) as otp:
        for number in range(3):
            await otp.receive(journey(number))
            await otp.check(journey(number), world.code)
    assert world.usage("person-1")["tries"] == []


class Guesser:
    """Somebody who guesses in one journey after another until no guess is compared any more."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.compared = 0
        self._left = [journey(number) for number in range(12)]

    async def guess(self, faults: Faults) -> None:
        """Guess; processes may die at any step, and the next one is tried."""
        while True:
            try:
                async with self.world.process(faults, limits=PLENTY) as otp:
                    while self._left:
                        await self._guess_in(otp, self._left[0])
                        self._left.pop(0)
            except* Crash:
                faults.revive()
                self.world.now += MINUTE
            else:
                return

    async def _guess_in(self, otp: OtpProcess, subject: str) -> None:
        await otp.receive(subject, message_id=subject)
        for _ in range(8):
            key = await wrong(otp, subject)
            self.compared += key in ("otp.wrong_code", "otp.tries_used_up")
            if key != "otp.wrong_code":
                return


@settings(max_examples=12, deadline=None)
@given(st.lists(st.integers(1, 250), max_size=6))
async def test_crashes_never_give_a_try_away(steps: list[int]) -> None:
    guesser = Guesser(World())
    await guesser.guess(Faults(*steps))
    assert LIMITS.tries - len(steps) <= guesser.compared <= LIMITS.tries
    assert len(guesser.world.usage("person-1")["tries"]) == LIMITS.tries


async def steps_of_a_wrong_try(world: World) -> int:
    """Return how many steps a wrong try takes."""
    async with world.process() as otp:
        await otp.receive()
    counted = Faults()
    async with world.process(counted) as otp:
        before = counted.steps
        await wrong(otp, JOURNEY)
        return counted.steps - before


async def test_a_crash_at_any_step_of_a_try_leaves_it_counted_or_untaken_and_never_proves_a_wrong_code(
    world: World,
) -> None:
    steps = await steps_of_a_wrong_try(world)
    assert steps >= 6
    for step in range(1, steps + 1):
        world = World()
        async with world.process() as otp:
            await otp.receive()
        try:
            async with world.process(Faults(step)) as otp:
                await otp.check(JOURNEY, world.wrong)
        except* (Crash, Problem):
            pass
        state = world.state()
        assert isinstance(state, domain.CodeSent)
        counted = len(world.usage("person-1")["tries"])
        assert counted >= RULES.tries_per_code - state.tries_left, f"a try was given away at step {step}"
        async with world.process() as otp:
            await otp.check(JOURNEY, world.code)
            await otp.settle()
            assert otp.topics() == ["otp.sent", "otp.verified"]


async def test_a_crash_at_any_step_from_start_to_sms_ends_in_one_code_counted_once_under_one_sms_id() -> None:
    counted = Faults()
    async with World().process(counted) as otp:
        await otp.receive()
    for step in range(1, counted.steps + 1):
        world = World()
        try:
            async with world.process(Faults(step)) as otp:
                await otp.receive()
        except* Crash:
            pass
        async with world.process() as otp:
            await otp.service.advance(MINUTE)
            assert otp.topics() == ["otp.sent"]
        assert len(set(world.gateway.asked)) == 1, f"another SMS after step {step}"
        assert len(world.gateway.delivered) == 1
        for ref in ("person-1", "phone-1"):
            assert len(world.usage(ref)["codes"]) == 1


async def test_the_one_code_a_person_may_have_is_not_lost_to_a_crash_after_it_was_counted() -> None:
    counted, one = Faults(), {"codes": 1}
    async with World().process(counted, limits=one) as otp:
        await otp.receive()
    for step in range(1, counted.steps + 1):
        world = World()
        try:
            async with world.process(Faults(step), limits=one) as otp:
                await otp.receive()
        except* Crash:
            pass
        async with world.process(limits=one) as otp:
            await otp.service.advance(MINUTE)
            assert otp.topics() == ["otp.sent"], f"step {step}"
