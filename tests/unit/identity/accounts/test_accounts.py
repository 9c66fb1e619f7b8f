"""Accounts: one id per person for ever, tries that are counted, and answers that do not tell who has a Digital ID."""

import asyncio
from datetime import timedelta

import jwt
import pytest

from libs.common.contracts.people import Contact
from libs.common.core.errors import Refused
from libs.common.core.sealing import Sealed
from services.identity.accounts.states import Reach
from tests.unit.identity.harness import (
    IIN,
    KEYRING,
    MINUTE,
    OTHER_IIN,
    OTHER_PIN,
    PHONE,
    PIN,
    IdentityHarness,
    resident,
)

REF = KEYRING.blind("person", IIN)


@pytest.fixture
def identity() -> IdentityHarness:
    return IdentityHarness()


async def register(identity: IdentityHarness, pin: str = PIN) -> str:
    reach = Reach(contact=Sealed(Contact(phone=PHONE)), person_ref=REF, phone_ref="phone-ref")
    return await identity.accounts.register(Sealed(resident()), reach, pin)


async def wrong(identity: IdentityHarness, iin: str, pin: str) -> Refused:
    with pytest.raises(Refused) as refused:
        await identity.accounts.sign_in(iin, pin)
    return refused.value


async def test_the_right_pin_opens_a_session_that_names_citizen_and_person(identity: IdentityHarness) -> None:
    citizen_id = await register(identity)
    session = await identity.accounts.sign_in(IIN, PIN)
    claims = jwt.decode(session.token, options={"verify_signature": False})
    assert (claims["sub"], claims["role"], claims["person_ref"]) == (citizen_id, "citizen", REF)
    assert session.citizen_id == citizen_id
    assert session.expires_at == identity.now + timedelta(minutes=30)


async def test_registering_again_keeps_the_id_and_the_certificates_and_replaces_the_pin(
    identity: IdentityHarness,
) -> None:
    first = await register(identity)
    assert await register(identity, OTHER_PIN) == first
    assert (await wrong(identity, IIN, PIN)).key == "pin.wrong"
    assert (await identity.accounts.sign_in(IIN, OTHER_PIN)).citizen_id == first


async def test_registrations_that_race_give_one_citizen(identity: IdentityHarness) -> None:
    ids = await asyncio.gather(*(register(identity) for _ in range(5)))
    assert len(set(ids)) == 1
    assert len(identity.rows["citizens"].rows) == 1


async def test_wrong_pins_are_counted_and_then_none_is_looked_at_for_a_quarter_of_an_hour(
    identity: IdentityHarness,
) -> None:
    await register(identity)
    assert [(await wrong(identity, IIN, OTHER_PIN)).extras.get("tries_left") for _ in range(4)] == [4, 3, 2, 1]
    frozen = await wrong(identity, IIN, OTHER_PIN)
    assert (frozen.key, frozen.status, frozen.extras["retry_at"]) == ("pin.frozen", 429, identity.now + 15 * MINUTE)
    identity.now += 14 * MINUTE
    assert (await wrong(identity, IIN, PIN)).extras["retry_at"] == frozen.extras["retry_at"]
    identity.now += MINUTE
    assert (await wrong(identity, IIN, OTHER_PIN)).extras["tries_left"] == 4
    await identity.accounts.sign_in(IIN, PIN)


async def test_a_right_pin_forgives_the_wrong_ones_before_it(identity: IdentityHarness) -> None:
    await register(identity)
    for _ in range(3):
        for _ in range(4):
            await wrong(identity, IIN, OTHER_PIN)
        await identity.accounts.sign_in(IIN, PIN)


async def test_tries_made_at_once_are_all_counted(identity: IdentityHarness) -> None:
    await register(identity)
    answers = await asyncio.gather(*(wrong(identity, IIN, OTHER_PIN) for _ in range(12)))
    assert sum(answer.key == "pin.wrong" for answer in answers) == 4
    assert sum(answer.key == "pin.frozen" for answer in answers) == 8


async def test_proving_phone_and_face_again_ends_a_freeze(identity: IdentityHarness) -> None:
    await register(identity)
    for _ in range(5):
        await wrong(identity, IIN, OTHER_PIN)
    await register(identity, OTHER_PIN)
    await identity.accounts.sign_in(IIN, OTHER_PIN)


async def test_somebody_without_a_digital_id_is_answered_like_somebody_with_a_wrong_pin(
    identity: IdentityHarness,
) -> None:
    await register(identity)
    for _ in range(7):
        known, unknown = await wrong(identity, IIN, OTHER_PIN), await wrong(identity, OTHER_IIN, OTHER_PIN)
        assert (known.key, known.status, known.detail, known.extras) == (
            unknown.key,
            unknown.status,
            unknown.detail,
            unknown.extras,
        )


async def test_pin_and_person_are_sealed_at_rest(identity: IdentityHarness) -> None:
    await register(identity)
    stored = str(identity.rows)
    for secret in (PIN, "argon2", IIN, "ТОЛҚЫН"):
        assert secret not in stored
