"""What breaks during a face check, at any step, and what it costs the citizen."""

import pytest

from libs.common.testing.faults import Crash, Faults
from services.biometrics.analysis.workers import AnalysisTimeout, JobFailed, WorkerDied
from services.biometrics.check import domain
from services.biometrics.check.states import CheckAnalysing
from tests.unit.biometrics.factories import GOOD, LEASE, RULES
from tests.unit.biometrics.harness import Harness, World


async def repeat_broken(harness: Harness) -> None:
    """Let the time pass after which a look that broke is repeated."""
    while isinstance(await harness.state(), CheckAnalysing):
        harness.world.now += domain.ANALYSE_AGAIN
        await harness.wake_due()


@pytest.mark.parametrize("failure", [WorkerDied("x"), JobFailed("x")], ids=lambda e: type(e).__name__)
async def test_an_analysis_that_breaks_is_repeated_and_costs_nothing(
    world: World, harness: Harness, failure: Exception
) -> None:
    world.analyser.failures = [failure] * (RULES.analyses_per_try - 1)
    await harness.opened()
    await harness.tried()
    await repeat_broken(harness)
    assert world.topics == ["face.matched"]
    assert world.analyser.analyses == RULES.analyses_per_try


async def test_a_picture_over_which_workers_crash_is_to_be_sent_again_and_the_citizen_keeps_every_try(
    world: World, harness: Harness
) -> None:
    world.analyser.failures += [WorkerDied("x")] * RULES.analyses_per_try
    await harness.opened()
    await harness.tried()
    await repeat_broken(harness)
    session = await harness.session()
    assert (session.guidance, session.tries_left) == (("capture.not_readable",), RULES.tries)
    assert set(session.captures) == {"clip", "document-front", "document-back"}, "only that picture"
    await harness.tried()
    assert world.topics == ["face.rejected", "face.matched"]


async def test_an_analysis_that_breaks_over_every_picture_costs_tries_at_last_and_leads_to_an_office(
    world: World, harness: Harness
) -> None:
    world.analyser.failures += [WorkerDied("x")] * RULES.analyses_per_try * (RULES.tries + 1)
    await harness.opened()
    for _ in range(RULES.tries + 1):
        await harness.tried()
        await repeat_broken(harness)
    assert {each["reasons"][0] for _, each in world.published()} == {"capture.not_readable"}
    assert [each["tries_left"] for _, each in world.published()] == [5, 4, 3, 2, 1, 0]
    assert [each["final"] for _, each in world.published()] == [False] * 5 + [True]
    assert world.analyser.analyses == RULES.analyses_per_try * (RULES.tries + 1)


async def test_a_picture_that_takes_too_long_is_looked_at_once_and_costs_a_try_of_that_picture_alone(
    world: World, harness: Harness
) -> None:
    world.analyser.failures = [AnalysisTimeout("x")]
    await harness.opened()
    await harness.tried()
    session = await harness.session()
    assert (session.guidance, session.tries_left) == (("selfie.takes_too_long",), RULES.tries - 1)
    assert set(session.captures) == {"clip", "document-front", "document-back"}
    assert (world.analyser.analyses, len(world.analyser.challenges)) == (1, 1)
    await harness.tried()
    assert world.topics == ["face.rejected", "face.matched"]
    assert (world.analyser.analyses, len(world.analyser.challenges)) == (2, 1), (
        "the clip was good and is not looked at again"
    )


@pytest.mark.parametrize("band", ["match", "review", "no_match"])
async def test_a_crash_at_every_step_of_an_analysis_tells_its_outcome_once(band: str) -> None:
    async def analysing(world: World) -> None:
        world.analyser.band = band
        harness = Harness(world)
        await harness.opened()
        await harness.send()

    counted, world = Faults(), World()
    await analysing(world)
    await Harness(world, counted).wake_due()
    expected = world.topics
    for step in range(1, counted.steps + 1):
        world = World()
        await analysing(world)
        with pytest.raises(Crash):
            await Harness(world, Faults(step)).wake_due()
        world.now += LEASE
        harness = Harness(world)
        await harness.wake_due()
        await harness.wake_due()
        assert world.topics == expected, f"step {step}"
        assert [each.get("tries_left", 4) for _, each in world.published()] == [4]


async def test_a_crash_at_every_step_of_an_upload_loses_nothing_when_it_is_sent_again() -> None:
    counted, world = Faults(), World()
    await Harness(world).opened()
    await Harness(world, counted).receive("selfie", "n-1", GOOD["selfie"])
    for step in range(1, counted.steps + 1):
        world = World()
        await Harness(world).opened()
        with pytest.raises(Crash):
            await Harness(world, Faults(step)).receive("selfie", "n-1", GOOD["selfie"])
        harness = Harness(world)
        await harness.receive("selfie", "n-1", GOOD["selfie"])
        await harness.tried()
        assert world.topics == ["face.matched"], f"step {step}"
        assert len(world.media) == 4
