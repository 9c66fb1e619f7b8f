"""Journeys that renew: begun by a citizen who holds a good certificate, on a registered phone, without a face."""

import json
from datetime import timedelta

import pytest

from libs.common.contracts.ca import CertExpiring, Profile
from libs.common.contracts.people import Contact
from libs.common.core.errors import Refused
from tests.unit.identity.situations import (
    IIN,
    JOURNEY,
    NOON,
    OTHER_JOURNEY,
    PHONE,
    PIN,
    VERIFIED,
    Town,
    issued,
    revoked,
)

CONTACT = Contact(phone=PHONE)
FIRST: dict[Profile, str] = {"SIGN": "aa01", "AUTH": "bb02"}
SECOND: dict[Profile, str] = {"SIGN": "cc03", "AUTH": "dd04"}


@pytest.fixture
def town() -> Town:
    return Town()


async def holder(town: Town) -> str:
    """A citizen with both certificates, whose phone is registered."""
    town.mcb.held.add((IIN, PHONE))
    await town.proven(JOURNEY)
    citizen_id = await town.service.create_digital_id(JOURNEY, PIN)
    for profile, serial in FIRST.items():
        await town.tell(issued(profile, serial, citizen_id), JOURNEY, f"first-{profile}")
    return citizen_id


async def refused(town: Town, citizen_id: str, contact: Contact = CONTACT) -> str:
    with pytest.raises(Refused) as error:
        await town.service.renew(OTHER_JOURNEY, citizen_id, contact)
    assert OTHER_JOURNEY not in town.rows["journeys"].rows
    return error.value.key


async def test_a_renewal_goes_from_the_code_straight_to_certificates_and_completes_with_them(town: Town) -> None:
    citizen_id = await holder(town)
    for _ in range(2):
        await town.service.renew(OTHER_JOURNEY, citizen_id, CONTACT)
    view = await town.service.view(OTHER_JOURNEY)
    assert (view.step, view.waits_for, view.citizen_id) == ("code", "citizen.code", citizen_id)
    await town.tell(VERIFIED, OTHER_JOURNEY, "second-verified")
    view = await town.service.view(OTHER_JOURNEY)
    assert (view.step, view.waits_for) == ("certificates", "citizen.requests")
    for profile, serial in SECOND.items():
        await town.tell(issued(profile, serial, citizen_id), OTHER_JOURNEY, f"second-{profile}")
    view = await town.service.view(OTHER_JOURNEY)
    assert (view.step, view.outcome) == ("closed", "completed")
    (started,) = [
        json.loads(each.value)
        for each in town.publisher.published
        if each.topic == "journey.started" and each.meta.subject == OTHER_JOURNEY
    ]
    assert (started["purpose"], started["citizen_id"]) == ("renewal", citizen_id)


async def test_who_holds_no_good_certificate_for_signing_can_not_renew(town: Town) -> None:
    citizen_id = await holder(town)
    await town.tell(revoked("aa01", citizen_id=citizen_id))
    assert await refused(town, citizen_id) == "renewal.no_certificate"


async def test_a_certificate_for_a_legal_entity_is_in_the_cabinet_and_is_nothing_to_renew_by(town: Town) -> None:
    citizen_id = await holder(town)
    acting = issued("SIGN", "ee05", citizen_id).model_copy(update={"acts_for": "head"})
    await town.tell(acting, "7a4b3f0e-5a35-4d0a-9a51-6a5b8f6f4b01", "acting")
    assert [each.acts_for for each in (await town.accounts.cabinet(citizen_id)).certificates] == [None, None, "head"]
    await town.tell(revoked("aa01", citizen_id=citizen_id))
    assert await refused(town, citizen_id) == "renewal.no_certificate"


async def test_a_certificate_that_ended_can_not_be_renewed(town: Town) -> None:
    citizen_id = await holder(town)
    town.now = NOON + timedelta(days=400)
    assert await refused(town, citizen_id) == "renewal.no_certificate"


async def test_the_code_goes_to_no_phone_that_is_not_registered_as_the_citizens(town: Town) -> None:
    citizen_id = await holder(town)
    assert await refused(town, citizen_id, Contact(phone="+77010000099")) == "renewal.phone_not_registered"


async def test_a_renewal_without_requests_expires(town: Town) -> None:
    citizen_id = await holder(town)
    await town.service.renew(OTHER_JOURNEY, citizen_id, CONTACT)
    for _ in range(2):
        town.now += timedelta(hours=25)
        await town.service.wake(OTHER_JOURNEY, town.now)
    view = await town.service.view(OTHER_JOURNEY)
    assert (view.outcome, view.reason) == ("expired", "journey.expired")


async def test_what_ends_soon_is_marked_in_the_cabinet(town: Town) -> None:
    citizen_id = await holder(town)
    expiring = CertExpiring(
        serial="aa01", profile="SIGN", not_after=NOON + timedelta(days=30), days_left=30, citizen_id=citizen_id
    )
    await town.tell(expiring, JOURNEY, "expiring")
    assert (await town.accounts.cabinet(citizen_id)).expiring == ("aa01",)
