"""A selfie or a clip that came before is a copy: noticed by a keyed hash of its bytes, and asked for anew."""

import hashlib

import pytest

from services.biometrics.analysis.workers import WorkerDied
from services.biometrics.check.parts import Part
from services.biometrics.check.states import CheckMatched
from tests.unit.biometrics.factories import JOURNEY, OTHER, RULES, clip, picture, taken
from tests.unit.biometrics.harness import Harness, World


@pytest.fixture
def world() -> World:
    return World()


@pytest.mark.parametrize("part", ["selfie", "clip"])
async def test_what_was_sent_in_another_journey_is_asked_for_anew_whoever_sends_it(world: World, part: Part) -> None:
    harness = Harness(world)
    for subject in (JOURNEY, OTHER):
        await harness.opened(subject)
    sent: dict[Part, bytes] = {"selfie": taken("selfie"), "clip": taken("clip")}
    await harness.tried(sent, JOURNEY)
    assert isinstance(await harness.state(JOURNEY), CheckMatched)
    await harness.tried({part: sent[part]}, OTHER)
    session = await harness.session(OTHER)
    assert (session.guidance, session.tries_left) == ((f"{part}.used_before",), RULES.tries - 1)
    assert part not in session.captures
    assert len(session.captures) == 3, "nothing else is asked for"
    await harness.tried(subject=OTHER)
    assert isinstance(await harness.state(OTHER), CheckMatched)


async def test_a_clip_that_failed_its_challenge_is_no_answer_to_the_next_one_either(world: World) -> None:
    harness = Harness(world)
    await harness.opened()
    early = clip(b"clip.wrong_order")
    for reason in ("clip.wrong_order", "clip.used_before"):
        await harness.tried({"clip": early})
        assert (await harness.session()).guidance == (reason,)
    assert len(world.analyser.challenges) == 1, "a copy is not looked at"


async def test_a_clip_that_waits_for_another_selfie_is_no_copy_of_itself(world: World) -> None:
    world.analyser.doubts = ("clip.pad_doubt",)
    harness = Harness(world)
    await harness.opened()
    await harness.tried({"selfie": picture(b"selfie.blurred")})
    await harness.tried()
    assert world.topics == ["face.rejected", "face.review_requested"]
    assert len(world.analyser.challenges) == 2


async def test_a_selfie_may_stay_the_same_within_a_journey_and_a_document_always(world: World) -> None:
    world.analyser.band = "no_match"
    harness = Harness(world)
    for subject in (JOURNEY, OTHER):
        await harness.opened(subject)
        for _ in range(2):
            await harness.tried({"selfie": picture(f"selfie of {subject}".encode())}, subject)
            assert (await harness.session(subject)).guidance == ("face.not_the_same_person",)


async def test_a_look_that_broke_and_is_repeated_finds_no_copies(world: World) -> None:
    world.analyser.failures = [WorkerDied("x")]
    harness = Harness(world)
    await harness.opened()
    await harness.tried()
    assert world.topics == ["face.matched"]


async def test_what_is_remembered_of_a_capture_leads_back_to_no_file(world: World) -> None:
    harness = Harness(world)
    await harness.opened()
    await harness.tried()
    assert {kind for kind, _ in world.book.owners} == {"capture"}
    remembered = {value for _, value in world.book.owners}
    assert len(remembered) == 2
    for part in ("selfie", "clip"):
        digest = hashlib.sha256(taken(part)).hexdigest()
        assert not any(value in digest or digest in value for value in remembered)
