"""What a person's own certificates take with them when they end, and what goes on without them."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.contracts.ca import CertificateText
from libs.common.core.sealing import Sealed
from services.ca.enrolment import domain, revocation_cascade
from services.ca.enrolment.domain import Closed, Ending, Issued, Open
from services.ca.enrolment.revocation_cascade import OF_THE_PERSON
from services.ca.model.certificate import REASONS, Certificate, Reason
from services.ca.model.entities import Mandate
from services.ca.model.facts import Facts
from tests.unit.ca.enrolment.test_mandates import (
    CLERK,
    ENTITY,
    MANDATE,
    OTHER_ENTITY,
    SECOND,
    certified,
    personal,
    said,
)
from tests.unit.ca.hierarchies import NOW, CertificationAuthority
from tests.unit.ca.office import CITIZEN, JOURNEY, LEASE, NEWER, Office, World, closed

OF_A_KEY = tuple(each for each in REASONS if each not in OF_THE_PERSON)


def revoked(world: World) -> dict[str, str]:
    return {each["serial"]: each["reason"] for each in world.told("cert.revoked")}


@pytest.mark.parametrize("reason", sorted(OF_THE_PERSON))
async def test_a_clerks_word_about_the_person_ends_all_that_is_the_persons(
    world: World, office: Office, reason: Reason
) -> None:
    """Both of the pair, a mandate in use, and one whose certificate was not asked for yet."""
    sign = await personal(office)
    _, auth = await office.certificates()
    acting = await certified(office, sign)
    await office.mandates.confirm(SECOND, said(sign.serial, OTHER_ENTITY))

    await office.revocations.by_clerk(sign.serial, reason, CLERK)
    await office.wake_due()

    assert revoked(world) == dict.fromkeys((sign.serial, auth.serial, acting.serial), reason)
    assert isinstance(await office.enrolments.aggregates.get(SECOND), Closed)


@pytest.mark.parametrize("reason", OF_A_KEY)
async def test_a_clerks_word_about_a_key_ends_that_certificate_alone(
    world: World, office: Office, reason: Reason
) -> None:
    sign = await personal(office)
    await certified(office, sign)

    await office.revocations.by_clerk(sign.serial, reason, CLERK)
    await office.wake_due()

    assert revoked(world) == {sign.serial: reason}


async def test_the_end_of_a_mandate_is_not_the_end_of_the_person(world: World, office: Office) -> None:
    sign = await personal(office)
    acting = await certified(office, sign)

    await office.revocations.by_clerk(acting.serial, "affiliationChanged", CLERK)
    await office.wake_due()

    assert revoked(world) == {acting.serial: "affiliationChanged"}


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


async def test_a_journey_that_failed_takes_the_mandates_that_rest_on_it_and_leaves_older_ones(
    world: World, office: Office
) -> None:
    sign = await personal(office)
    acting = await certified(office, sign)
    world.now += LEASE
    (later, _) = await office.issued(NEWER, 3)
    await office.mandates.confirm(SECOND, said(later.serial, OTHER_ENTITY))

    await office.tell(closed("failed"), NEWER)
    await office.wake_due()

    assert acting.serial not in revoked(world)
    assert isinstance(await office.enrolments.aggregates.get(SECOND), Closed)
    assert isinstance(await office.enrolments.aggregates.get(MANDATE), Issued)


async def test_who_was_ended_and_proves_anew_who_they_are_gets_mandates_that_stay(world: World, office: Office) -> None:
    sign = await personal(office)
    await office.revocations.by_clerk(sign.serial, "privilegeWithdrawn", CLERK)
    await office.wake_due()
    world.now += LEASE
    (fresh, _) = await office.issued(NEWER, 3)
    await office.mandates.confirm(MANDATE, said(fresh.serial))

    world.now += timedelta(days=30)
    state = await office.enrolments.aggregates.get(JOURNEY)
    assert isinstance(state, Issued)
    await office.service.wake(JOURNEY, world.now)  # as its timer does again and again

    assert isinstance(await office.enrolments.aggregates.get(MANDATE), Open)
    assert fresh.serial not in revoked(world)


async def test_an_ending_that_a_crash_interrupted_is_carried_out_by_the_next_process(
    world: World, office: Office, authority: CertificationAuthority
) -> None:
    sign = await personal(office)
    acting = await certified(office, sign)
    await office.revocations.by_clerk(sign.serial, "affiliationChanged", CLERK)
    assert acting.serial not in revoked(world)

    world.now += LEASE
    await Office(world, authority).wake_due()

    assert revoked(world)[acting.serial] == "affiliationChanged"


moments = st.integers(0, 6).map(lambda hours: NOW + timedelta(hours=hours))


def made(kind: str, confirmed: datetime, issued: datetime) -> domain.EnrolmentState:
    mandate = Mandate(
        entity=Sealed(ENTITY), entity_ref="ref", role="head", basis="b", confirmed_by=CLERK, confirmed_at=confirmed
    )
    facts = Facts(citizen_id=CITIZEN, mandate=None if kind == "personal" else mandate)
    certificate = Certificate(
        serial="4a",
        key_id="k",
        issuer_key_id="i",
        profile="SIGN",
        not_before=issued,
        not_after=issued + timedelta(days=365),
        crl_shard=0,
        text=Sealed(CertificateText(pem="")),
    )
    match kind:
        case "open":
            return Open(facts=facts)
        case "issuing":
            return domain.Issuing(facts=facts, requests=())
        case _:
            return Issued(facts=facts, requests=(), certificates=(certificate,))


states = st.builds(
    made,
    st.sampled_from(["open", "issuing", "issued", "personal"]),
    moments,
    moments,
)


@given(state=states, at=moments, since=st.none() | moments, reason=st.sampled_from(sorted(OF_THE_PERSON)))
def test_an_ending_is_carried_out_once_and_touches_nothing_that_came_after_it(
    state: Any, at: Any, since: Any, reason: Reason
) -> None:
    ending = Ending(reason=reason, at=at, since=since)

    decision = revocation_cascade.end(state, ending, at + timedelta(minutes=1))

    if state.facts.mandate is not None and state.facts.mandate.confirmed_at > at:
        assert decision is None
    if decision is not None:
        assert revocation_cascade.end(decision.state, ending, at + timedelta(hours=9)) is None
    if since is None and state.facts.mandate is not None and state.facts.mandate.confirmed_at <= at:
        assert decision is not None


@given(reason=st.sampled_from(REASONS))
def test_what_citizens_revoke_themselves_is_what_they_name(reason: Reason) -> None:
    state = made("personal", NOW, NOW)

    decision = revocation_cascade.revoke(state, "4a", reason, "citizen", NOW)

    assert decision is not None
    assert isinstance(decision.state, Issued)
    assert decision.state.ending is None
