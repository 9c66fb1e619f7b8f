"""One face under several persons: noticed in recent journeys if an operator wants that, told to a clerk, forgotten."""

from datetime import timedelta

from services.biometrics.analysis.known_faces import KnownFaces
from services.biometrics.analysis.pipeline import SEEN_BEFORE
from services.biometrics.check.states import CheckInReview, CheckMatched
from services.biometrics.check.templates import Template
from services.biometrics.collections import FACES
from tests.unit.biometrics.factories import (
    CLOSED,
    IIN,
    JOURNEY,
    MINUTE,
    NUMBERS,
    OTHER,
    PERSON,
    STARTED,
    VERIFIED,
    picture,
)
from tests.unit.biometrics.harness import Harness, World

KEPT = timedelta(days=7)


async def gone_through(harness: Harness, subject: str, person_ref: str) -> None:
    """Somebody has their face checked in a journey of their own."""
    await harness.deliver(STARTED.model_copy(update={"person_ref": person_ref}), subject)
    await harness.deliver(VERIFIED, subject)
    await harness.tried(subject=subject)


async def test_unless_an_operator_wants_it_no_face_is_remembered(world: World) -> None:
    harness = Harness(world)
    for subject, person_ref in ((JOURNEY, "one"), (OTHER, "two")):
        await gone_through(harness, subject, person_ref)
        assert isinstance(await harness.state(subject), CheckMatched)
    assert world.faces.rows == {}


async def test_one_face_under_two_persons_goes_to_a_clerk_who_is_told_why_and_decides(world: World) -> None:
    await gone_through(Harness(world, faces_kept=KEPT), JOURNEY, "one")
    harness = Harness(world, faces_kept=KEPT)  # another process: what it knows is what the store holds
    await gone_through(harness, OTHER, "two")
    state = await harness.state(OTHER)
    assert isinstance(state, CheckInReview)
    assert state.tries[-1].signals == (SEEN_BEFORE,)
    assert world.published(OTHER)[0][0] == "face.review_requested"
    await harness.decide(OTHER, matched=True, clerk="clerk-7", reason="twins")
    assert world.published(OTHER)[-1] == ("face.matched", {"model": "model-7", "reviewed": True})
    assert isinstance(await harness.state(JOURNEY), CheckMatched), "the first one is not touched"


async def test_the_same_person_in_another_journey_is_no_signal(world: World) -> None:
    harness = Harness(world, faces_kept=KEPT)
    for subject in (JOURNEY, OTHER):
        await gone_through(harness, subject, "one")
        assert isinstance(await harness.state(subject), CheckMatched)


async def test_faces_of_another_model_are_not_compared(world: World) -> None:
    harness = Harness(world, faces_kept=KEPT)
    await gone_through(harness, JOURNEY, "one")
    world.analyser.model = "model-8"
    await gone_through(harness, OTHER, "two")
    assert isinstance(await harness.state(OTHER), CheckMatched)


async def test_a_face_whose_time_is_over_is_neither_found_nor_kept(world: World) -> None:
    harness = Harness(world, faces_kept=KEPT)
    await gone_through(harness, JOURNEY, "one")
    await harness.deliver(CLOSED)
    await harness.wake_due()
    assert world.faces.rows[JOURNEY].state["kind"] == "seen", (
        "it outlives the journey, for as long as the operator said"
    )
    world.now += KEPT
    await gone_through(harness, OTHER, "two")
    assert isinstance(await harness.state(OTHER), CheckMatched)
    await harness.face_timers.run_once(JOURNEY, world.faces.rows[JOURNEY].wake_at or 0)
    assert world.faces.rows[JOURNEY].state == {"kind": "forgotten"}
    assert world.faces.rows[JOURNEY].wake_at is None


async def test_what_is_remembered_is_sealed_and_names_nobody(world: World) -> None:
    await gone_through(Harness(world, faces_kept=KEPT), JOURNEY, "one")
    row = world.faces.rows[JOURNEY].state
    assert set(row) == {"kind", "at", "forget_at", "model", "person_ref", "template"}
    assert set(row["template"]) == {"kid", "box"}
    for secret in (NUMBERS.decode(), IIN, PERSON.surname):
        assert secret not in str(row)


async def test_only_so_many_of_the_newest_faces_are_searched(world: World) -> None:
    faces = KnownFaces(world.read(FACES), KEPT, 3, world.clock)
    for number in range(6):
        world.now += MINUTE * 5
        template = Template(model="model-7", embedding=bytes([number]))
        await faces.remember(f"journey-{number}", f"person-{number}", template)
        found = [each.embedding for each in await faces.of_others("nobody", "model-7")]
        assert found == [bytes([each]) for each in range(number + 1)][-3:]


async def test_what_passed_under_an_older_model_is_looked_at_again_and_not_compared(world: World) -> None:
    """The analyser of these tests fails where faces of two models meet, as the real one does."""
    harness = Harness(world)
    await harness.opened()
    await harness.tried({"selfie": picture(b"selfie.blurred")})
    analyses = world.analyser.analyses
    world.analyser.model = "model-8"
    await harness.tried()
    assert world.published()[-1] == ("face.matched", {"model": "model-8", "reviewed": False})
    assert len(world.analyser.challenges) == 2, "the clip was looked at by both models"
    assert world.analyser.analyses > analyses


async def test_what_passed_is_not_looked_at_again_in_the_next_try(world: World) -> None:
    harness = Harness(world)
    await harness.opened()
    await harness.tried({"selfie": picture(b"selfie.blurred")})
    await harness.tried()
    assert world.topics == ["face.rejected", "face.matched"]
    assert len(world.analyser.challenges) == 1
    state = await harness.state()
    assert isinstance(state, CheckMatched)
    assert [set(each.examined) for each in state.tries] == [{"selfie", "clip", "document"}, {"selfie"}]


async def test_doubts_about_a_clip_are_not_forgotten_when_only_the_selfie_is_sent_again(world: World) -> None:
    harness = Harness(world)
    world.analyser.doubts = ("clip.pad_doubt",)
    await harness.opened()
    await harness.tried({"selfie": picture(b"selfie.blurred")})
    await harness.tried()
    state = await harness.state()
    assert isinstance(state, CheckInReview)
    assert state.tries[-1].signals == ("clip.pad_doubt",)
