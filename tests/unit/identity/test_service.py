"""The service over the real engine with store and broker in memory: outages, repetitions, timers, replay."""

from datetime import timedelta

import pytest

from libs.common.contracts.events import Event, Meta, Received
from libs.common.contracts.people import Contact
from libs.common.core.errors import Refused, Unavailable
from tests.unit.identity.situations import (
    CITIZEN,
    DAY,
    IIN,
    JOURNEY,
    MATCHED,
    MINUTE,
    OTHER_JOURNEY,
    OTHER_PIN,
    PHONE,
    PIN,
    REVIEW,
    SENT,
    VERIFIED,
    Town,
    face_refused,
    issued,
    revoked,
)


@pytest.fixture
def town() -> Town:
    return Town()


async def completed(town: Town, journey_id: str = JOURNEY, serials: tuple[str, str] = ("aa01", "bb02")) -> str:
    """Bring a journey to its end and give the citizen's id."""
    await town.proven(journey_id)
    citizen_id = await town.service.create_digital_id(journey_id, PIN)
    await town.tell(issued("SIGN", serials[0], citizen_id), journey_id, f"{journey_id}-SIGN")
    await town.tell(issued("AUTH", serials[1], citizen_id), journey_id, f"{journey_id}-AUTH")
    return citizen_id


async def test_a_whole_journey_ends_completed_with_both_certificates_in_the_cabinet(town: Town) -> None:
    citizen_id = await completed(town)
    view = await town.service.view(JOURNEY)
    assert (view.step, view.outcome, view.citizen_id) == ("closed", "completed", citizen_id)
    assert [each.serial for each in (await town.accounts.cabinet(citizen_id)).certificates] == ["aa01", "bb02"]
    assert town.counted("journeys_started", saga="eds") == 1
    assert town.counted("journeys_closed", saga="eds", outcome="completed") == 1


async def test_a_second_journey_of_the_same_person_leads_to_the_same_citizen(town: Town) -> None:
    first = await completed(town)
    second = await completed(town, OTHER_JOURNEY, ("cc03", "dd04"))
    await town.tell(revoked("aa01", citizen_id=first))
    assert second == first
    cabinet = await town.accounts.cabinet(first)
    assert len(cabinet.certificates) == 4
    assert cabinet.revoked == ("aa01",)


async def test_starting_again_under_one_id_gives_the_same_journey_and_tells_nothing_new(town: Town) -> None:
    await town.started()
    town.now += MINUTE
    again = await town.service.start(JOURNEY, IIN, Contact(phone=PHONE))
    assert again.expires_at == town.now - MINUTE + 7 * DAY
    assert town.topics() == ["journey.started"]
    assert town.counted("journeys_started", saga="eds") == 1


async def test_a_journey_that_began_can_be_asked_for_again_while_the_register_is_away(town: Town) -> None:
    await town.started()
    town.register.away = True
    await town.started()
    assert town.topics() == ["journey.started"]


async def test_a_person_the_register_does_not_know_cannot_set_out(town: Town) -> None:
    with pytest.raises(Refused) as refused:
        await town.service.start(JOURNEY, "830717350867", Contact(phone=PHONE))
    assert (refused.value.key, refused.value.status) == ("iin.unknown", 404)
    assert not town.rows["journeys"].rows


@pytest.mark.parametrize("system", ["register", "mcb"])
async def test_while_an_outside_system_is_away_nothing_begins_and_nothing_is_lost(town: Town, system: str) -> None:
    outside = getattr(town, system)
    outside.away = True
    with pytest.raises(Unavailable):
        await town.started()
    assert town.topics() == []
    outside.away = False
    await town.started()
    assert town.topics() == ["journey.started"]


async def test_no_digital_id_before_the_face_and_none_with_a_simple_pin(town: Town) -> None:
    await town.started()
    await town.tell(VERIFIED)
    for pin, prove in ((PIN, True), ("123456", False), ("850412", False)):
        with pytest.raises(Refused) as refused:
            await town.service.create_digital_id(JOURNEY, pin)
        assert refused.value.key == ("journey.face_missing" if prove else "pin.too_simple")
        if prove:
            await town.tell(MATCHED)
    assert "digital_id.created" not in town.topics()
    assert not town.rows["citizens"].rows


async def test_a_second_digital_id_request_gives_the_same_citizen_and_leaves_the_pin(town: Town) -> None:
    await town.proven()
    first = await town.service.create_digital_id(JOURNEY, PIN)
    assert await town.service.create_digital_id(JOURNEY, OTHER_PIN) == first
    await town.accounts.sign_in(IIN, PIN)
    assert town.topics().count("digital_id.created") == 1


async def test_a_crash_between_citizen_and_journey_is_made_good_by_the_next_try(town: Town) -> None:
    await town.proven()
    rows = town.rows["journeys"].rows
    before = rows[JOURNEY]
    first = await town.service.create_digital_id(JOURNEY, PIN)
    rows[JOURNEY] = before  # the journey's write never happened
    assert await town.service.create_digital_id(JOURNEY, OTHER_PIN) == first
    await town.accounts.sign_in(IIN, OTHER_PIN)
    assert (await town.service.view(JOURNEY)).step == "certificates"


async def test_a_lacking_pair_is_registered_once_proven_under_the_journeys_id(town: Town) -> None:
    await town.proven()
    await town.wake_due()
    assert town.mcb.held == {(IIN, PHONE)}
    assert town.mcb.asked == [JOURNEY]
    assert town.topics() == ["journey.started", "mcb.registered"]
    view = await town.service.view(JOURNEY)
    assert (view.step, view.timeline[-1].key) == ("pin", "mcb.registered")


async def test_a_pair_the_base_holds_is_not_registered_again(town: Town) -> None:
    town.mcb.held.add((IIN, PHONE))
    await town.proven()
    await town.wake_due()
    assert town.mcb.asked == []


async def test_a_base_that_comes_back_gets_the_pair_though_the_journey_is_over(town: Town) -> None:
    await town.started()
    town.mcb.away = True
    await town.tell(VERIFIED)
    await town.tell(MATCHED)
    await town.service.cancel(JOURNEY)
    for _ in range(5):
        await town.wake_due()
        town.now += timedelta(minutes=1)
    assert town.topics() == ["journey.started", "journey.closed"]
    town.mcb.away = False
    await town.wake_due()
    assert town.topics()[-1] == "mcb.registered"
    assert set(town.mcb.asked) == {JOURNEY}
    assert town.rows["journeys"].rows[JOURNEY].wake_at is None
    assert "contact" not in str(town.rows["journeys"].rows[JOURNEY].state)


async def test_a_pair_the_base_refuses_is_shown_and_the_journey_goes_on(town: Town) -> None:
    town.mcb.refuses = True
    await town.proven()
    await town.wake_due()
    await town.wake_due()
    assert town.mcb.asked == [JOURNEY]
    assert (await town.service.view(JOURNEY)).timeline[-1].key == "mcb.refused"
    await town.service.create_digital_id(JOURNEY, PIN)


async def test_a_journey_nobody_goes_on_with_expires_by_its_timer(town: Town) -> None:
    await town.started()
    await town.tell(VERIFIED)
    town.now += timedelta(minutes=30)
    await town.wake_due()
    assert (await town.service.view(JOURNEY)).step == "face"
    town.now += timedelta(minutes=1)
    await town.wake_due()
    await town.wake_due()
    view = await town.service.view(JOURNEY)
    assert (view.outcome, view.reason) == ("expired", "journey.expired")
    assert town.topics().count("journey.closed") == 1
    assert town.counted("journeys_closed", saga="eds", outcome="expired") == 1


async def test_replaying_every_message_tells_nothing_and_changes_nothing(town: Town) -> None:
    await town.started()
    messages: list[tuple[Event, Meta]] = [
        (fact, await town.tell(fact)) for fact in (SENT, VERIFIED, face_refused(), REVIEW, MATCHED)
    ]
    citizen_id = await town.service.create_digital_id(JOURNEY, PIN)
    certificates = [issued("SIGN", citizen_id=citizen_id), issued("AUTH", citizen_id=citizen_id)]
    messages += [(fact, await town.tell(fact)) for fact in certificates]
    await town.wake_due()
    told = [each.meta.id for each in town.publisher.published]
    states = {name: {key: row.state for key, row in kind.rows.items()} for name, kind in town.rows.items()}
    for fact, meta in messages:
        await town.routes[fact.topic](Received(fact, meta))
    assert [each.meta.id for each in town.publisher.published] == told
    assert {name: {key: row.state for key, row in kind.rows.items()} for name, kind in town.rows.items()} == states


async def test_a_fact_about_nobodys_journey_or_citizen_is_let_go(town: Town) -> None:
    await town.tell(VERIFIED, OTHER_JOURNEY)
    await town.tell(issued("SIGN", citizen_id=CITIZEN), OTHER_JOURNEY)
    assert not town.rows["journeys"].rows
    assert not town.rows["citizens"].rows


async def test_nothing_personal_is_told_or_stored_in_clear(town: Town) -> None:
    citizen_id = await completed(town)
    await town.tell(revoked("aa01", citizen_id=citizen_id))
    everything = str(town.rows) + "".join(each.value for each in town.publisher.published)
    for personal in (IIN, PHONE[2:], "ТОЛҚЫН", "АЙСҰЛУ", "900000011", PIN):
        assert personal not in everything
