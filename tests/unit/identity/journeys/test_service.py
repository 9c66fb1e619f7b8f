"""The service over the real engine with store and broker in memory: outages, repetitions, timers, replay."""

from datetime import timedelta

import pytest

from libs.common.contracts.events import Event, Meta, Received
from libs.common.contracts.people import Contact
from libs.common.core.errors import Refused, Unavailable
from tests.unit.identity.harness import (
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
    IdentityHarness,
    face_refused,
    issued,
    revoked,
)


@pytest.fixture
def identity() -> IdentityHarness:
    return IdentityHarness()


async def completed(
    identity: IdentityHarness, journey_id: str = JOURNEY, serials: tuple[str, str] = ("aa01", "bb02")
) -> str:
    """Bring a journey to its end and give the citizen's id."""
    await identity.proven(journey_id)
    citizen_id = await identity.service.create_digital_id(journey_id, PIN)
    await identity.deliver(issued("SIGN", serials[0], citizen_id), journey_id, f"{journey_id}-SIGN")
    await identity.deliver(issued("AUTH", serials[1], citizen_id), journey_id, f"{journey_id}-AUTH")
    return citizen_id


async def test_a_whole_journey_ends_completed_with_both_certificates_in_the_cabinet(identity: IdentityHarness) -> None:
    citizen_id = await completed(identity)
    view = await identity.service.view(JOURNEY)
    assert (view.step, view.outcome, view.citizen_id) == ("closed", "completed", citizen_id)
    assert [each.serial for each in (await identity.accounts.citizen(citizen_id)).certificates.held] == ["aa01", "bb02"]
    assert identity.counted("journeys_started", saga="eds") == 1
    assert identity.counted("journeys_closed", saga="eds", outcome="completed") == 1


async def test_a_second_journey_of_the_same_person_leads_to_the_same_citizen(identity: IdentityHarness) -> None:
    first = await completed(identity)
    second = await completed(identity, OTHER_JOURNEY, ("cc03", "dd04"))
    await identity.deliver(revoked("aa01", citizen_id=first))
    assert second == first
    cabinet = await identity.accounts.citizen(first)
    assert len(cabinet.certificates.held) == 4
    assert cabinet.certificates.revoked == ("aa01",)


async def test_starting_again_under_one_id_gives_the_same_journey_and_tells_nothing_new(
    identity: IdentityHarness,
) -> None:
    await identity.started()
    identity.now += MINUTE
    again = await identity.service.start(JOURNEY, IIN, Contact(phone=PHONE))
    assert again.expires_at == identity.now - MINUTE + 7 * DAY
    assert identity.topics() == ["journey.started"]
    assert identity.counted("journeys_started", saga="eds") == 1


async def test_a_journey_that_began_can_be_asked_for_again_while_the_register_is_away(
    identity: IdentityHarness,
) -> None:
    await identity.started()
    identity.register.away = True
    await identity.started()
    assert identity.topics() == ["journey.started"]


async def test_a_person_the_register_does_not_know_cannot_set_out(identity: IdentityHarness) -> None:
    with pytest.raises(Refused) as refused:
        await identity.service.start(JOURNEY, "830717350867", Contact(phone=PHONE))
    assert (refused.value.key, refused.value.status) == ("iin.unknown", 404)
    assert not identity.rows["journeys"].rows


@pytest.mark.parametrize("system", ["register", "mcb"])
async def test_while_an_outside_system_is_away_nothing_begins_and_nothing_is_lost(
    identity: IdentityHarness, system: str
) -> None:
    outside = getattr(identity, system)
    outside.away = True
    with pytest.raises(Unavailable):
        await identity.started()
    assert identity.topics() == []
    outside.away = False
    await identity.started()
    assert identity.topics() == ["journey.started"]


async def test_no_digital_id_before_the_face_and_none_with_a_simple_pin(identity: IdentityHarness) -> None:
    await identity.started()
    await identity.deliver(VERIFIED)
    for pin, prove in ((PIN, True), ("123456", False), ("850412", False)):
        with pytest.raises(Refused) as refused:
            await identity.service.create_digital_id(JOURNEY, pin)
        assert refused.value.key == ("journey.face_missing" if prove else "pin.too_simple")
        if prove:
            await identity.deliver(MATCHED)
    assert "digital_id.created" not in identity.topics()
    assert not identity.rows["citizens"].rows


async def test_a_second_digital_id_request_gives_the_same_citizen_and_leaves_the_pin(identity: IdentityHarness) -> None:
    await identity.proven()
    first = await identity.service.create_digital_id(JOURNEY, PIN)
    assert await identity.service.create_digital_id(JOURNEY, OTHER_PIN) == first
    await identity.accounts.sign_in(IIN, PIN)
    assert identity.topics().count("digital_id.created") == 1


async def test_a_crash_between_citizen_and_journey_is_made_good_by_the_next_try(identity: IdentityHarness) -> None:
    await identity.proven()
    rows = identity.rows["journeys"].rows
    before = rows[JOURNEY]
    first = await identity.service.create_digital_id(JOURNEY, PIN)
    rows[JOURNEY] = before  # the journey's write never happened
    assert await identity.service.create_digital_id(JOURNEY, OTHER_PIN) == first
    await identity.accounts.sign_in(IIN, OTHER_PIN)
    assert (await identity.service.view(JOURNEY)).step == "certificates"


async def test_a_lacking_pair_is_registered_once_proven_under_the_journeys_id(identity: IdentityHarness) -> None:
    await identity.proven()
    await identity.wake_due()
    assert identity.mcb.held == {(IIN, PHONE)}
    assert identity.mcb.asked == [JOURNEY]
    assert identity.topics() == ["journey.started", "mcb.registered"]
    view = await identity.service.view(JOURNEY)
    assert (view.step, view.timeline[-1].key) == ("pin", "mcb.registered")


async def test_a_pair_the_base_holds_is_not_registered_again(identity: IdentityHarness) -> None:
    identity.mcb.held.add((IIN, PHONE))
    await identity.proven()
    await identity.wake_due()
    assert identity.mcb.asked == []


async def test_a_base_that_comes_back_gets_the_pair_though_the_journey_is_over(identity: IdentityHarness) -> None:
    await identity.started()
    identity.mcb.away = True
    await identity.deliver(VERIFIED)
    await identity.deliver(MATCHED)
    await identity.service.cancel(JOURNEY)
    for _ in range(5):
        await identity.wake_due()
        identity.now += timedelta(minutes=1)
    assert identity.topics() == ["journey.started", "journey.closed"]
    identity.mcb.away = False
    await identity.wake_due()
    assert identity.topics()[-1] == "mcb.registered"
    assert set(identity.mcb.asked) == {JOURNEY}
    assert identity.rows["journeys"].rows[JOURNEY].wake_at is None
    assert "contact" not in str(identity.rows["journeys"].rows[JOURNEY].state)


async def test_a_pair_the_base_refuses_is_shown_and_the_journey_goes_on(identity: IdentityHarness) -> None:
    identity.mcb.refuses = True
    await identity.proven()
    await identity.wake_due()
    await identity.wake_due()
    assert identity.mcb.asked == [JOURNEY]
    assert (await identity.service.view(JOURNEY)).timeline[-1].key == "mcb.refused"
    await identity.service.create_digital_id(JOURNEY, PIN)


async def test_a_journey_nobody_goes_on_with_expires_by_its_timer(identity: IdentityHarness) -> None:
    await identity.started()
    await identity.deliver(VERIFIED)
    identity.now += timedelta(minutes=30)
    await identity.wake_due()
    assert (await identity.service.view(JOURNEY)).step == "face"
    identity.now += timedelta(minutes=1)
    await identity.wake_due()
    await identity.wake_due()
    view = await identity.service.view(JOURNEY)
    assert (view.outcome, view.reason) == ("expired", "journey.expired")
    assert identity.topics().count("journey.closed") == 1
    assert identity.counted("journeys_closed", saga="eds", outcome="expired") == 1


async def test_replaying_every_message_tells_nothing_and_changes_nothing(identity: IdentityHarness) -> None:
    await identity.started()
    messages: list[tuple[Event, Meta]] = [
        (fact, await identity.deliver(fact)) for fact in (SENT, VERIFIED, face_refused(), REVIEW, MATCHED)
    ]
    citizen_id = await identity.service.create_digital_id(JOURNEY, PIN)
    certificates = [issued("SIGN", citizen_id=citizen_id), issued("AUTH", citizen_id=citizen_id)]
    messages += [(fact, await identity.deliver(fact)) for fact in certificates]
    await identity.wake_due()
    told = [each.meta.id for each in identity.publisher.published]
    states = {name: {key: row.state for key, row in kind.rows.items()} for name, kind in identity.rows.items()}
    for fact, meta in messages:
        await identity.routes[fact.topic](Received(fact, meta))
    assert [each.meta.id for each in identity.publisher.published] == told
    assert {name: {key: row.state for key, row in kind.rows.items()} for name, kind in identity.rows.items()} == states


async def test_a_fact_about_nobodys_journey_or_citizen_is_let_go(identity: IdentityHarness) -> None:
    await identity.deliver(VERIFIED, OTHER_JOURNEY)
    await identity.deliver(issued("SIGN", citizen_id=CITIZEN), OTHER_JOURNEY)
    assert not identity.rows["journeys"].rows
    assert not identity.rows["citizens"].rows


async def test_nothing_personal_is_told_or_stored_in_clear(identity: IdentityHarness) -> None:
    citizen_id = await completed(identity)
    await identity.deliver(revoked("aa01", citizen_id=citizen_id))
    everything = str(identity.rows) + "".join(each.value for each in identity.publisher.published)
    for personal in (IIN, PHONE[2:], "ТОЛҚЫН", "АЙСҰЛУ", "900000011", PIN):
        assert personal not in everything
