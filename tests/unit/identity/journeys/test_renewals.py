"""Journeys that renew: begun by a citizen who holds a good certificate, on a registered phone, without a face."""

from uuid import uuid4

import httpx

from libs.common.contracts.ca import CertExpiring, Profile
from libs.common.contracts.http.identity import JourneyTicket
from libs.common.contracts.identity import JourneyStarted
from libs.common.core.values import new_id
from libs.common.testing.harness import NOON
from tests.unit.identity.factories import DAY, HOUR, IIN, PHONE, VERIFIED, issued, revoked
from tests.unit.identity.harness import IdentityHarness, Journey

FIRST: dict[Profile, str] = {"SIGN": "aa01", "AUTH": "bb02"}
SECOND: dict[Profile, str] = {"SIGN": "cc03", "AUTH": "dd04"}


async def holder(identity: IdentityHarness) -> str:
    """Return a citizen with both certificates, whose phone is registered."""
    identity.mcb.held.add((IIN, PHONE))
    journey = await identity.proven()
    citizen_id = await journey.choose_pin()
    for profile, serial in FIRST.items():
        await identity.receive(issued(profile, serial, citizen_id), journey.id)
    return citizen_id


async def renew(
    identity: IdentityHarness, citizen_id: str, phone: str = PHONE, key: str | None = None
) -> httpx.Response:
    headers = identity.session_headers(citizen_id) | {"Idempotency-Key": key or str(uuid4())}
    return await identity.http.post("/v1/renewals", json={"phone": phone}, headers=headers)


async def refused(identity: IdentityHarness, citizen_id: str, phone: str = PHONE) -> tuple[int, str]:
    before = len(identity.rows["journeys"].rows)
    answer = await renew(identity, citizen_id, phone)
    assert len(identity.rows["journeys"].rows) == before
    return answer.status_code, answer.json()["key"]


async def test_a_renewal_goes_from_the_code_straight_to_certificates(identity: IdentityHarness) -> None:
    citizen_id, key = await holder(identity), str(uuid4())
    first, again = [await renew(identity, citizen_id, key=key) for _ in range(2)]
    assert first.json() == again.json()
    journey = Journey(identity.http, JourneyTicket.model_validate(first.json()))
    view = await journey.view()
    assert (view.step, view.waits_for, view.citizen_id) == ("code", "citizen.code", citizen_id)
    await identity.receive(VERIFIED, journey.id)
    view = await journey.view()
    assert (view.step, view.waits_for) == ("certificates", "citizen.requests")
    for profile, serial in SECOND.items():
        await identity.receive(issued(profile, serial, citizen_id), journey.id)
    view = await journey.view()
    assert (view.step, view.outcome) == ("closed", "completed")
    (started,) = identity.service.published(JourneyStarted, journey.id)
    assert (started.event.purpose, started.event.citizen_id) == ("renewal", citizen_id)


async def test_who_holds_no_good_certificate_for_signing_can_not_renew(identity: IdentityHarness) -> None:
    citizen_id = await holder(identity)
    await identity.receive(revoked("aa01", citizen_id=citizen_id), new_id())
    assert await refused(identity, citizen_id) == (409, "renewal.no_certificate")


async def test_a_certificate_for_a_legal_entity_is_nothing_to_renew_by(identity: IdentityHarness) -> None:
    citizen_id = await holder(identity)
    acting = issued("SIGN", "ee05", citizen_id).model_copy(update={"acts_for": "head"})
    await identity.receive(acting, new_id())
    assert [each.acts_for for each in (await identity.cabinet(citizen_id)).certificates] == [None, None, "head"]
    await identity.receive(revoked("aa01", citizen_id=citizen_id), new_id())
    assert await refused(identity, citizen_id) == (409, "renewal.no_certificate")


async def test_a_certificate_that_ended_can_not_be_renewed(identity: IdentityHarness) -> None:
    citizen_id = await holder(identity)
    identity.service.clock.advance(400 * DAY)
    assert await refused(identity, citizen_id) == (409, "renewal.no_certificate")


async def test_the_code_goes_to_no_phone_that_is_not_registered_as_the_citizens(identity: IdentityHarness) -> None:
    citizen_id = await holder(identity)
    assert await refused(identity, citizen_id, "+77010000099") == (422, "renewal.phone_not_registered")


async def test_a_renewal_without_requests_expires(identity: IdentityHarness) -> None:
    citizen_id = await holder(identity)
    journey = Journey(identity.http, JourneyTicket.model_validate((await renew(identity, citizen_id)).json()))
    await identity.service.advance(26 * HOUR)
    view = await journey.view()
    assert (view.outcome, view.reason) == ("expired", "journey.expired")


async def test_what_ends_soon_is_marked_in_the_cabinet(identity: IdentityHarness) -> None:
    citizen_id = await holder(identity)
    expiring = CertExpiring(
        serial="aa01", profile="SIGN", not_after=NOON + 30 * DAY, days_left=30, citizen_id=citizen_id
    )
    await identity.receive(expiring, new_id())
    shown = (await identity.cabinet(citizen_id)).certificates
    assert [each.serial for each in shown if each.expiring] == ["aa01"]
