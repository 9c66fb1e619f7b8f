"""Journeys that renew: begun by a citizen who holds a good certificate, on a registered phone, without a face."""

import json
from datetime import timedelta

import pytest

from libs.common.contracts.ca import CertExpiring, Profile
from libs.common.contracts.people import Contact
from libs.common.core.errors import Refused
from tests.unit.identity.harness import (
    IIN,
    JOURNEY,
    NOON,
    OTHER_JOURNEY,
    PHONE,
    PIN,
    VERIFIED,
    IdentityHarness,
    issued,
    revoked,
)

CONTACT = Contact(phone=PHONE)
FIRST: dict[Profile, str] = {"SIGN": "aa01", "AUTH": "bb02"}
SECOND: dict[Profile, str] = {"SIGN": "cc03", "AUTH": "dd04"}


@pytest.fixture
def identity() -> IdentityHarness:
    return IdentityHarness()


async def holder(identity: IdentityHarness) -> str:
    """A citizen with both certificates, whose phone is registered."""
    identity.mcb.held.add((IIN, PHONE))
    await identity.proven(JOURNEY)
    citizen_id = await identity.service.create_digital_id(JOURNEY, PIN)
    for profile, serial in FIRST.items():
        await identity.deliver(issued(profile, serial, citizen_id), JOURNEY, f"first-{profile}")
    return citizen_id


async def refused(identity: IdentityHarness, citizen_id: str, contact: Contact = CONTACT) -> str:
    with pytest.raises(Refused) as error:
        await identity.service.renew(OTHER_JOURNEY, citizen_id, contact)
    assert OTHER_JOURNEY not in identity.rows["journeys"].rows
    return error.value.key


async def test_a_renewal_goes_from_the_code_straight_to_certificates_and_completes_with_them(
    identity: IdentityHarness,
) -> None:
    citizen_id = await holder(identity)
    for _ in range(2):
        await identity.service.renew(OTHER_JOURNEY, citizen_id, CONTACT)
    view = await identity.service.view(OTHER_JOURNEY)
    assert (view.step, view.waits_for, view.citizen_id) == ("code", "citizen.code", citizen_id)
    await identity.deliver(VERIFIED, OTHER_JOURNEY, "second-verified")
    view = await identity.service.view(OTHER_JOURNEY)
    assert (view.step, view.waits_for) == ("certificates", "citizen.requests")
    for profile, serial in SECOND.items():
        await identity.deliver(issued(profile, serial, citizen_id), OTHER_JOURNEY, f"second-{profile}")
    view = await identity.service.view(OTHER_JOURNEY)
    assert (view.step, view.outcome) == ("closed", "completed")
    (started,) = [
        json.loads(each.value)
        for each in identity.publisher.published
        if each.topic == "journey.started" and each.meta.subject == OTHER_JOURNEY
    ]
    assert (started["purpose"], started["citizen_id"]) == ("renewal", citizen_id)


async def test_who_holds_no_good_certificate_for_signing_can_not_renew(identity: IdentityHarness) -> None:
    citizen_id = await holder(identity)
    await identity.deliver(revoked("aa01", citizen_id=citizen_id))
    assert await refused(identity, citizen_id) == "renewal.no_certificate"


async def test_a_certificate_for_a_legal_entity_is_in_the_cabinet_and_is_nothing_to_renew_by(
    identity: IdentityHarness,
) -> None:
    citizen_id = await holder(identity)
    acting = issued("SIGN", "ee05", citizen_id).model_copy(update={"acts_for": "head"})
    await identity.deliver(acting, "7a4b3f0e-5a35-4d0a-9a51-6a5b8f6f4b01", "acting")
    assert [each.acts_for for each in (await identity.accounts.citizen(citizen_id)).certificates.held] == [
        None,
        None,
        "head",
    ]
    await identity.deliver(revoked("aa01", citizen_id=citizen_id))
    assert await refused(identity, citizen_id) == "renewal.no_certificate"


async def test_a_certificate_that_ended_can_not_be_renewed(identity: IdentityHarness) -> None:
    citizen_id = await holder(identity)
    identity.now = NOON + timedelta(days=400)
    assert await refused(identity, citizen_id) == "renewal.no_certificate"


async def test_the_code_goes_to_no_phone_that_is_not_registered_as_the_citizens(identity: IdentityHarness) -> None:
    citizen_id = await holder(identity)
    assert await refused(identity, citizen_id, Contact(phone="+77010000099")) == "renewal.phone_not_registered"


async def test_a_renewal_without_requests_expires(identity: IdentityHarness) -> None:
    citizen_id = await holder(identity)
    await identity.service.renew(OTHER_JOURNEY, citizen_id, CONTACT)
    for _ in range(2):
        identity.now += timedelta(hours=25)
        await identity.service.wake(OTHER_JOURNEY, identity.now)
    view = await identity.service.view(OTHER_JOURNEY)
    assert (view.outcome, view.reason) == ("expired", "journey.expired")


async def test_what_ends_soon_is_marked_in_the_cabinet(identity: IdentityHarness) -> None:
    citizen_id = await holder(identity)
    expiring = CertExpiring(
        serial="aa01", profile="SIGN", not_after=NOON + timedelta(days=30), days_left=30, citizen_id=citizen_id
    )
    await identity.deliver(expiring, JOURNEY, "expiring")
    assert (await identity.accounts.citizen(citizen_id)).certificates.expiring == ("aa01",)
