"""What a person's certificates take with them when they end, and what goes on without them."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.contracts.ca import CertificateText
from libs.common.core.sealing import Sealed
from services.ca.enrolment import revocation_cascade
from services.ca.enrolment.facts import EnrolmentFacts
from services.ca.enrolment.revocation_cascade import OF_THE_PERSON
from services.ca.enrolment.states import Ending, Issued
from services.ca.model.certificate import REASONS, Certificate, Reason
from services.ca.model.profiles import SIGN
from tests.unit.ca.hierarchies import NOW, CertificationAuthority
from tests.unit.ca.office import CITIZEN, JOURNEY, LEASE, NEWER, Office, World, closed

CLERK = "clerk-7"
OF_A_KEY = tuple(each for each in REASONS if each not in OF_THE_PERSON)


async def personal(office: Office) -> Certificate:
    sign, _ = await office.issued()
    await office.receive(closed("completed"))
    office.world.now += LEASE
    return sign


def revoked(world: World) -> dict[str, str]:
    return {each["serial"]: each["reason"] for each in world.sent("cert.revoked")}


@pytest.mark.parametrize("reason", sorted(OF_THE_PERSON))
async def test_a_clerks_word_about_the_person_ends_both_of_the_pair(
    world: World, office: Office, reason: Reason
) -> None:
    sign = await personal(office)
    _, auth = await office.certificates()

    await office.revocations.by_clerk(sign.serial, reason, CLERK)
    await office.wake_due()

    assert revoked(world) == dict.fromkeys((sign.serial, auth.serial), reason)


@pytest.mark.parametrize("reason", OF_A_KEY)
async def test_a_clerks_word_about_a_key_ends_that_certificate_alone(
    world: World, office: Office, reason: Reason
) -> None:
    sign = await personal(office)

    await office.revocations.by_clerk(sign.serial, reason, CLERK)
    await office.wake_due()

    assert revoked(world) == {sign.serial: reason}


async def test_a_false_identity_found_by_an_old_certificate_ends_the_newer_ones_too(
    world: World, office: Office
) -> None:
    old = await personal(office)
    (newer, newer_auth) = await office.issued(NEWER, 3)
    await office.wake_due()
    assert revoked(world)[old.serial] == "superseded"

    await office.revocations.by_clerk(old.serial, "privilegeWithdrawn", CLERK)
    await office.wake_due()

    assert {revoked(world)[each.serial] for each in (newer, newer_auth)} == {"privilegeWithdrawn"}
    assert revoked(world)[old.serial] == "superseded", "what was revoked keeps its first reason"


async def test_who_was_ended_and_proves_anew_who_they_are_gets_certificates_that_stay(
    world: World, office: Office
) -> None:
    sign = await personal(office)
    await office.revocations.by_clerk(sign.serial, "privilegeWithdrawn", CLERK)
    await office.wake_due()
    world.now += LEASE
    fresh = await office.issued(NEWER, 3)

    world.now += timedelta(days=30)
    state = await office.enrolments.aggregates.get(JOURNEY)
    assert isinstance(state, Issued)
    await office.service.wake(JOURNEY, world.now)  # as its timer does again and again
    await office.wake_due()

    assert not {each.serial for each in fresh} & revoked(world).keys()


async def test_an_ending_that_a_crash_interrupted_is_carried_out_by_the_next_process(
    world: World, office: Office, authority: CertificationAuthority
) -> None:
    old = await personal(office)
    (newer, newer_auth) = await office.issued(NEWER, 3)
    await office.wake_due()
    await office.revocations.by_clerk(old.serial, "affiliationChanged", CLERK)
    assert newer.serial not in revoked(world)

    world.now += LEASE
    await Office(world, authority).wake_due()

    assert {revoked(world)[each.serial] for each in (newer, newer_auth)} == {"affiliationChanged"}


moments = st.integers(0, 6).map(lambda hours: NOW + timedelta(hours=hours))


def issued(at: datetime) -> Issued:
    certificate = Certificate(
        serial="4a",
        key_id="k",
        issuer_key_id="i",
        profile="SIGN",
        not_before=SIGN.not_before(at),
        not_after=at + timedelta(days=365),
        crl_shard=0,
        text=Sealed(CertificateText(pem="")),
    )
    return Issued(facts=EnrolmentFacts(citizen_id=CITIZEN), requests=(), certificates=(certificate,))


@given(state=st.builds(issued, moments), at=moments, reason=st.sampled_from(sorted(OF_THE_PERSON)))
def test_an_ending_is_carried_out_once_and_touches_nothing_that_came_after_it(
    state: Issued, at: datetime, reason: Reason
) -> None:
    ending = Ending(reason=reason, at=at)

    decision = revocation_cascade.end(state, ending, at + timedelta(minutes=1))

    assert (decision is None) is (state.certificates[0].issued_at > at)
    if decision is not None:
        assert revocation_cascade.end(decision.state, ending, at + timedelta(hours=9)) is None


@given(reason=st.sampled_from(REASONS))
def test_what_citizens_revoke_themselves_is_what_they_name(reason: Reason) -> None:
    decision = revocation_cascade.revoke(issued(NOW), "4a", reason, "citizen", NOW)

    assert decision is not None
    assert isinstance(decision.state, Issued)
    assert decision.state.ending is None
