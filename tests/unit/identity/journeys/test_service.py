"""The whole service in memory: outages, repetitions, timers, replay."""

from uuid import uuid4

import pytest

from libs.common.contracts.identity import JourneyClosed
from libs.common.core.values import new_id
from libs.common.testing.faults import Crash, Faults
from libs.common.testing.harness import Surroundings
from tests.unit.identity.factories import (
    CITIZEN,
    DAY,
    IIN,
    MATCHED,
    MINUTE,
    OTHER_PIN,
    PHONE,
    PIN,
    REVIEW,
    SENT,
    UNKNOWN_IIN,
    UNKNOWN_JOURNEY,
    VERIFIED,
    face_refused,
    issued,
    revoked,
)
from tests.unit.identity.harness import FORM, IdentityHarness, Journey, running


async def completed(identity: IdentityHarness, serials: tuple[str, str] = ("aa01", "bb02")) -> tuple[Journey, str]:
    """Bring a journey to its end; return it and the citizen's id."""
    journey = await identity.proven()
    citizen_id = await journey.choose_pin()
    await identity.receive(issued("SIGN", serials[0], citizen_id), journey.id)
    await identity.receive(issued("AUTH", serials[1], citizen_id), journey.id)
    return journey, citizen_id


async def test_a_whole_journey_ends_completed_with_both_certificates_in_the_cabinet(
    identity: IdentityHarness,
) -> None:
    journey, citizen_id = await completed(identity)
    view = await journey.view()
    assert (view.step, view.outcome, view.citizen_id) == ("closed", "completed", citizen_id)
    assert [each.serial for each in (await identity.cabinet(citizen_id)).certificates] == ["aa01", "bb02"]
    assert await identity.counted("journeys_started", saga="eds") == 1
    assert await identity.counted("journeys_closed", saga="eds", outcome="completed") == 1


async def test_a_second_journey_of_the_same_person_leads_to_the_same_citizen(identity: IdentityHarness) -> None:
    _, first = await completed(identity)
    _, second = await completed(identity, ("cc03", "dd04"))
    await identity.receive(revoked("aa01", citizen_id=first), new_id())
    assert second == first
    certificates = (await identity.cabinet(first)).certificates
    assert len(certificates) == 4
    assert [each.serial for each in certificates if each.revoked] == ["aa01"]


async def test_starting_again_under_one_key_gives_the_same_journey_and_publishes_nothing_new(
    identity: IdentityHarness,
) -> None:
    key = str(uuid4())
    first = (await identity.start(key=key)).json()
    await identity.service.advance(MINUTE)
    assert (await identity.start(key=key)).json() == first
    assert identity.topics(first["journey_id"]) == ["journey.started"]
    assert await identity.counted("journeys_started", saga="eds") == 1


async def test_a_start_that_died_before_its_answer_begins_one_journey() -> None:
    """The answer was not kept, so the next try does it all again, under the same id."""
    key = str(uuid4())
    for step in range(1, 30):
        surroundings = Surroundings()
        try:
            async with running(surroundings, faults=Faults(step)) as identity:
                await identity.start(key=key)
        except* Crash:
            surroundings.clock.advance(2 * MINUTE)
        async with running(surroundings) as identity:
            started = await identity.start(key=key)
            await identity.service.advance(MINUTE)
            assert len(identity.rows["journeys"].rows) == 1, f"step {step}"
            assert identity.topics(started.json()["journey_id"]) == ["journey.started"]


async def test_a_person_the_register_does_not_know_cannot_begin(identity: IdentityHarness) -> None:
    answer = await identity.start(FORM | {"iin": UNKNOWN_IIN})
    assert (answer.status_code, answer.json()["key"]) == (404, "iin.unknown")
    assert not identity.rows["journeys"].rows


@pytest.mark.parametrize("system", ["register", "mcb"])
async def test_while_an_outside_system_is_away_nothing_begins_and_nothing_is_lost(
    identity: IdentityHarness, system: str
) -> None:
    outside, key = getattr(identity, system), str(uuid4())
    outside.away = True
    assert (await identity.start(key=key)).status_code == 503
    assert not identity.service.all_published()
    outside.away = False
    started = await identity.start(key=key)
    assert identity.topics(started.json()["journey_id"]) == ["journey.started"]


async def test_no_digital_id_before_the_face_and_none_with_a_simple_pin(identity: IdentityHarness) -> None:
    journey = await identity.begin()
    await identity.receive(VERIFIED, journey.id)
    assert (await journey.post("digital-id", {"pin": PIN})).json()["key"] == "journey.face_missing"
    await identity.receive(MATCHED, journey.id)
    for pin in ("123456", "850412"):
        refused = await journey.post("digital-id", {"pin": pin})
        assert (refused.status_code, refused.json()["key"]) == (422, "pin.too_simple")
    assert "digital_id.created" not in identity.topics(journey.id)
    assert not identity.rows["citizens"].rows


async def test_a_second_digital_id_request_gives_the_same_citizen_and_leaves_the_pin(
    identity: IdentityHarness,
) -> None:
    journey = await identity.proven()
    assert await journey.choose_pin() == await journey.choose_pin(OTHER_PIN)
    await identity.signed_in(PIN)
    assert identity.topics(journey.id).count("digital_id.created") == 1


async def test_a_crash_between_citizen_and_journey_is_made_good_by_the_next_try(identity: IdentityHarness) -> None:
    journey = await identity.proven()
    rows = identity.rows["journeys"].rows
    before = rows[journey.id]
    first = await journey.choose_pin()
    rows[journey.id] = before  # the journey's write never happened
    assert await journey.choose_pin(OTHER_PIN) == first
    await identity.signed_in(OTHER_PIN)
    assert (await journey.view()).step == "certificates"


async def test_a_lacking_pair_is_registered_once_proven_under_the_journeys_id(identity: IdentityHarness) -> None:
    journey = await identity.proven()
    assert identity.mcb.held == {(IIN, PHONE)}
    assert identity.mcb.asked == [journey.id]
    assert identity.topics(journey.id) == ["journey.started", "mcb.registered"]
    view = await journey.view()
    assert (view.step, view.timeline[-1].key) == ("pin", "mcb.registered")


async def test_a_pair_the_base_holds_is_not_registered_again(identity: IdentityHarness) -> None:
    identity.mcb.held.add((IIN, PHONE))
    await identity.proven()
    assert identity.mcb.asked == []


async def test_a_base_that_comes_back_gets_the_pair_though_the_journey_is_over(identity: IdentityHarness) -> None:
    journey = await identity.begin()
    identity.mcb.away = True
    await identity.receive(VERIFIED, journey.id)
    await identity.receive(MATCHED, journey.id)
    await journey.post("cancel")
    await identity.service.advance(5 * MINUTE)
    assert identity.topics(journey.id) == ["journey.started", "journey.closed"]
    assert len(identity.mcb.asked) > 1
    identity.mcb.away = False
    await identity.service.advance(10 * MINUTE)
    assert identity.topics(journey.id)[-1] == "mcb.registered"
    assert set(identity.mcb.asked) == {journey.id}
    assert identity.rows["journeys"].rows[journey.id].wake_at is None
    assert "contact" not in str(identity.rows["journeys"].rows[journey.id].state)


async def test_a_pair_the_base_refuses_is_shown_and_the_journey_goes_on(identity: IdentityHarness) -> None:
    identity.mcb.refuses = True
    journey = await identity.proven()
    await identity.service.advance(MINUTE)
    assert identity.mcb.asked == [journey.id]
    assert (await journey.view()).timeline[-1].key == "mcb.refused"
    await journey.choose_pin()


async def test_a_journey_nobody_goes_on_with_expires_by_its_timer(identity: IdentityHarness) -> None:
    journey = await identity.begin()
    await identity.receive(VERIFIED, journey.id)
    await identity.service.advance(30 * MINUTE)
    assert (await journey.view()).step == "face"
    await identity.service.advance(2 * MINUTE)
    view = await journey.view()
    assert (view.outcome, view.reason) == ("expired", "journey.expired")
    assert len(identity.service.published(JourneyClosed, journey.id)) == 1
    assert await identity.counted("journeys_closed", saga="eds", outcome="expired") == 1


async def test_replaying_every_message_publishes_nothing_and_changes_nothing(identity: IdentityHarness) -> None:
    journey = await identity.begin()
    for fact in (SENT, VERIFIED, face_refused(), REVIEW, MATCHED):
        await identity.receive(fact, journey.id)
    citizen_id = await journey.choose_pin()
    for profile in ("SIGN", "AUTH"):
        await identity.receive(issued(profile, citizen_id=citizen_id), journey.id)
    published = identity.service.all_published()
    states = {name: {key: row.state for key, row in kind.rows.items()} for name, kind in identity.rows.items()}
    identity.surroundings.broker.rewind("identity")
    await identity.service.settle()
    assert identity.service.all_published() == published
    assert states == {name: {key: row.state for key, row in kind.rows.items()} for name, kind in identity.rows.items()}


async def test_a_fact_about_nobodys_journey_or_citizen_is_let_go(identity: IdentityHarness) -> None:
    await identity.receive(VERIFIED, UNKNOWN_JOURNEY)
    await identity.receive(issued("SIGN", citizen_id=CITIZEN), UNKNOWN_JOURNEY)
    assert not identity.rows["journeys"].rows
    assert not identity.rows["citizens"].rows
    assert not identity.service.dead_letters()


async def test_nothing_personal_is_published_or_stored_in_clear(identity: IdentityHarness) -> None:
    _, citizen_id = await completed(identity)
    await identity.receive(revoked("aa01", citizen_id=citizen_id), new_id())
    everything = identity.service.store.everything() + str(identity.surroundings.broker.written)
    assert "digital_id.created" in everything
    for personal in (IIN, PHONE[2:], "ТОЛҚЫН", "АЙСҰЛУ", "900000011", PIN):
        assert personal not in everything


async def test_a_journey_keeps_the_rules_it_began_under() -> None:
    surroundings = Surroundings()
    async with running(surroundings, rules={"journey": 2 * DAY}) as identity:
        journey = await identity.begin()
    async with running(surroundings) as identity:
        await identity.service.advance(2 * DAY + 2 * MINUTE)
        (closed,) = identity.service.published(JourneyClosed, journey.id)
        assert closed.event.outcome == "expired"
