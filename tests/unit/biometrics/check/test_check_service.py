"""Face checks over the real engine in memory: facts, uploads, analyses, crashes, reviews, and media that go."""

from collections.abc import Sequence
from datetime import date

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.common.contracts.events import Event
from services.biometrics.analysis.queue import READ_EVERY
from services.biometrics.analysis.workers import WorkerDied
from services.biometrics.check import states
from services.biometrics.check.parts import CARD, PAGE, Part
from services.biometrics.check.states import CheckAnalysing, CheckMatched
from tests.unit.biometrics.factories import (
    CLOSED,
    GOOD,
    HOUR,
    IIN,
    JOURNEY,
    NOON,
    PERSON,
    RULES,
    STARTED,
    VERIFIED,
    WITH_CARD,
    card,
    clip,
    picture,
)
from tests.unit.biometrics.harness import Harness, World, refused, succeeded


@settings(max_examples=25, deadline=None)
@given(st.permutations([STARTED, STARTED, VERIFIED, VERIFIED]))
async def test_person_and_phone_in_any_order_and_twice_open_one_session_with_one_challenge(
    facts: Sequence[Event],
) -> None:
    world = World()
    harness = Harness(world)
    ids = {fact.topic: world.message_id() for fact in (STARTED, VERIFIED)}
    seen = set()
    for fact in facts:
        await harness.deliver(fact, message_id=ids[fact.topic])
        seen.add(fact.topic)
        assert isinstance(await harness.state(), states.CheckOpen) is (len(seen) == 2)
    session = await harness.session()
    assert (session.challenge.nonce, session.tries_left) == ("n-1", RULES.tries)
    assert session.expires_at == NOON + RULES.session


async def test_captures_are_not_taken_before_the_phone_is_proven(world: World, harness: Harness) -> None:
    for fact in (None, STARTED):
        if fact is not None:
            await harness.deliver(fact)
        assert await refused(shown(harness)) == ("capture.not_open", 404)
        assert await refused(harness.receive("selfie", "n-1", picture(b""))) == ("capture.not_open", 404)
    assert world.media == {}


@settings(max_examples=24, deadline=None)
@given(st.permutations(WITH_CARD))
async def test_the_fourth_part_in_whatever_order_starts_the_analysis_and_not_before(parts: Sequence[Part]) -> None:
    world = World()
    harness = Harness(world)
    await harness.opened()
    for part in parts:
        assert isinstance(await harness.state(), states.CheckOpen)
        await harness.receive(part, "n-1", GOOD[part])
    assert isinstance(await harness.state(), CheckAnalysing)
    assert world.topics == []
    await harness.wake_due()
    assert world.published() == [("face.matched", {"model": "model-7", "reviewed": False})]
    assert world.analyser.challenges == [("left", "blink", "right")]


async def test_a_passports_page_is_a_whole_document(world: World, harness: Harness) -> None:
    await harness.opened()
    await harness.tried({"document-page": card()})
    assert world.topics == ["face.matched"]


async def test_after_a_failed_try_a_passports_page_is_wanted_again_or_a_card_in_its_place(
    world: World, harness: Harness
) -> None:
    await harness.opened()
    await harness.tried({"document-page": card(document_number="9")})
    session = await harness.session()
    assert (set(session.captures), session.guidance) == ({"selfie", "clip"}, ("document.not_the_registered_one",))
    await harness.tried()
    assert world.topics == ["face.rejected", "face.matched"]


@pytest.mark.parametrize(("first", "second"), [(CARD[:1], PAGE), (PAGE, CARD)])
async def test_page_and_card_are_never_mixed_the_later_one_counts(
    world: World, harness: Harness, first: tuple[Part, ...], second: tuple[Part, ...]
) -> None:
    await harness.opened()
    stranger = card(iin="910725499027")
    for part in first:
        await harness.receive(part, "n-1", stranger)
    for part in (*second, "selfie"):
        await harness.receive(part, "n-1", GOOD[part])
    assert set((await harness.session()).captures) == {*second, "selfie"}
    await harness.receive("clip", "n-1", GOOD["clip"])
    await harness.wake_due()
    assert world.topics == ["face.matched"]


async def test_a_part_sent_again_before_the_last_one_replaces_the_older(world: World, harness: Harness) -> None:
    await harness.opened()
    await harness.receive("selfie", "n-1", picture(b"selfie.blurred"))
    await harness.receive("selfie", "n-1", picture(b"a better one"))
    await harness.send()
    await harness.wake_due()
    assert world.topics == ["face.matched"]


async def test_uploads_for_an_older_challenge_are_refused_and_not_kept(world: World, harness: Harness) -> None:
    await harness.opened()
    assert await refused(harness.receive("selfie", "n-0", picture(b"x"))) == ("capture.stale", 409)
    await harness.tried({"clip": clip(b"clip.wrong_order")})
    kept = dict(world.media)
    assert await refused(harness.receive("clip", "n-1", clip(b"x"))) == ("capture.stale", 409)
    assert world.media == kept


async def test_uploads_after_the_time_while_being_looked_at_and_after_the_end_are_refused(
    world: World, harness: Harness
) -> None:
    closed = ("capture.closed", 409)
    await harness.opened()
    world.now += RULES.session
    assert await refused(harness.receive("selfie", "n-1", picture(b"x"))) == closed
    world.now = NOON
    await harness.send()
    assert await refused(harness.receive("selfie", "n-1", picture(b"x"))) == closed
    await harness.wake_due()
    assert isinstance(await harness.state(), CheckMatched)
    assert await refused(harness.receive("selfie", "n-1", picture(b"x"))) == closed


@pytest.mark.parametrize(
    ("media", "reason", "wanted"),
    [
        ({"selfie": picture(b"selfie.blurred")}, "selfie.blurred", {"selfie"}),
        ({"selfie": picture(b"selfie.no_face")}, "selfie.no_face", {"selfie"}),
        ({"clip": clip(b"clip.wrong_order")}, "clip.wrong_order", {"clip"}),
        ({"document-front": picture(b"document.glare")}, "document.glare", set(CARD)),
        ({"document-back": card(iin="910725499027")}, "document.of_another_person", set(CARD)),
        ({"document-back": card(document_number="9")}, "document.not_the_registered_one", set(CARD)),
        ({"document-back": card(expiry_date=date(2026, 3, 1))}, "document.expired", set(CARD)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_failed_try_says_why_and_wants_only_what_failed(
    world: World, harness: Harness, media: dict[Part, bytes], reason: str, wanted: set[str]
) -> None:
    await harness.opened()
    await harness.tried(media)
    assert world.published() == [("face.rejected", {"reasons": [reason], "tries_left": 4, "final": False})]
    session = await harness.session()
    assert set(WITH_CARD) - set(session.captures) == wanted
    assert session.guidance == (reason,)
    assert (session.challenge.nonce == "n-1") is ("clip" not in wanted)
    await harness.tried()
    assert world.topics == ["face.rejected", "face.matched"]
    assert world.analyser.challenges[-1] == session.challenge.actions


async def test_a_card_is_good_until_midnight_in_the_country(world: World, harness: Harness) -> None:
    await harness.opened()
    await harness.send({"document-back": card(expiry_date=date(2026, 3, 2))})
    world.now = NOON.replace(hour=18, minute=59)  # 23:59 in Astana
    await harness.wake_due()
    assert world.topics == ["face.matched"]


async def test_a_card_that_ended_at_midnight_in_the_country_is_no_longer_good(world: World, harness: Harness) -> None:
    await harness.opened()
    await harness.send({"document-back": card(expiry_date=date(2026, 3, 2))})
    world.now = NOON.replace(hour=19, minute=1)  # 00:01 of the next day in Astana
    await harness.wake_due()
    assert world.published()[0][1]["reasons"] == ["document.expired"]


async def test_five_strangers_in_a_row_end_in_one_final_rejection_and_no_loop(world: World, harness: Harness) -> None:
    world.analyser.band = "no_match"
    await harness.opened()
    for _ in range(RULES.tries):
        await harness.tried()
    assert [(each["tries_left"], each["final"]) for _, each in world.published()] == [
        (4, False),
        (3, False),
        (2, False),
        (1, False),
        (0, True),
    ]
    assert await refused(harness.receive("selfie", "n-5", picture(b"x"))) == ("capture.closed", 409)
    world.now += 48 * HOUR
    await harness.wake_due()
    assert len(world.published()) == RULES.tries
    assert world.analyser.analyses == RULES.tries


async def shown(harness: Harness) -> None:
    succeeded(await harness.http.get(f"/v1/journeys/{JOURNEY}/capture", headers=harness.world.citizen()))


async def waiting(harness: Harness) -> tuple[float, float]:
    await harness.process.repeat("face_checks.count")
    counted = harness.counted
    return await counted("face_checks_waiting", whom="worker"), await counted("face_checks_waiting", whom="clerk")


async def test_the_metrics_tell_what_waits_what_came_of_looks_and_which_reviews_lapsed(world: World) -> None:
    harness = Harness(world)
    names = [("face_analyses_total", each) for each in ("match", "review", "no_match", "broken")]
    names += [("face_reviews_total", each) for each in ("matched", "rejected", "overdue")]
    journeys = [f"{JOURNEY[:-1]}{number}" for number in range(5)]
    for journey in journeys:
        await harness.opened(journey)
        await harness.send(subject=journey)
    world.now += READ_EVERY
    assert await waiting(harness) == (5, 0)
    world.analyser.failures.append(WorkerDied("x"))
    world.analyser.band = "review"
    await harness.wake_due()
    world.now += READ_EVERY
    assert await waiting(harness) == (0, 5)
    await harness.decide(journeys[0], matched=True, clerk="clerk-7", reason="the same scar")
    for journey in journeys[1:3]:
        await harness.decide(journey, matched=False, clerk="clerk-7", reason="another person")
    world.now += RULES.review
    await harness.wake_due()
    more = {outcome: await harness.counted(name, outcome=outcome) for name, outcome in names}
    assert more == {
        "match": 0,
        "review": 5,
        "no_match": 0,
        "broken": 1,
        "matched": 1,
        "rejected": 2,
        "overdue": 2,
    }


async def test_hearing_everything_again_tells_nothing_new(world: World, harness: Harness) -> None:
    ids = {fact.topic: world.message_id() for fact in (STARTED, VERIFIED, CLOSED)}
    await harness.deliver(STARTED, message_id=ids[STARTED.topic])
    await harness.deliver(VERIFIED, message_id=ids[VERIFIED.topic])
    await harness.tried()
    await harness.deliver(CLOSED, message_id=ids[CLOSED.topic])
    await harness.wake_due()
    shown, state = world.published(), await harness.state()
    for fact in (STARTED, VERIFIED, CLOSED):
        await harness.deliver(fact, message_id=ids[fact.topic])
    await harness.wake_due()
    assert (world.published(), await harness.state()) == (shown, state)


async def test_nothing_personal_stands_in_clear_in_store_events_logs_or_names_of_media(
    world: World, harness: Harness
) -> None:
    with structlog.testing.capture_logs() as logs:
        await harness.opened()
        await harness.tried({"document-back": card(document_number="9")})
        await harness.tried()
    everything = str(world.rows.rows) + str(world.around.broker.written) + str(logs) + str(list(world.media))
    assert "analysis.done" in everything
    for secret in (IIN, PERSON.surname, str(PERSON.given_name), "900000011", "+7701"):
        assert secret not in everything
