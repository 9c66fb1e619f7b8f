"""What a clerk is for: faces and documents that the numbers do not decide."""

import pytest
import structlog

from libs.common.core.sealing import Sealed
from services.biometrics.check import states
from services.biometrics.check.decision import Reviewed
from services.biometrics.check.states import CheckInReview
from tests.unit.biometrics.factories import (
    CLOSED,
    DOCUMENT,
    HOUR,
    JOURNEY,
    MINUTE,
    PERSON,
    RULES,
    STARTED,
    VERIFIED,
    card,
    taken,
)
from tests.unit.biometrics.harness import Harness, World, refused


async def test_the_grey_band_asks_a_clerk_who_may_look_only_while_it_waits(world: World, harness: Harness) -> None:
    world.analyser.band = "review"
    await harness.opened()
    assert await refused(harness.viewed("selfie", "clerk-7")) == ("review.not_waiting", 409)
    await harness.tried()
    assert world.published() == [("face.review_requested", {"due_at": "2026-03-03T12:00:00Z"})]
    assert await harness.queue() == [JOURNEY]
    assert await harness.viewed("selfie", "clerk-7") == taken("selfie")
    await harness.decide(JOURNEY, matched=True, clerk="clerk-7", reason="the same scar")
    assert world.published()[1:] == [("face.matched", {"model": "model-7", "reviewed": True})]
    assert await harness.queue() == []
    assert await refused(harness.viewed("selfie", "clerk-7")) == ("review.not_waiting", 409)
    again = harness.decide(JOURNEY, matched=False, clerk="clerk-8", reason="another person")
    assert await refused(again) == ("review.not_waiting", 409)
    world.now += RULES.review
    await harness.wake_due()
    assert len(world.published()) == 2


async def test_after_a_clerks_no_hours_later_the_citizen_can_try_again_and_pass(world: World, harness: Harness) -> None:
    world.analyser.band = "review"
    await harness.opened()
    await harness.tried()
    world.now += 5 * HOUR
    await harness.decide(JOURNEY, matched=False, clerk="clerk-7", reason="another person")
    world.analyser.band = "match"
    await harness.tried()
    assert world.topics == ["face.review_requested", "face.rejected", "face.matched"]


async def test_a_review_that_nobody_makes_lets_the_citizen_try_again_without_losing_a_try(
    world: World, harness: Harness
) -> None:
    world.analyser.band = "review"
    await harness.opened()
    await harness.tried()
    world.now += RULES.review - MINUTE
    await harness.wake_due()
    assert isinstance(await harness.state(), CheckInReview)
    world.now += MINUTE
    await harness.wake_due()
    assert world.published()[1] == ("face.rejected", {"reasons": ["review.overdue"], "tries_left": 5, "final": False})
    world.analyser.band = "match"
    await harness.tried()
    assert world.topics[-1] == "face.matched"


async def test_what_a_clerk_writes_is_sealed_and_never_logged(world: World, harness: Harness) -> None:
    world.analyser.band = "review"
    await harness.opened()
    await harness.tried()
    with structlog.testing.capture_logs() as logs:
        await harness.viewed("selfie", "clerk-7")
        await harness.decide(JOURNEY, matched=True, clerk="clerk-7", reason=f"{PERSON.surname} as in the file")
    assert [(each["event"], each["clerk"]) for each in logs if "clerk" in each] == [
        ("review.opened", "clerk-7"),
        ("review.viewed", "clerk-7"),
        ("review.decided", "clerk-7"),
    ]
    for place in (str(logs), str(world.rows.rows), str(world.around.broker.written)):
        assert PERSON.surname not in place
        assert "as in the file" not in place
    await harness.deliver(CLOSED)
    state = await harness.state()
    assert isinstance(state, states.CheckClosed)
    assert state.reviews[0].remark.value.text.endswith("as in the file")


@pytest.mark.parametrize(
    ("which", "number", "signals"),
    [
        ("none", None, []),
        ("unregistered", DOCUMENT, []),
        ("unregistered", None, ["document.not_in_register"]),
        ("all", DOCUMENT, ["document.portrait_unconfirmed"]),
        ("all", None, ["document.portrait_unconfirmed"]),
    ],
)
async def test_a_document_that_nothing_ties_to_the_register_is_confirmed_by_a_clerk_where_that_is_wanted(
    world: World, which: Reviewed, number: str | None, signals: list[str]
) -> None:
    harness = Harness(world, rules=RULES.model_copy(update={"review_documents": which}))
    person = PERSON.model_copy(update={"document_number": number})
    await harness.deliver(STARTED.model_copy(update={"person": Sealed(person)}))
    await harness.deliver(VERIFIED)
    await harness.tried()
    assert world.topics == ["face.review_requested" if signals else "face.matched"]
    assert world.rows.rows[JOURNEY].state["tries"][0]["signals"] == signals
    if signals:
        await harness.decide(JOURNEY, matched=True, clerk="clerk-7", reason="as in the register")
        assert world.published()[-1] == ("face.matched", {"model": "model-7", "reviewed": True})


async def test_a_document_of_no_match_or_of_another_person_is_not_for_a_clerk_to_confirm(world: World) -> None:
    harness = Harness(world, rules=RULES.model_copy(update={"review_documents": "all"}))
    await harness.opened()
    await harness.tried({"document-back": card(iin="850412399023")})
    world.analyser.band = "no_match"
    await harness.tried()
    assert world.topics == ["face.rejected", "face.rejected"]
