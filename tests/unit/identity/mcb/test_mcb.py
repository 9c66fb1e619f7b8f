"""The Mobile Citizens Base: the real adapter against a server, and the one for development."""

from collections.abc import AsyncIterator

import httpx
import pytest

from libs.common.core.errors import Unavailable
from services.identity.mcb.gateway import HttpMcb, PairRefused
from services.identity.mcb.states import PhonePair
from tests.unit.identity.factories import IIN, OTHER_IIN, PHONE
from tests.unit.identity.harness import IdentityHarness, running
from tests.unit.identity.stub_gateway import StubGateway

PAIR = PhonePair(iin=IIN, phone=PHONE)
OWN_PHONE = "+77010000011"
"""Of the invented person with `IIN`."""
REQUEST = "7a4b3f0e-5a35-4d0a-9a51-6a5b8f6f4a01"


@pytest.mark.parametrize("registered", [True, False])
async def test_the_base_tells_whether_it_holds_a_pair(
    gateway: StubGateway, client: httpx.AsyncClient, registered: bool
) -> None:
    gateway.says(200, {"registered": registered})
    async with client:
        assert await HttpMcb(client).holds(PAIR) is registered
    assert [(path, body) for path, body, _ in gateway.asked] == [("/gateway/lookup", {"iin": IIN, "phone": PHONE})]


@pytest.mark.parametrize("none", [None, "", " ", "-"])
async def test_empty_text_means_that_the_base_holds_no_such_pair(
    gateway: StubGateway, client: httpx.AsyncClient, none: str | None
) -> None:
    gateway.says(200, {"registered": none})
    async with client:
        assert await HttpMcb(client).holds(PAIR) is False


async def test_a_registration_carries_its_idempotency_key(gateway: StubGateway, client: httpx.AsyncClient) -> None:
    gateway.says(204)
    async with client:
        await HttpMcb(client).register(PAIR, REQUEST)
    [(path, body, headers)] = gateway.asked
    assert (path, body) == ("/gateway/registrations", {"iin": IIN, "phone": PHONE})
    assert headers["Idempotency-Key"] == REQUEST


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
            await HttpMcb(client).register(PAIR, REQUEST)


async def test_an_answer_of_the_base_that_cannot_be_understood_counts_as_away(
    gateway: StubGateway, client: httpx.AsyncClient
) -> None:
    async with client:
        for status, body in ((200, {"registered": "perhaps"}), (200, {}), (404, {})):
            gateway.says(status, body)
            with pytest.raises(Unavailable):
                await HttpMcb(client).holds(PAIR)


async def test_a_base_that_does_not_listen_is_away() -> None:
    async with httpx.AsyncClient(base_url="http://127.0.0.1:9", timeout=2) as client:
        with pytest.raises(Unavailable):
            await HttpMcb(client).holds(PAIR)
        with pytest.raises(Unavailable):
            await HttpMcb(client).register(PAIR, REQUEST)


@pytest.fixture
async def development() -> AsyncIterator[IdentityHarness]:
    """The service with its own register and base, which hold the invented people."""
    own: dict[str, None] = dict.fromkeys(("register_url", "register_token", "mcb_url", "mcb_token"))
    async with running(**own) as identity:
        yield identity


async def holds(identity: IdentityHarness, iin: str, phone: str) -> bool:
    registered: bool = (await identity.start({"iin": iin, "phone": phone})).json()["mcb_registered"]
    return registered


async def test_the_development_base_begins_with_the_peoples_phones_and_keeps_what_is_registered(
    development: IdentityHarness,
) -> None:
    assert await holds(development, IIN, OWN_PHONE)
    assert not await holds(development, IIN, PHONE)
    for _ in range(2):
        await development.proven(IIN)
    assert await holds(development, IIN, PHONE)


async def test_a_phone_has_one_owner_the_one_who_proved_it_last(development: IdentityHarness) -> None:
    await development.proven(OTHER_IIN, phone=OWN_PHONE)
    assert await holds(development, OTHER_IIN, OWN_PHONE)
    assert not await holds(development, IIN, OWN_PHONE)
