"""Face checks over the real engine in memory: facts, uploads, analyses, crashes, reviews, and media that go."""

from collections.abc import Awaitable, Sequence
from datetime import date
from uuid import uuid4

import pytest
import structlog
from bson import ObjectId
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.common.blobs import Blobs
from libs.common.errors import Refused
from libs.common.events import Event
from libs.common.sealing import Sealed
from libs.common.store import Database
from services.biometrics import domain, states
from services.biometrics.analysis.line import READ_EVERY
from services.biometrics.analysis.workers import AnalysisTimeout, JobFailed, WorkerDied
from services.biometrics.states import Analysing, InReview, Matched
from services.biometrics.verdicts import CARD, PAGE, Part, Reviewed
from tests.unit.biometrics.booth import (
    CLOSED,
    DOCUMENT,
    GOOD,
    HOUR,
    IIN,
    JOURNEY,
    KEYRING,
    LEASE,
    METRICS,
    MINUTE,
    NOON,
    OTHER,
    PERSON,
    RULES,
    STARTED,
    VERIFIED,
    WITH_CARD,
    Booth,
    World,
    card,
    clip,
    picture,
)
from tests.unit.common.faults import Crash, Faults


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def booth(world: World) -> Booth:
    return Booth(world)


async def refused(doing: Awaitable[object]) -> tuple[str, int]:
    with pytest.raises(Refused) as error:
        await doing
    return error.value.key, error.value.status


@settings(max_examples=25, deadline=None)
@given(st.permutations([STARTED, STARTED, VERIFIED, VERIFIED]))
async def test_person_and_phone_in_any_order_and_twice_open_one_session_with_one_challenge(
    facts: Sequence[Event],
) -> None:
    world = World()
    booth = Booth(world)
    metas = {fact.topic: world.meta(fact) for fact in (STARTED, VERIFIED)}
    seen = set()
    for fact in facts:
        await booth.tell(fact, meta=metas[fact.topic])
        seen.add(fact.topic)
        assert isinstance(await booth.state(), states.Open) is (len(seen) == 2)
    session = await booth.session()
    assert (session.challenge.nonce, session.tries_left) == ("n-1", RULES.tries)
    assert session.expires_at == NOON + RULES.session


async def test_captures_are_not_taken_before_the_phone_is_proven(world: World, booth: Booth) -> None:
    for fact in (None, STARTED):
        if fact is not None:
            await booth.tell(fact)
        assert await refused(booth.service.check(JOURNEY)) == ("capture.not_open", 404)
        assert await refused(booth.receive("selfie", "n-1", picture(b""))) == ("capture.not_open", 404)
    assert world.media == {}


@settings(max_examples=24, deadline=None)
@given(st.permutations(WITH_CARD))
async def test_the_fourth_part_in_whatever_order_starts_the_analysis_and_not_before(parts: Sequence[Part]) -> None:
    world = World()
    booth = Booth(world)
    await booth.opened()
    for part in parts:
        assert isinstance(await booth.state(), states.Open)
        await booth.receive(part, "n-1", GOOD[part])
    assert isinstance(await booth.state(), Analysing)
    assert world.topics == []
    await booth.wake_due()
    assert world.told() == [("face.matched", {"model": "model-7", "reviewed": False})]
    assert world.eyes.challenges == [("left", "blink", "right")]


async def test_a_passports_page_is_a_whole_document(world: World, booth: Booth) -> None:
    await booth.opened()
    await booth.tried({"document-page": card()})
    assert world.topics == ["face.matched"]


async def test_after_a_failed_try_a_passports_page_is_wanted_again_or_a_card_in_its_place(
    world: World, booth: Booth
) -> None:
    await booth.opened()
    await booth.tried({"document-page": card(document_number="9")})
    session = await booth.session()
    assert (set(session.captures), session.guidance) == ({"selfie", "clip"}, ("document.not_the_registered_one",))
    await booth.tried()
    assert world.topics == ["face.rejected", "face.matched"]


@pytest.mark.parametrize(("first", "second"), [(CARD[:1], PAGE), (PAGE, CARD)])
async def test_page_and_card_are_never_mixed_the_later_one_counts(
    world: World, booth: Booth, first: tuple[Part, ...], second: tuple[Part, ...]
) -> None:
    await booth.opened()
    stranger = card(iin="910725499027")
    for part in first:
        await booth.receive(part, "n-1", stranger)
    for part in (*second, "selfie"):
        await booth.receive(part, "n-1", GOOD[part])
    assert set((await booth.session()).captures) == {*second, "selfie"}
    await booth.receive("clip", "n-1", GOOD["clip"])
    await booth.wake_due()
    assert world.topics == ["face.matched"]


async def test_a_part_sent_again_before_the_last_one_replaces_the_older(world: World, booth: Booth) -> None:
    await booth.opened()
    await booth.receive("selfie", "n-1", picture(b"selfie.blurred"))
    await booth.receive("selfie", "n-1", picture(b"a better one"))
    await booth.send()
    await booth.wake_due()
    assert world.topics == ["face.matched"]


async def test_uploads_for_an_older_challenge_are_refused_and_not_kept(world: World, booth: Booth) -> None:
    await booth.opened()
    assert await refused(booth.receive("selfie", "n-0", picture(b"x"))) == ("capture.stale", 409)
    await booth.tried({"clip": clip(b"clip.wrong_order")})
    kept = dict(world.media)
    assert await refused(booth.receive("clip", "n-1", clip(b"x"))) == ("capture.stale", 409)
    assert world.media == kept


async def test_uploads_after_the_time_while_being_looked_at_and_after_the_end_are_refused(
    world: World, booth: Booth
) -> None:
    closed = ("capture.closed", 409)
    await booth.opened()
    world.now += RULES.session
    assert await refused(booth.receive("selfie", "n-1", picture(b"x"))) == closed
    world.now = NOON
    await booth.send()
    assert await refused(booth.receive("selfie", "n-1", picture(b"x"))) == closed
    await booth.wake_due()
    assert isinstance(await booth.state(), Matched)
    assert await refused(booth.receive("selfie", "n-1", picture(b"x"))) == closed


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
    world: World, booth: Booth, media: dict[Part, bytes], reason: str, wanted: set[str]
) -> None:
    await booth.opened()
    await booth.tried(media)
    assert world.told() == [("face.rejected", {"reasons": [reason], "tries_left": 4, "final": False})]
    session = await booth.session()
    assert set(WITH_CARD) - set(session.captures) == wanted
    assert session.guidance == (reason,)
    assert (session.challenge.nonce == "n-1") is ("clip" not in wanted)
    await booth.tried()
    assert world.topics == ["face.rejected", "face.matched"]
    assert world.eyes.challenges[-1] == session.challenge.actions


async def test_a_card_is_good_until_midnight_in_the_country(world: World, booth: Booth) -> None:
    await booth.opened()
    await booth.send({"document-back": card(expiry_date=date(2026, 3, 2))})
    world.now = NOON.replace(hour=18, minute=59)  # 23:59 in Astana
    await booth.wake_due()
    assert world.topics == ["face.matched"]


async def test_a_card_that_ended_at_midnight_in_the_country_is_no_longer_good(world: World, booth: Booth) -> None:
    await booth.opened()
    await booth.send({"document-back": card(expiry_date=date(2026, 3, 2))})
    world.now = NOON.replace(hour=19, minute=1)  # 00:01 of the next day in Astana
    await booth.wake_due()
    assert world.told()[0][1]["reasons"] == ["document.expired"]


async def test_five_strangers_in_a_row_end_in_one_final_rejection_and_no_loop(world: World, booth: Booth) -> None:
    world.eyes.band = "no_match"
    await booth.opened()
    for _ in range(RULES.tries):
        await booth.tried()
    assert [(each["tries_left"], each["final"]) for _, each in world.told()] == [
        (4, False),
        (3, False),
        (2, False),
        (1, False),
        (0, True),
    ]
    assert await refused(booth.receive("selfie", "n-5", picture(b"x"))) == ("capture.closed", 409)
    world.now += 48 * HOUR
    await booth.wake_due()
    assert len(world.told()) == RULES.tries
    assert world.eyes.looks == RULES.tries


async def test_the_grey_band_asks_a_clerk_who_may_look_only_while_it_waits(world: World, booth: Booth) -> None:
    world.eyes.band = "review"
    await booth.opened()
    assert await refused(booth.looked("selfie", "clerk-7")) == ("review.not_waiting", 409)
    await booth.tried()
    assert world.told() == [("face.review_requested", {"due_at": "2026-03-03T12:00:00Z"})]
    assert [key for key, _ in await booth.reviews.queue(10)] == [JOURNEY]
    assert await booth.looked("selfie", "clerk-7") == GOOD["selfie"]
    await booth.reviews.decide(JOURNEY, matched=True, clerk="clerk-7", reason="the same scar")
    assert world.told()[1:] == [("face.matched", {"model": "model-7", "reviewed": True})]
    assert await booth.reviews.queue(10) == []
    assert await refused(booth.looked("selfie", "clerk-7")) == ("review.not_waiting", 409)
    again = booth.reviews.decide(JOURNEY, matched=False, clerk="clerk-8", reason="no")
    assert await refused(again) == ("review.not_waiting", 409)
    world.now += RULES.review
    await booth.wake_due()
    assert len(world.told()) == 2


async def test_after_a_clerks_no_hours_later_the_citizen_can_try_again_and_pass(world: World, booth: Booth) -> None:
    world.eyes.band = "review"
    await booth.opened()
    await booth.tried()
    world.now += 5 * HOUR
    await booth.reviews.decide(JOURNEY, matched=False, clerk="clerk-7", reason="another person")
    world.eyes.band = "match"
    await booth.tried()
    assert world.topics == ["face.review_requested", "face.rejected", "face.matched"]


async def test_a_review_that_nobody_makes_lets_the_citizen_try_again_without_losing_a_try(
    world: World, booth: Booth
) -> None:
    world.eyes.band = "review"
    await booth.opened()
    await booth.tried()
    world.now += RULES.review - MINUTE
    await booth.wake_due()
    assert isinstance(await booth.state(), InReview)
    world.now += MINUTE
    await booth.wake_due()
    assert world.told()[1] == ("face.rejected", {"reasons": ["review.overdue"], "tries_left": 5, "final": False})
    world.eyes.band = "match"
    await booth.tried()
    assert world.topics[-1] == "face.matched"


async def test_what_a_clerk_writes_is_sealed_and_never_logged(world: World, booth: Booth) -> None:
    world.eyes.band = "review"
    await booth.opened()
    await booth.tried()
    with structlog.testing.capture_logs() as logs:
        await booth.looked("selfie", "clerk-7")
        await booth.reviews.decide(JOURNEY, matched=True, clerk="clerk-7", reason=f"{PERSON.surname} as in the file")
    assert [(each["event"], each["clerk"]) for each in logs if "clerk" in each] == [
        ("review.opened", "clerk-7"),
        ("review.looked", "clerk-7"),
        ("review.decided", "clerk-7"),
    ]
    for place in (str(logs), str(world.rows.rows), str(world.log.published)):
        assert PERSON.surname not in place
        assert "as in the file" not in place
    await booth.tell(CLOSED)
    state = await booth.state()
    assert isinstance(state, states.Closed)
    assert state.reviews[0].remark.value.text.endswith("as in the file")


async def looked_again(booth: Booth) -> None:
    """Let the time pass after which a look that broke is repeated."""
    while isinstance(await booth.state(), Analysing):
        booth.world.now += domain.LOOK_AGAIN
        await booth.wake_due()


@pytest.mark.parametrize("failure", [WorkerDied("x"), JobFailed("x")], ids=lambda e: type(e).__name__)
async def test_an_analysis_that_breaks_is_repeated_and_costs_nothing(
    world: World, booth: Booth, failure: Exception
) -> None:
    world.eyes.failures = [failure] * (RULES.analyses_per_try - 1)
    await booth.opened()
    await booth.tried()
    await looked_again(booth)
    assert world.topics == ["face.matched"]
    assert world.eyes.looks == RULES.analyses_per_try


async def test_an_analysis_that_breaks_every_time_counts_as_a_try_and_in_the_end_leads_to_an_office(
    world: World, booth: Booth
) -> None:
    world.eyes.failures += [WorkerDied("x")] * RULES.analyses_per_try * RULES.tries
    await booth.opened()
    for _ in range(RULES.tries):
        await booth.tried()
        await looked_again(booth)
    assert {each["reasons"][0] for _, each in world.told()} == {"capture.not_readable"}
    assert [each["final"] for _, each in world.told()] == [False] * 4 + [True]
    assert world.eyes.looks == RULES.analyses_per_try * RULES.tries


async def test_a_picture_that_takes_too_long_is_looked_at_once_and_costs_a_try_of_that_picture_alone(
    world: World, booth: Booth
) -> None:
    world.eyes.failures = [AnalysisTimeout("x")]
    await booth.opened()
    await booth.tried()
    session = await booth.session()
    assert (session.guidance, session.tries_left) == (("selfie.takes_too_long",), RULES.tries - 1)
    assert set(session.captures) == {"clip", "document-front", "document-back"}
    assert (world.eyes.looks, len(world.eyes.challenges)) == (1, 1)
    await booth.tried()
    assert world.topics == ["face.rejected", "face.matched"]
    assert (world.eyes.looks, len(world.eyes.challenges)) == (2, 1), "the clip was good and is not looked at again"


@pytest.mark.parametrize("band", ["match", "review", "no_match"])
async def test_a_crash_at_every_step_of_an_analysis_tells_its_outcome_once(band: str) -> None:
    async def analysing(world: World) -> None:
        world.eyes.band = band  # type: ignore[assignment]  # one of the bands
        booth = Booth(world)
        await booth.opened()
        await booth.send()

    counted, world = Faults(), World()
    await analysing(world)
    await Booth(world, counted).wake_due()
    expected = world.topics
    for step in range(1, counted.steps + 1):
        world = World()
        await analysing(world)
        with pytest.raises(Crash):
            await Booth(world, Faults(step)).wake_due()
        world.now += LEASE
        booth = Booth(world)
        await booth.wake_due()
        await booth.checks.outbox.sweep()
        assert world.topics == expected, f"step {step}"
        assert [each.get("tries_left", 4) for _, each in world.told()] == [4]


async def test_a_crash_at_every_step_of_an_upload_loses_nothing_when_it_is_sent_again() -> None:
    counted, world = Faults(), World()
    await Booth(world).opened()
    await Booth(world, counted).receive("selfie", "n-1", GOOD["selfie"])
    for step in range(1, counted.steps + 1):
        world = World()
        await Booth(world).opened()
        with pytest.raises(Crash):
            await Booth(world, Faults(step)).receive("selfie", "n-1", GOOD["selfie"])
        booth = Booth(world)
        await booth.receive("selfie", "n-1", GOOD["selfie"])
        await booth.tried()
        assert world.topics == ["face.matched"], f"step {step}"
        assert len(world.media) == 4


@pytest.mark.parametrize("band", ["match", "review", "no_match"])
async def test_after_the_end_of_a_journey_no_media_of_it_are_left_and_others_stay(world: World, band: str) -> None:
    world.eyes.band = band  # type: ignore[assignment]  # one of the bands
    booth = Booth(world)
    for subject in (JOURNEY, OTHER):
        await booth.opened(subject)
        await booth.tried(subject=subject)
    await booth.tell(CLOSED)
    await booth.wake_due()
    assert not [name for name in world.media if JOURNEY in name]
    assert len([name for name in world.media if OTHER in name]) == 4
    state = await booth.state()
    assert isinstance(state, states.Closed)
    assert set(world.rows.rows[JOURNEY].state) == {"kind", "deletions_left", "reviews", "looks", "tries"}


async def test_media_go_even_if_a_process_dies_at_any_step_of_deleting_them() -> None:
    counted, world = Faults(), World()
    booth = Booth(world)
    await booth.opened()
    await booth.send()
    await booth.tell(CLOSED)
    await Booth(world, counted).wake_due()
    for step in range(1, counted.steps + 1):
        world = World()
        booth = Booth(world)
        await booth.opened()
        await booth.send()
        await booth.tell(CLOSED)
        with pytest.raises(Crash):
            await Booth(world, Faults(step)).wake_due()
        world.now += LEASE
        await Booth(world).wake_due()
        assert world.media == {}, f"step {step}"


async def test_an_upload_that_was_under_way_when_its_journey_ended_is_deleted_too(world: World, booth: Booth) -> None:
    await booth.opened()
    blobs = booth.uploads._blobs
    put = blobs.put

    async def slow_put(name: str, data: bytes, **options: object) -> None:
        await booth.tell(CLOSED)
        await booth.wake_due()
        await put(name, data, **options)  # type: ignore[arg-type]  # passed on as they came

    blobs.put = slow_put  # type: ignore[method-assign]  # the journey ends in the middle of an upload
    assert await refused(booth.receive("selfie", "n-1", picture(b"x"))) == ("capture.closed", 409)
    assert len(world.media) == 1
    world.now += domain.LATE_UPLOADS
    await booth.wake_due()
    assert world.media == {}
    assert world.rows.rows[JOURNEY].wake_at is None


async def test_a_journey_that_ended_before_it_was_heard_of_opens_no_session(world: World, booth: Booth) -> None:
    await booth.tell(CLOSED)
    await booth.opened()
    assert await refused(booth.receive("selfie", "n-1", picture(b"x"))) == ("capture.closed", 409)
    assert world.media == {}


async def test_an_end_while_captures_are_being_looked_at_tells_no_verdict(world: World, booth: Booth) -> None:
    await booth.opened()
    await booth.send()
    await booth.tell(CLOSED)
    await booth.wake_due()
    assert (world.topics, world.media) == ([], {})


def counted(metric: str, **labels: str) -> float:
    return METRICS.registry.get_sample_value(f"onboarding_{metric}", labels) or 0


async def test_the_metrics_tell_what_waits_what_came_of_looks_and_which_reviews_lapsed(world: World) -> None:
    booth = Booth(world)
    names = [("face_looks_total", each) for each in ("match", "review", "no_match", "broken")]
    names += [("face_reviews_total", each) for each in ("matched", "rejected", "overdue")]
    before = {name: counted(name[0], outcome=name[1]) for name in names}
    journeys = [f"{JOURNEY[:-1]}{number}" for number in range(5)]
    for journey in journeys:
        await booth.opened(journey)
        await booth.send(subject=journey)
    world.now += READ_EVERY
    await booth.service.count_waiting()
    assert (counted("face_checks_waiting", whom="worker"), counted("face_checks_waiting", whom="clerk")) == (5, 0)
    world.eyes.failures.append(WorkerDied("x"))
    world.eyes.band = "review"
    await booth.wake_due()
    world.now += READ_EVERY
    await booth.service.count_waiting()
    assert (counted("face_checks_waiting", whom="worker"), counted("face_checks_waiting", whom="clerk")) == (0, 5)
    await booth.reviews.decide(journeys[0], matched=True, clerk="clerk-7", reason="the same scar")
    for journey in journeys[1:3]:
        await booth.reviews.decide(journey, matched=False, clerk="clerk-7", reason="another person")
    world.now += RULES.review
    await booth.wake_due()
    more = {name[1]: counted(name[0], outcome=name[1]) - before[name] for name in names}
    assert more == {
        "match": 0,
        "review": 5,
        "no_match": 0,
        "broken": 1,
        "matched": 1,
        "rejected": 2,
        "overdue": 2,
    }


async def test_hearing_everything_again_tells_nothing_new(world: World, booth: Booth) -> None:
    metas = {fact.topic: world.meta(fact) for fact in (STARTED, VERIFIED, CLOSED)}
    await booth.tell(STARTED, meta=metas[STARTED.topic])
    await booth.tell(VERIFIED, meta=metas[VERIFIED.topic])
    await booth.tried()
    await booth.tell(CLOSED, meta=metas[CLOSED.topic])
    await booth.wake_due()
    told, state = world.told(), await booth.state()
    for fact in (STARTED, VERIFIED, CLOSED):
        await booth.tell(fact, meta=metas[fact.topic])
    await booth.wake_due()
    assert (world.told(), await booth.state()) == (told, state)


async def test_nothing_personal_stands_in_clear_in_store_events_logs_or_names_of_media(
    world: World, booth: Booth
) -> None:
    with structlog.testing.capture_logs() as logs:
        await booth.opened()
        await booth.tried({"document-back": card(document_number="9")})
        await booth.tried()
    everything = str(world.rows.rows) + str(world.log.published) + str(logs) + str(list(world.media))
    assert "analysis.done" in everything
    for secret in (IIN, PERSON.surname, PERSON.given_name, "900000011", "+7701"):
        assert secret not in everything


async def chunks_of(database: Database, ids: list[ObjectId]) -> list[bytes]:
    # Asked for by file, since the embedded store lists chunks in no other way.
    chunks = database.raw["blobs.chunks"]
    return [chunk["data"] for file_id in ids async for chunk in chunks.find({"files_id": file_id})]


async def test_in_a_real_store_nothing_of_the_media_is_left_after_the_end(world: World, mongo_uri: str) -> None:
    database = Database(mongo_uri, f"biometrics-{uuid4().hex[:12]}")
    blobs = Blobs(database, KEYRING, world.clock, "biometrics")
    await database.start()
    try:
        booth = Booth(world, blobs=blobs)
        await booth.opened()
        await booth.send({"selfie": picture(b"a face " * 1000)})
        ids = [ObjectId(record["_id"]) async for record in database.raw["blob_records"].find()]
        kept = await chunks_of(database, ids)
        assert len(ids) == len(kept) == 4
        assert not any(b"a face" in chunk for chunk in kept), "media lie in clear"
        await booth.tell(CLOSED)
        await booth.wake_due()
        assert await chunks_of(database, ids) == []
        assert await database.raw["blob_records"].find_one({}) is None
    finally:
        await database.raw.client.drop_database(database.raw.name)
        await database.stop()


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
    booth = Booth(world, rules=RULES.model_copy(update={"review_documents": which}))
    person = PERSON.model_copy(update={"document_number": number})
    await booth.tell(STARTED.model_copy(update={"person": Sealed(person)}))
    await booth.tell(VERIFIED)
    await booth.tried()
    assert world.topics == ["face.review_requested" if signals else "face.matched"]
    assert world.rows.rows[JOURNEY].state["tries"][0]["signals"] == signals
    if signals:
        await booth.reviews.decide(JOURNEY, matched=True, clerk="clerk-7", reason="as in the register")
        assert world.told()[-1] == ("face.matched", {"model": "model-7", "reviewed": True})


async def test_a_document_of_no_match_or_of_another_person_is_not_for_a_clerk_to_confirm(world: World) -> None:
    booth = Booth(world, rules=RULES.model_copy(update={"review_documents": "all"}))
    await booth.opened()
    await booth.tried({"document-back": card(iin="850412399023")})
    world.eyes.band = "no_match"
    await booth.tried()
    assert world.topics == ["face.rejected", "face.rejected"]
