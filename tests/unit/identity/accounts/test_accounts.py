"""Accounts: one id per person for ever, tries that are counted, and answers that hide who has a Digital ID."""

import asyncio
from typing import Any

import jwt

from tests.unit.identity.factories import IIN, MINUTE, OTHER_IIN, OTHER_PIN, PIN, issued
from tests.unit.identity.harness import IdentityHarness


async def register(identity: IdentityHarness, pin: str = PIN) -> str:
    """Prove phone and face on a new journey, choose the PIN, and return the citizen's id."""
    return await (await identity.proven()).choose_pin(pin)


async def refused(identity: IdentityHarness, iin: str, pin: str) -> dict[str, Any]:
    """Sign in with a wrong PIN and return the problem document."""
    answer = await identity.sign_in(iin, pin)
    assert answer.status_code in (401, 429)
    problem: dict[str, Any] = answer.json()
    return problem


async def test_the_right_pin_opens_a_session_that_names_citizen_and_person(identity: IdentityHarness) -> None:
    citizen_id = await register(identity)
    session = await identity.signed_in()
    claims = jwt.decode(session.token, options={"verify_signature": False})
    ref = identity.surroundings.keyring.blind("person", IIN)
    assert (claims["sub"], claims["role"], claims["person_ref"]) == (citizen_id, "citizen", ref)
    assert session.citizen_id == citizen_id
    assert session.expires_at == identity.service.clock.now + 30 * MINUTE


async def test_registering_again_keeps_id_and_certificates_and_replaces_the_pin(identity: IdentityHarness) -> None:
    first = await register(identity)
    await identity.receive(issued("SIGN", citizen_id=first), "journey-1")
    assert await register(identity, OTHER_PIN) == first
    assert (await refused(identity, IIN, PIN))["key"] == "pin.wrong"
    assert (await identity.signed_in(OTHER_PIN)).citizen_id == first
    assert [each.serial for each in (await identity.cabinet(first)).certificates] == ["aa01"]


async def test_registrations_that_race_give_one_citizen(identity: IdentityHarness) -> None:
    journeys = [await identity.proven() for _ in range(5)]
    ids = await asyncio.gather(*(journey.choose_pin() for journey in journeys))
    assert len(set(ids)) == 1
    assert len(identity.rows["citizens"].rows) == 1


async def test_after_five_wrong_pins_none_is_compared_for_a_quarter_of_an_hour(identity: IdentityHarness) -> None:
    await register(identity)
    assert [(await refused(identity, IIN, OTHER_PIN)).get("tries_left") for _ in range(4)] == [4, 3, 2, 1]
    frozen = await identity.sign_in(IIN, OTHER_PIN)
    assert (frozen.status_code, frozen.json()["key"]) == (429, "pin.frozen")
    assert frozen.json()["retry_at"].startswith("2026-03-02T12:15:00")
    assert "Retry-After" in frozen.headers
    await identity.service.advance(14 * MINUTE)
    assert (await refused(identity, IIN, PIN))["retry_at"] == frozen.json()["retry_at"]
    await identity.service.advance(MINUTE)
    assert (await refused(identity, IIN, OTHER_PIN))["tries_left"] == 4
    await identity.signed_in()


async def test_a_right_pin_forgives_the_wrong_ones_before_it(identity: IdentityHarness) -> None:
    await register(identity)
    for _ in range(3):
        for _ in range(4):
            await refused(identity, IIN, OTHER_PIN)
        await identity.signed_in()


async def test_a_pin_is_the_same_in_the_digits_of_any_script(identity: IdentityHarness) -> None:
    """An Arabic keyboard writes other digits by the same keys."""
    journey = await identity.proven()
    await journey.choose_pin("٤٨٣٩٢٠")
    for pin in ("483920", "۴۸۳۹۲۰", " ４８３９２０ "):
        assert (await identity.sign_in("۸۵۰۴۱۲۳۹۹۰۱۵", pin)).status_code == 201


async def test_tries_made_at_once_are_all_counted(identity: IdentityHarness) -> None:
    await register(identity)
    answers = await asyncio.gather(*(refused(identity, IIN, OTHER_PIN) for _ in range(12)))
    assert sum(answer["key"] == "pin.wrong" for answer in answers) == 4
    assert sum(answer["key"] == "pin.frozen" for answer in answers) == 8


async def test_proving_phone_and_face_again_ends_a_freeze(identity: IdentityHarness) -> None:
    await register(identity)
    for _ in range(5):
        await refused(identity, IIN, OTHER_PIN)
    await register(identity, OTHER_PIN)
    await identity.signed_in(OTHER_PIN)


async def test_somebody_without_a_digital_id_is_answered_like_a_wrong_pin(identity: IdentityHarness) -> None:
    await register(identity)
    for _ in range(7):
        assert await refused(identity, IIN, OTHER_PIN) == await refused(identity, OTHER_IIN, OTHER_PIN)


async def test_pin_and_person_are_sealed_at_rest(identity: IdentityHarness) -> None:
    await register(identity)
    stored = identity.service.store.everything()
    assert "citizens" in stored
    for secret in (PIN, "argon2", IIN, "ТОЛҚЫН"):
        assert secret not in stored


async def test_the_public_keys_are_published_without_the_private_one(identity: IdentityHarness) -> None:
    keys = (await identity.http.get("/v1/.well-known/jwks.json")).json()["keys"]
    assert keys == identity.service.keys.tokens.jwks()["keys"]
    assert all("d" not in key for key in keys)
