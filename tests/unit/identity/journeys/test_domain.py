"""Journeys: whatever comes, in whatever order and however often, they end once and as they should."""

from contextlib import suppress
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.contracts.identity import DigitalIdCreated, JourneyClosed, JourneyStarted, McbRegistered
from libs.common.core.errors import Refused
from libs.common.testing.harness import NOON
from services.identity.journeys import domain, progress
from services.identity.journeys.facts import JourneyFact
from services.identity.journeys.states import ClosedJourney, JourneyRules, OpenJourney
from services.identity.mcb.states import McbKnown, McbWanted
from tests.unit.identity.factories import (
    CITIZEN,
    DAY,
    HOUR,
    MATCHED,
    MINUTE,
    REVIEW,
    SENT,
    UNHURRIED,
    VERIFIED,
    code_refused,
    face_refused,
    issued,
    request_refused,
    revoked,
)
from tests.unit.identity.journeys.single_journey import RULES, Run

SIGN, AUTH = issued("SIGN"), issued("AUTH")
WHOLE_WAY: tuple[JourneyFact, ...] = (
    SENT,
    code_refused(),
    VERIFIED,
    face_refused(4),
    REVIEW,
    MATCHED,
    request_refused(),
    SIGN,
    AUTH,
    revoked("0dd5"),
)
"""Every kind of fact that a journey which succeeds may see, each with its own time."""
TIMES = {id(fact): NOON + number * MINUTE for number, fact in enumerate(WHOLE_WAY)}
END = NOON + 10 * MINUTE


def shuffled_with_repetitions(facts: tuple[JourneyFact, ...]) -> st.SearchStrategy[list[JourneyFact]]:
    return st.lists(st.sampled_from(facts), max_size=8).flatmap(lambda more: st.permutations([*facts, *more]))


def go(run: Run, facts: list[JourneyFact]) -> Run:
    """Take in the facts in this order; the citizen tries to choose a PIN after each, as people who wait do."""
    for fact in facts:
        run.take(domain.take_in(run.state, fact, TIMES[id(fact)], END))
        with suppress(Refused):
            run.pin(END)
    return run


@UNHURRIED
@given(shuffled_with_repetitions(WHOLE_WAY), st.booleans())
def test_facts_in_any_order_and_repeated_lead_to_the_same_end(facts: list[JourneyFact], mcb_registered: bool) -> None:
    run = go(Run().start(mcb_registered=mcb_registered), facts)
    state = run.state
    assert isinstance(state, ClosedJourney)
    assert (state.outcome, state.citizen_id) == ("completed", CITIZEN)
    assert {each.serial for each in state.certificates.held} == {"aa01", "bb02"}
    assert len(state.certificates.held) == 2
    assert run.topics.count("journey.closed") == 1
    assert run.topics.count("digital_id.created") == 1
    assert len({(entry.at, entry.key) for entry in state.timeline}) == len(state.timeline)
    assert isinstance(state.mcb, McbKnown if mcb_registered else McbWanted)


@UNHURRIED
@given(shuffled_with_repetitions(WHOLE_WAY))
def test_no_digital_id_comes_before_face_and_phone_and_no_completion_before_everything(
    facts: list[JourneyFact],
) -> None:
    run, seen = Run().start(), set[str]()
    for fact in facts:
        before = len(run.events)
        go(run, [fact])
        seen.add(fact.topic + getattr(fact, "profile", ""))
        for event in run.events[before:]:
            match event:
                case DigitalIdCreated():
                    assert seen >= {"otp.verified", "face.matched"}
                case JourneyClosed():
                    assert seen >= {"otp.verified", "face.matched", "cert.issuedSIGN", "cert.issuedAUTH"}
                    assert "digital_id.created" in run.topics


ENDINGS: tuple[JourneyFact, ...] = (code_refused(final=True), face_refused(0, final=True), request_refused(final=True))
TIMES |= {id(fact): NOON + 9 * MINUTE for fact in ENDINGS}


@UNHURRIED
@given(st.sampled_from(ENDINGS), shuffled_with_repetitions(WHOLE_WAY), st.data())
def test_a_journey_is_closed_exactly_once_even_if_it_also_failed(
    ending: JourneyFact, facts: list[JourneyFact], data: st.DataObject
) -> None:
    places = data.draw(st.lists(st.integers(0, len(facts)), min_size=1, max_size=3))
    for place in places:
        facts.insert(place, ending)
    run = Run().start()
    for fact in facts:
        run.take(domain.take_in(run.state, fact, TIMES[id(fact)], END))
        if isinstance(run.state, OpenJourney) and progress.step(run.state) == "pin":
            run.pin(END)
    run.take(domain.enforce_deadline(run.state, NOON + 30 * DAY))
    assert isinstance(run.state, ClosedJourney)
    assert run.topics.count("journey.closed") == 1


@UNHURRIED
@given(shuffled_with_repetitions(WHOLE_WAY))
def test_replaying_everything_to_a_journey_that_ended_tells_nothing(facts: list[JourneyFact]) -> None:
    run = go(Run().start(), list(WHOLE_WAY))
    reason, state = list(run.events), run.state
    for fact in facts:
        run.take(domain.take_in(run.state, fact, TIMES[id(fact)], END))
    run.start(now=NOON + DAY)
    assert run.events == reason
    assert run.state == state


def test_a_second_start_under_the_same_id_begins_nothing() -> None:
    run = Run().start()
    before = run.state
    run.start(now=NOON + HOUR)
    assert run.state == before
    assert run.topics == ["journey.started"]


def test_the_first_event_carries_the_person_sealed_and_the_pseudonyms_in_clear() -> None:
    [event] = Run().start(mcb_registered=False).events
    assert isinstance(event, JourneyStarted)
    assert event.person.value.iin == "850412399015"
    assert (event.person_ref, event.phone_ref, event.mcb_registered) == ("person-ref", "phone-ref", False)
    assert event.expires_at == NOON + 7 * DAY


def test_facts_about_an_unknown_journey_change_nothing() -> None:
    assert Run().fact(SIGN).state is None


@pytest.mark.parametrize(
    ("facts", "step", "waits_for"),
    [
        ((), "code", "citizen.code"),
        ((MATCHED,), "code", "citizen.code"),
        ((VERIFIED,), "face", "citizen.face"),
        ((VERIFIED, REVIEW), "face", "clerk.review"),
        ((VERIFIED, MATCHED), "pin", "citizen.pin"),
        ((REVIEW, VERIFIED, MATCHED), "pin", "citizen.pin"),
    ],
)
def test_the_step_follows_from_the_facts(facts: tuple[JourneyFact, ...], step: str, waits_for: str) -> None:
    run = Run().start()
    for fact in facts:
        run.fact(fact)
    assert isinstance(run.state, OpenJourney)
    assert progress.step(run.state) == step
    assert progress.waits_for(run.state) == waits_for


def test_after_the_pin_the_citizen_is_to_ask_for_certificates_and_after_one_the_authority_is_waited_for() -> None:
    run = Run().start().fact(VERIFIED).fact(MATCHED).pin()
    assert isinstance(run.state, OpenJourney)
    assert progress.waits_for(run.state) == "citizen.requests"
    run.fact(SIGN)
    assert isinstance(run.state, OpenJourney)
    assert progress.waits_for(run.state) == "ca.issuance"


def test_a_clerk_who_refused_gives_the_step_back_to_the_citizen_whichever_fact_comes_first() -> None:
    asked: tuple[JourneyFact, datetime] = (REVIEW, NOON + MINUTE)
    refused: tuple[JourneyFact, datetime] = (face_refused(2), NOON + 2 * MINUTE)
    for order in ([asked, refused], [refused, asked]):
        run = Run().start().fact(VERIFIED)
        for fact, at in order:
            run.fact(fact, at)
        view = progress.view("j", run.open)
        assert (view.waits_for, view.tries_left, view.guidance) == ("citizen.face", 2, ("selfie.blurred",))


def test_a_pin_is_taken_only_when_face_and_phone_are_proven() -> None:
    for fact, key in ((VERIFIED, "journey.face_missing"), (MATCHED, "journey.phone_missing")):
        with pytest.raises(Refused) as refused:
            Run().start().fact(fact).pin()
        assert refused.value.key == key


def test_of_two_refusals_the_younger_guides_whichever_comes_first() -> None:
    for order in ([(4, 1), (3, 2)], [(3, 2), (4, 1)]):
        run = Run().start().fact(VERIFIED)
        for tries_left, minute in order:
            run.fact(face_refused(tries_left), NOON + minute * MINUTE)
        assert progress.view("j", run.open).tries_left == 3


def test_a_new_code_takes_back_the_guidance_of_the_one_before() -> None:
    run = Run().start().fact(code_refused(), NOON + MINUTE)
    assert progress.view("j", run.open).guidance == ("otp.expired",)
    run.fact(SENT, NOON + 2 * MINUTE)
    assert progress.view("j", run.open).guidance == ()


@pytest.mark.parametrize(
    ("ending", "reason", "guidance"),
    [
        (code_refused(final=True), "journey.phone_not_proven", ()),
        (face_refused(0, final=True), "journey.face_rejected", ("journey.visit_office",)),
        (request_refused(final=True), "journey.certificate_refused", ("journey.visit_office",)),
    ],
)
def test_a_final_refusal_ends_the_journey_with_a_way_on(
    ending: JourneyFact, reason: str, guidance: tuple[str, ...]
) -> None:
    run = Run().start().fact(ending)
    assert run.events[1:] == [JourneyClosed(outcome="failed", reason=reason)]
    assert isinstance(run.state, ClosedJourney)
    view = progress.view("j", run.state)
    assert (view.step, view.outcome, view.reason, view.guidance) == ("closed", "failed", reason, guidance)
    assert view.waits_for is None


def test_failing_after_a_certificate_was_issued_tells_so_and_shows_the_revocation() -> None:
    run = Run().start().fact(VERIFIED).fact(MATCHED).pin().fact(SIGN).fact(request_refused(final=True))
    assert run.topics[-1] == "journey.closed"
    run.fact(revoked("aa01"), NOON + MINUTE)
    assert isinstance(run.state, ClosedJourney)
    assert [(each.serial, each.revoked) for each in progress.view("j", run.state).certificates] == [("aa01", True)]


def test_a_certificate_issued_while_the_journey_was_being_closed_is_shown() -> None:
    run = Run().start().fact(VERIFIED).fact(MATCHED).pin().cancel().fact(revoked("aa01")).fact(SIGN)
    assert isinstance(run.state, ClosedJourney)
    assert [(each.serial, each.revoked) for each in progress.view("j", run.state).certificates] == [("aa01", True)]
    assert run.topics.count("journey.closed") == 1


def test_giving_up_twice_is_giving_up_once() -> None:
    run = Run().start().cancel().cancel()
    assert run.events[1:] == [JourneyClosed(outcome="cancelled", reason="journey.cancelled")]


def test_what_was_completed_cannot_be_given_up() -> None:
    run = Run().start().fact(VERIFIED).fact(MATCHED).pin().fact(SIGN).fact(AUTH)
    with pytest.raises(Refused) as refused:
        run.cancel()
    assert refused.value.key == "journey.closed"


def test_a_second_pin_changes_nothing_and_a_closed_journey_takes_none() -> None:
    run = Run().start().fact(VERIFIED).fact(MATCHED).pin().pin()
    assert run.topics.count("digital_id.created") == 1
    with pytest.raises(Refused) as refused:
        Run().start().cancel().pin()
    assert refused.value.key == "journey.closed"


# ---- deadlines ----


@pytest.mark.parametrize(
    ("run", "due"),
    [
        (Run().start(), NOON + 7 * DAY),
        (Run().start().fact(VERIFIED, NOON + HOUR), NOON + HOUR + 30 * MINUTE),
        (Run().start().fact(VERIFIED).fact(REVIEW), NOON + DAY + 30 * MINUTE),
        (Run().start().fact(VERIFIED).fact(MATCHED, NOON + 9 * MINUTE), NOON + 9 * MINUTE + DAY),
        (Run().start().fact(VERIFIED).fact(MATCHED).pin(NOON + HOUR), NOON + HOUR + DAY),
        (Run().start().fact(VERIFIED, NOON + 7 * DAY - MINUTE), NOON + 7 * DAY),
    ],
)
def test_every_open_journey_says_until_when_it_waits_and_is_woken_then(run: Run, due: datetime) -> None:
    assert progress.view("j", run.open).waits_until == due
    assert run.wake_at == due


def test_a_deadline_is_noticed_first_and_enforced_a_grace_later() -> None:
    run = Run().start().fact(VERIFIED)
    due = NOON + 30 * MINUTE
    run.wake(due)
    assert isinstance(run.state, OpenJourney)
    assert run.wake_at == due + RULES.grace
    run.wake(due + RULES.grace)
    assert isinstance(run.state, ClosedJourney)
    assert run.events[-1] == JourneyClosed(outcome="expired", reason="journey.expired")
    assert run.state.timeline[-1].detail == {"reason": "journey.expired", "waited_for": "citizen.face"}
    assert run.wake_at is None


def test_a_fact_that_an_outage_held_up_still_saves_the_journey() -> None:
    run = Run().start().fact(VERIFIED)
    after_outage = NOON + 5 * HOUR
    run.wake(after_outage)
    run.take(domain.take_in(run.state, MATCHED, NOON + 20 * MINUTE, after_outage))
    run.wake(after_outage + RULES.grace)
    assert isinstance(run.state, OpenJourney)
    assert run.wake_at == NOON + 20 * MINUTE + RULES.choosing_pin


def test_a_timer_that_rings_early_is_set_again() -> None:
    run = Run().start().wake(NOON + DAY)
    assert isinstance(run.state, OpenJourney)
    assert run.wake_at == NOON + 7 * DAY
    assert run.topics == ["journey.started"]


def test_a_later_deadline_gets_a_grace_of_its_own() -> None:
    rules = JourneyRules(grace=HOUR)
    run = Run(rules=rules).start().fact(VERIFIED)
    run.wake(NOON + 30 * MINUTE).fact(MATCHED, NOON + 31 * MINUTE)
    due = NOON + 31 * MINUTE + DAY
    assert run.wake_at == due
    run.wake(due)
    assert isinstance(run.state, OpenJourney)
    assert run.wake_at == due + HOUR


@UNHURRIED
@given(shuffled_with_repetitions(WHOLE_WAY), st.integers(0, 18))
def test_wherever_the_facts_stop_coming_the_timer_alone_brings_the_journey_to_its_end(
    facts: list[JourneyFact], number: int
) -> None:
    run = Run().start()
    for fact in facts[:number]:
        run.take(domain.take_in(run.state, fact, TIMES[id(fact)], END))
    for _ in range(3):
        if isinstance(run.state, OpenJourney):
            assert run.wake_at is not None
            run.wake(run.wake_at)
    assert isinstance(run.state, ClosedJourney)
    assert run.topics.count("journey.closed") == 1


# ---- the Mobile Citizens Base ----


def test_a_pair_is_registered_only_after_phone_and_face_are_proven() -> None:
    run = Run().start(mcb_registered=False).fact(VERIFIED)
    assert not isinstance(run.open.mcb, McbWanted)
    run.fact(MATCHED, NOON + MINUTE)
    assert isinstance(run.open.mcb, McbWanted)
    assert run.wake_at == NOON + MINUTE


def test_the_registration_is_told_once_and_outlives_the_journey() -> None:
    run = Run().start(mcb_registered=False).fact(VERIFIED).fact(MATCHED).pin().fact(SIGN).fact(AUTH)
    assert isinstance(run.state, ClosedJourney)
    for _ in range(2):
        run.take(domain.mcb_registered(run.state, NOON))
    assert run.events[-1] == McbRegistered(person_ref="person-ref", phone_ref="phone-ref")
    assert run.topics.count("mcb.registered") == 1
    assert not isinstance(run.state.mcb, McbWanted)
    assert run.wake_at is None


def test_while_the_base_is_away_it_is_asked_at_growing_distances_for_ever() -> None:
    run = Run().start(mcb_registered=False).fact(VERIFIED).fact(MATCHED).cancel()
    pauses, now = [], NOON
    for _ in range(14):
        run.take(domain.mcb_postponed(run.state, now))
        assert run.wake_at is not None
        pauses.append(run.wake_at - now)
        now = run.wake_at
    assert pauses == sorted(pauses)
    assert pauses[-1] == RULES.mcb_longest_pause


def test_a_pair_that_the_base_refuses_does_not_end_the_journey() -> None:
    run = Run().start(mcb_registered=False).fact(VERIFIED).fact(MATCHED)
    run.take(domain.mcb_refused(run.state, NOON))
    assert run.open.timeline[-1].key == "mcb.refused"
    assert "mcb.registered" not in run.topics


def test_nothing_personal_is_left_in_a_journey_that_ended() -> None:
    run = Run().start().fact(VERIFIED).fact(MATCHED).pin().fact(SIGN).fact(AUTH)
    assert isinstance(run.state, ClosedJourney)
    text = run.state.model_dump_json()
    for personal in ("850412399015", "77010000012", "ТОЛҚЫН", "900000011"):
        assert personal not in text
