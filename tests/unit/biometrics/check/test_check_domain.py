"""The rules of face checks alone: verdicts, tries, reviews, endings."""

from collections.abc import Mapping
from datetime import date, timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.contracts.biometrics import FaceMatched, FaceRejected
from libs.common.contracts.events import Event
from libs.common.contracts.http.biometrics import Band
from libs.common.core.errors import Refused
from libs.common.core.model import evolve
from libs.common.core.sealing import Sealed
from services.biometrics.check import domain
from services.biometrics.check.decision import DocumentFacts, FaceVerdict, Findings, judge
from services.biometrics.check.parts import CARD, PAGE, Part
from services.biometrics.check.records import TRIES_KEPT, VIEWS_KEPT, AnalysisOutcome, ClerkDecision, Remark, Try
from services.biometrics.check.states import (
    MEDIA_KEPT_AT_MOST,
    Challenge,
    CheckAnalysing,
    CheckClosed,
    CheckFailed,
    CheckInReview,
    CheckMatched,
    CheckOpen,
    CheckRules,
    CheckState,
    wake_at,
)
from services.biometrics.check.templates import Template
from tests.unit.biometrics.factories import DOCUMENT, HOUR, IIN, MINUTE, NOON, PERSON, RULES, WITH_CARD, WITH_PASSPORT

TODAY = date(2026, 3, 2)
OWN = DocumentFacts(iin=IIN, document_number=DOCUMENT, birth_date=date(1985, 4, 12), expiry_date=date(2030, 1, 1))
FAULTS: tuple[tuple[dict[str, Any], str], ...] = (
    ({"iin": "910725499027"}, "document.of_another_person"),
    ({"iin": None}, "document.of_another_person"),
    ({"document_number": "900000012"}, "document.not_the_registered_one"),
    ({"birth_date": date(1985, 4, 13)}, "document.of_another_person"),
    ({"expiry_date": date(2026, 3, 1)}, "document.expired"),
)
NO_MATCH = FaceVerdict(band="no_match", reasons=("face.not_the_same_person",), again=WITH_CARD)


class Drawn:
    """Challenges, each with another nonce."""

    def __init__(self) -> None:
        self._numbers = count(1)

    def __call__(self) -> Challenge:
        return Challenge(actions=("left", "right"), nonce=f"n-{next(self._numbers)}")


def analysing(tries_left: int = 5) -> CheckAnalysing:
    return CheckAnalysing(
        person=Sealed(PERSON),
        challenge=Challenge(actions=("left", "right"), nonce="n-0"),
        expires_at=NOON + 30 * MINUTE,
        tries_left=tries_left,
        captures={part: f"blob-{part}" for part in WITH_CARD},
        since=NOON,
        analyse_at=NOON,
    )


def outcome(verdict: FaceVerdict, analysed_at: CheckAnalysing | None = None) -> AnalysisOutcome:
    record = Try(at=NOON, band=verdict.band, reasons=verdict.reasons, model=verdict.model)
    face = Sealed(Template(model="model-7", embedding=b"face"))
    return AnalysisOutcome((analysed_at or analysing()).captures, verdict, record, {"selfie": face, "clip": face})


def concluded(verdict: FaceVerdict, state: CheckAnalysing | None = None) -> tuple[CheckState, tuple[Event, ...]]:
    state = state or analysing()
    decision = domain.conclude(state, outcome(verdict, state), Drawn(), rules=RULES, now=NOON)
    assert decision is not None
    return decision.state, decision.events


def in_review(tries_left: int = 5) -> CheckInReview:
    state, _ = concluded(FaceVerdict(band="review", model="model-7"), analysing(tries_left))
    assert isinstance(state, CheckInReview)
    return state


def decided(
    state: CheckState, *, matched: bool, hours: int = 1, clerk: str = "clerk-7", rules: CheckRules = RULES
) -> tuple[CheckState, tuple[Event, ...]]:
    decision = ClerkDecision(clerk=clerk, matched=matched, at=NOON + hours * HOUR, remark=Sealed(Remark(text="seen")))
    result = domain.review(state, decision, Drawn(), rules)
    match result.state:
        case CheckInReview(due_at=due_at):
            assert wake_at(result.state) == due_at
        case CheckOpen(expires_at=expires_at):
            assert wake_at(result.state) == expires_at + MEDIA_KEPT_AT_MOST
        case _:
            assert wake_at(result.state) is None
    return result.state, result.events


def test_ones_own_valid_registered_card_and_a_like_face_are_a_match() -> None:
    assert judge(Findings(document=OWN, band="match", model="m"), PERSON, TODAY) == FaceVerdict(band="match", model="m")


@pytest.mark.parametrize(("change", "reason"), FAULTS)
@pytest.mark.parametrize("band", ["match", "review", None])
def test_a_card_that_is_not_ones_own_valid_registered_one_never_passes_however_like_the_face(
    change: dict[str, Any], reason: str, band: Any
) -> None:
    verdict = judge(Findings(document=OWN.model_copy(update=change), band=band), PERSON, TODAY)
    assert (verdict.band, verdict.reasons) == ("no_match", (reason,))
    assert verdict.again == CARD, "a portrait must not stay for the zone of another card"


def test_a_passport_is_asked_for_again_by_its_one_page() -> None:
    wrong = OWN.model_copy(update={"iin": "910725499027"})
    assert judge(Findings(parts=PAGE, document=wrong), PERSON, TODAY).again == PAGE
    assert judge(Findings(parts=PAGE, document=OWN, band="no_match"), PERSON, TODAY).again == WITH_PASSPORT
    assert judge(Findings(parts=PAGE, document=None, band="match"), PERSON, TODAY).again == PAGE


def test_a_document_that_ends_on_another_day_than_the_register_says_is_not_the_registered_one() -> None:
    known = PERSON.model_copy(update={"document_expires": date(2030, 1, 2)})
    verdict = judge(Findings(document=OWN, band="match"), known, TODAY)
    assert (verdict.band, verdict.reasons) == ("no_match", ("document.not_the_registered_one",))
    assert judge(Findings(document=OWN, band="match"), PERSON, TODAY).band == "match", "a register may not know it"


def test_a_card_is_good_on_its_last_day() -> None:
    last = Findings(document=OWN.model_copy(update={"expiry_date": TODAY}), band="match")
    assert judge(last, PERSON, TODAY).band == "match"


def test_a_person_whose_document_the_register_does_not_know_may_show_any_of_their_own() -> None:
    unknown = PERSON.model_copy(update={"document_number": None})
    assert judge(Findings(document=OWN, band="match"), unknown, TODAY).band == "match"


def test_a_birth_date_that_the_zone_leaves_out_is_held_against_nobody() -> None:
    partial = Findings(document=evolve(OWN, DocumentFacts, birth_date=None), band="match")
    assert judge(partial, PERSON, TODAY).band == "match", "the IIN says whose it is"


def test_without_a_card_that_was_read_nothing_passes() -> None:
    verdict = judge(Findings(document=None, band="match"), PERSON, TODAY)
    assert (verdict.band, verdict.again) == ("no_match", ("document-back",))


@pytest.mark.parametrize("band", ["no_match", None])
def test_another_face_asks_for_everything_again(band: Any) -> None:
    verdict = judge(Findings(document=OWN, band=band), PERSON, TODAY)
    assert (verdict.band, verdict.reasons, verdict.again) == ("no_match", ("face.not_the_same_person",), WITH_CARD)


@given(st.dictionaries(st.sampled_from(WITH_CARD), st.tuples(st.sampled_from(["a.x", "b.y"])), min_size=1))
def test_faults_never_pass_and_ask_again_for_exactly_their_parts(faults: Mapping[Part, tuple[str, ...]]) -> None:
    verdict = judge(Findings(faults=faults, document=OWN, band="match"), PERSON, TODAY)
    assert verdict.band == "no_match"
    assert set(verdict.again) == set(faults)
    assert set(verdict.reasons) == {key for keys in faults.values() for key in keys}
    assert len(verdict.reasons) == len(set(verdict.reasons))


@given(st.sets(st.sampled_from(WITH_CARD), min_size=1))
def test_only_failed_parts_are_asked_for_again_and_the_challenge_is_new_only_for_a_new_clip(again: set[Part]) -> None:
    parts = tuple(part for part in WITH_CARD if part in again)
    state, events = concluded(FaceVerdict(band="no_match", reasons=("a.x",), again=parts))
    assert isinstance(state, CheckOpen)
    assert set(state.captures) == set(WITH_CARD) - again
    assert (state.challenge.nonce != "n-0") is ("clip" in again)
    assert (state.guidance, state.tries_left) == (("a.x",), 4)
    assert events == (FaceRejected(reasons=("a.x",), tries_left=4, final=False),)


def test_the_fifth_failed_try_is_final_and_nothing_leads_on_from_there() -> None:
    shown: list[Event] = []
    state: CheckState = analysing()
    for _ in range(RULES.tries):
        assert isinstance(state, CheckAnalysing)
        state, events = concluded(NO_MATCH, state)
        shown += events
        if isinstance(state, CheckOpen):
            for part in WITH_CARD:
                state = domain.receive(state, part, state.challenge.nonce, f"blob-{part}", NOON).state  # type: ignore[union-attr]  # open until the last part
    assert isinstance(state, CheckFailed)
    assert [(e.tries_left, e.final) for e in shown if isinstance(e, FaceRejected)] == [
        (4, False),
        (3, False),
        (2, False),
        (1, False),
        (0, True),
    ]
    assert domain.conclude(state, outcome(FaceVerdict(band="match")), Drawn(), rules=RULES, now=NOON) is None
    assert domain.confirm_phone(state, Drawn(), rules=RULES, now=NOON) is None
    assert domain.identify(state, Sealed(PERSON), "ref", Drawn(), rules=RULES, now=NOON) is None
    assert broke(state) is None
    with pytest.raises(Refused) as error:
        domain.receive(state, "selfie", "n-0", "blob", NOON)
    assert error.value.key == "capture.closed"


def test_a_verdict_on_older_captures_says_nothing_about_newer_ones() -> None:
    newer = analysing().model_copy(update={"captures": {part: f"newer-{part}" for part in WITH_CARD}})
    assert domain.conclude(newer, outcome(FaceVerdict(band="match")), Drawn(), rules=RULES, now=NOON) is None


def test_a_verdict_taken_in_twice_is_told_once() -> None:
    state, events = concluded(FaceVerdict(band="match", model="model-7"))
    assert events == (FaceMatched(model="model-7"),)
    assert domain.conclude(state, outcome(FaceVerdict(band="match")), Drawn(), rules=RULES, now=NOON) is None


def test_a_clerk_who_says_yes_makes_a_match_that_names_the_model_and_the_review() -> None:
    state, events = decided(in_review(), matched=True)
    assert isinstance(state, CheckMatched)
    assert events == (FaceMatched(model="model-7", reviewed=True),)
    assert [(each.clerk, each.matched) for each in state.reviews] == [("clerk-7", True)]
    with pytest.raises(Refused) as error:
        decided(state, matched=False)
    assert error.value.key == "review.not_waiting"


def test_a_clerk_who_says_no_costs_a_try_and_gives_a_sessions_time_anew() -> None:
    state, events = decided(in_review(), matched=False, hours=5)
    assert isinstance(state, CheckOpen)
    assert events == (FaceRejected(reasons=("face.not_the_same_person",), tries_left=4, final=False),)
    assert (state.captures, state.expires_at) == ({}, NOON + 5 * HOUR + RULES.session)
    assert domain.may_receive(state, state.challenge.nonce, NOON + 5 * HOUR + MINUTE) == state


def test_a_clerk_who_says_no_to_the_last_try_ends_it() -> None:
    state, events = decided(in_review(tries_left=1), matched=False)
    assert isinstance(state, CheckFailed)
    assert events == (FaceRejected(reasons=("face.not_the_same_person",), tries_left=0, final=True),)


TWO = CheckRules(reviewers=2)


@pytest.mark.parametrize("matched", [True, False])
def test_under_the_two_person_rule_two_clerks_must_agree_and_the_second_is_another(matched: bool) -> None:
    waiting, events = decided(in_review(), matched=matched, rules=TWO)
    assert isinstance(waiting, CheckInReview)
    assert events == ()
    with pytest.raises(Refused) as error:
        decided(waiting, matched=matched, rules=TWO)
    assert error.value.key == "review.another_clerk"
    state, events = decided(waiting, matched=matched, clerk="clerk-8", rules=TWO)
    assert isinstance(state, CheckMatched if matched else CheckOpen)
    assert [each.clerk for each in state.reviews] == ["clerk-7", "clerk-8"]
    assert len(events) == 1


@pytest.mark.parametrize("third", [True, False])
def test_where_two_clerks_disagree_a_third_decides(third: bool) -> None:
    waiting, _ = decided(in_review(), matched=True, rules=TWO)
    waiting, events = decided(waiting, matched=False, clerk="clerk-8", rules=TWO)
    assert (isinstance(waiting, CheckInReview), events) == (True, ())
    for clerk in ("clerk-7", "clerk-8"):
        with pytest.raises(Refused):
            decided(waiting, matched=third, clerk=clerk, rules=TWO)
    state, events = decided(waiting, matched=third, clerk="clerk-9", rules=TWO)
    assert isinstance(state, CheckMatched if third else CheckOpen)
    assert len(events) == 1


def test_opinions_about_an_earlier_try_count_nothing_in_a_later_one() -> None:
    waiting, _ = decided(in_review(), matched=True, rules=TWO)
    assert isinstance(waiting, CheckInReview)
    overdue = domain.review_overdue(waiting, Drawn(), TWO, waiting.due_at)
    assert overdue is not None
    state: CheckState = overdue.state
    for part in WITH_CARD:
        assert isinstance(state, CheckOpen)
        state = domain.receive(state, part, state.challenge.nonce, f"later-{part}", NOON + HOUR).state
    assert isinstance(state, CheckAnalysing)
    again, _ = concluded(FaceVerdict(band="review", model="model-7"), state)
    assert isinstance(again, CheckInReview)
    assert (len(again.reviews), again.votes) == (1, ())
    later, events = decided(again, matched=True, clerk="clerk-7", rules=TWO)
    assert (isinstance(later, CheckInReview), events) == (True, ())


def test_looks_are_kept_one_entry_a_clerk_and_capture_and_not_without_end() -> None:
    state: CheckState = in_review()
    for minute in range(3):
        state = domain.view(state, "clerk-7", "selfie", NOON + minute * MINUTE).state
    state = domain.view(state, "clerk-8", "selfie", NOON + HOUR).state
    assert isinstance(state, CheckInReview)
    assert [(each.clerk, each.part, each.first, each.last, each.times) for each in state.views] == [
        ("clerk-7", "selfie", NOON, NOON + 2 * MINUTE, 3),
        ("clerk-8", "selfie", NOON + HOUR, NOON + HOUR, 1),
    ]
    for number in range(VIEWS_KEPT + 10):
        state = domain.view(state, f"clerk-{number}", "clip", NOON).state
    assert isinstance(state, CheckInReview)
    assert len(state.views) == VIEWS_KEPT


def test_every_try_is_on_record_to_the_end_and_not_without_end() -> None:
    state, _ = concluded(NO_MATCH)
    assert isinstance(state, CheckOpen)
    assert [(each.band, each.reasons) for each in state.tries] == [("no_match", ("face.not_the_same_person",))]
    ended = domain.close(state, NOON)
    assert ended is not None
    assert isinstance(ended.state, CheckClosed)
    assert ended.state.tries == state.tries
    long = analysing().model_copy(update={"tries": state.tries * TRIES_KEPT})
    state, _ = concluded(FaceVerdict(band="match", model="model-8"), long)
    assert isinstance(state, CheckMatched)
    assert (len(state.tries), state.tries[-1].model) == (TRIES_KEPT, "model-8")


@pytest.mark.parametrize(("again", "left"), [(("selfie",), {"clip"}), (CARD, {"selfie", "clip"}), (WITH_CARD, set())])
def test_what_passed_is_known_in_the_next_try_and_what_is_sent_again_is_not(
    again: tuple[Part, ...], left: set[str]
) -> None:
    state, _ = concluded(FaceVerdict(band="no_match", reasons=("selfie.blurred",), again=again))
    assert isinstance(state, CheckOpen)
    assert set(state.templates) == left
    after = domain.receive(state, "clip", state.challenge.nonce, "another", NOON).state
    assert isinstance(after, CheckOpen | CheckAnalysing)
    assert set(after.templates) == left - {"clip"}


def test_doubts_turn_a_match_into_a_review_and_nothing_else() -> None:
    bands: dict[Band, Band] = {"match": "review", "review": "review", "no_match": "no_match"}
    for band, expected in bands.items():
        findings = Findings(document=OWN, band=band, model="m", signals=("clip.looks_like_a_screen",))
        assert judge(findings, PERSON, TODAY).band == expected


@pytest.mark.parametrize("tries_left", [5, 1])
def test_a_review_nobody_made_in_time_costs_no_try_and_gives_a_sessions_time_anew(tries_left: int) -> None:
    due = NOON + RULES.review
    waiting = in_review(tries_left)
    assert waiting.due_at == due
    assert domain.review_overdue(waiting, Drawn(), RULES, due - timedelta(seconds=1)) is None
    decision = domain.review_overdue(waiting, Drawn(), RULES, due)
    assert decision is not None
    assert isinstance(decision.state, CheckOpen)
    assert decision.events == (FaceRejected(reasons=("review.overdue",), tries_left=tries_left, final=False),)
    assert decision.state.expires_at == due + RULES.session


def broke(state: CheckState | None) -> domain.Result | None:
    return domain.analysis_broke(state, ("selfie",), Drawn(), rules=RULES, now=NOON)


@pytest.mark.parametrize(("tries", "left"), [((), 5), ((Try(at=NOON, band="no_match", reasons=domain.BROKEN),), 4)])
def test_broken_analyses_are_repeated_and_then_ask_for_what_was_looked_at_and_the_second_time_cost_a_try(
    tries: tuple[Try, ...], left: int
) -> None:
    state: CheckState = analysing().model_copy(update={"tries": tries})
    for number in range(1, RULES.analyses_per_try):
        decision = broke(state)
        assert decision is not None
        assert isinstance(decision.state, CheckAnalysing)
        later = NOON + (number - 1) * domain.ANALYSE_AGAIN
        assert (decision.state.analyses, decision.events, wake_at(decision.state)) == (number, (), later)
        state = decision.state
    last = broke(state)
    assert last is not None
    assert last.events == (FaceRejected(reasons=("capture.not_readable",), tries_left=left, final=False),)
    assert isinstance(last.state, CheckOpen)
    assert last.state.tries_left == left
    assert last.state.captures == {part: place for part, place in analysing().captures.items() if part != "selfie"}


@pytest.mark.parametrize("reviewed", [True, False])
def test_an_end_keeps_what_clerks_decided_and_nothing_of_the_person(reviewed: bool) -> None:
    state = decided(in_review(), matched=False)[0] if reviewed else analysing()
    decision = domain.close(state, NOON)
    assert decision is not None
    assert wake_at(decision.state) == NOON
    assert isinstance(decision.state, CheckClosed)
    assert len(decision.state.reviews) == reviewed
    assert set(decision.state.model_dump()) == {"kind", "delete_at", "deletions_left", "reviews", "views", "tries"}
    assert domain.close(decision.state, NOON) is None


def test_media_are_deleted_at_once_and_once_more_for_an_upload_under_way() -> None:
    ended = domain.close(None, NOON)
    assert ended is not None
    once = domain.media_deleted(ended.state, NOON)
    assert once is not None
    assert wake_at(once.state) == NOON + domain.LATE_UPLOADS
    twice = domain.media_deleted(once.state, NOON + domain.LATE_UPLOADS)
    assert twice is not None
    assert wake_at(twice.state) is None
