"""The Mobile Citizens Base: the real adapter against a server, and the one for development."""

import httpx
import pytest

from libs.common.core.errors import Unavailable
from services.identity.collections import PHONE_OWNERS
from services.identity.mcb.gateway import DevelopmentMcb, HttpMcb, PairRefused
from services.identity.mcb.states import PhonePair
from services.identity.register.people import INVENTED_PEOPLE, read_people
from tests.unit.identity.harness import IIN, JOURNEY, KEYRING, OTHER_IIN, PHONE, IdentityHarness
from tests.unit.identity.stub_gateway import StubGateway

PAIR = PhonePair(iin=IIN, phone=PHONE)


@pytest.mark.parametrize("registered", [True, False])
async def test_the_base_tells_whether_it_holds_a_pair(
    gateway: StubGateway, client: httpx.AsyncClient, registered: bool
) -> None:
    gateway.says(200, {"registered": registered})
    async with client:
        assert await HttpMcb(client).holds(PAIR) is registered
    assert [(path, body) for path, body, _ in gateway.asked] == [("/gateway/lookup", {"iin": IIN, "phone": PHONE})]


async def test_a_registration_carries_its_idempotency_key(gateway: StubGateway, client: httpx.AsyncClient) -> None:
    gateway.says(204)
    async with client:
        await HttpMcb(client).register(PAIR, JOURNEY)
    [(path, body, headers)] = gateway.asked
    assert (path, body) == ("/gateway/registrations", {"iin": IIN, "phone": PHONE})
    assert headers["Idempotency-Key"] == JOURNEY


@pytest.mark.parametrize(
    ("status", "error"),
    [(400, PairRefused), (422, PairRefused), (409, Unavailable), (429, Unavailable), (500, Unavailable)],
)
async def test_a_refused_registration_is_told_from_one_to_try_again(
    gateway: StubGateway, client: httpx.AsyncClient, status: int, error: type[Exception]
) -> None:
    gateway.says(status)
    async with client:
        with pytest.raises(error):
            await HttpMcb(client).register(PAIR, JOURNEY)


async def test_an_answer_of_the_base_that_cannot_be_understood_counts_as_away(
    gateway: StubGateway, client: httpx.AsyncClient
) -> None:
    async with client:
        for status, body in ((200, {"registered": "perhaps"}), (404, {})):
            gateway.says(status, body)
            with pytest.raises(Unavailable):
                await HttpMcb(client).holds(PAIR)


async def test_a_base_that_does_not_listen_is_away() -> None:
    async with httpx.AsyncClient(base_url="http://127.0.0.1:9", timeout=2) as client:
        with pytest.raises(Unavailable):
            await HttpMcb(client).holds(PAIR)
        with pytest.raises(Unavailable):
            await HttpMcb(client).register(PAIR, JOURNEY)


async def test_the_development_base_begins_with_the_peoples_phones_and_keeps_what_is_registered() -> None:
    owners = IdentityHarness().engine.open(PHONE_OWNERS).aggregates
    people = read_people(INVENTED_PEOPLE)
    mcb = DevelopmentMcb(owners, KEYRING, people)
    known = PhonePair(iin=people[0].iin, phone=people[0].phones[0])
    assert await mcb.holds(known)
    assert not await mcb.holds(PAIR)
    for _ in range(2):
        await mcb.register(PAIR, JOURNEY)
    assert await mcb.holds(PAIR)


async def test_a_phone_has_one_owner_the_one_who_proved_it_last() -> None:
    owners = IdentityHarness().engine.open(PHONE_OWNERS).aggregates
    people = read_people(INVENTED_PEOPLE)
    mcb = DevelopmentMcb(owners, KEYRING, people)
    known = PhonePair(iin=people[0].iin, phone=people[0].phones[0])
    newer = PhonePair(iin=OTHER_IIN, phone=known.phone)
    await mcb.register(newer, JOURNEY)
    assert await mcb.holds(newer)
    assert not await mcb.holds(known)
