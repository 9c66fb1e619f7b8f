"""Population register and Mobile Citizens Base: the real adapters against a server, and those for development."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from typing_extensions import override

from libs.common.core.errors import Unavailable
from libs.common.core.values import iin_check_digit
from services.identity.mcb import DevelopmentMcb, HttpMcb, PairRefused, PhoneOwner
from services.identity.register import INVENTED_PEOPLE, DevelopmentRegister, HttpRegister, read_people
from services.identity.states import Pair
from tests.unit.identity.situations import IIN, JOURNEY, KEYRING, OTHER_IIN, PHONE, Town

RECORD = {
    "iin": IIN,
    "surname": "ТОЛҚЫНБЕКОВА",
    "given_name": "АЙСҰЛУ",
    "document_number": "900000011",
    "birth_date": "1985-04-12",
    "something_new": 1,
}
PAIR = Pair(iin=IIN, phone=PHONE)


@dataclass
class Gateway:
    """A server that answers as told, and keeps what it was asked."""

    url: str
    status: int = 200
    body: bytes = b"{}"
    asked: list[tuple[str, dict[str, str], dict[str, str]]] = field(default_factory=list)

    def says(self, status: int, body: object = None) -> None:
        self.status, self.body = status, json.dumps(body).encode()


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            told.asked.append((self.path, json.loads(body), dict(self.headers)))
            self.send_response(told.status)
            self.send_header("Content-Length", str(len(told.body)))
            self.end_headers()
            self.wfile.write(told.body)

        @override
        def log_message(self, format: str, *args: object) -> None:
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    told = Gateway(f"http://127.0.0.1:{server.server_port}/gateway/")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield told
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def client(gateway: Gateway) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=gateway.url, timeout=5)


async def test_the_register_is_asked_by_post_so_that_no_iin_stands_in_an_address(
    gateway: Gateway, client: httpx.AsyncClient
) -> None:
    gateway.says(200, RECORD)
    async with client:
        found = await HttpRegister(client).find(IIN)
    assert found is not None
    assert (found.person.iin, found.person.surname, found.person.patronymic) == (IIN, "ТОЛҚЫНБЕКОВА", None)
    assert found.birth_date.isoformat() == "1985-04-12"
    [(path, body, _)] = gateway.asked
    assert IIN not in path
    assert body == {"iin": IIN}


async def test_somebody_the_register_does_not_know_is_nobody(gateway: Gateway, client: httpx.AsyncClient) -> None:
    gateway.says(404)
    async with client:
        assert await HttpRegister(client).find(IIN) is None


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, {}),
        (403, {}),
        (429, {}),
        (302, {}),
        (200, []),
        (200, {"iin": IIN}),
        (200, RECORD | {"iin": OTHER_IIN}),
        (200, RECORD | {"birth_date": "soon"}),
    ],
)
async def test_an_answer_of_the_register_that_is_of_no_use_counts_as_away_and_is_not_quoted(
    gateway: Gateway, client: httpx.AsyncClient, status: int, body: object
) -> None:
    gateway.says(status, body)
    async with client:
        with pytest.raises(Unavailable) as away:
            await HttpRegister(client).find(IIN)
    for personal in (IIN, "ТОЛҚЫН", "soon"):
        assert personal not in str(away.value)


async def test_outside_systems_that_do_not_listen_are_away() -> None:
    async with httpx.AsyncClient(base_url="http://127.0.0.1:9", timeout=2) as client:
        with pytest.raises(Unavailable):
            await HttpRegister(client).find(IIN)
        with pytest.raises(Unavailable):
            await HttpMcb(client).holds(PAIR)
        with pytest.raises(Unavailable):
            await HttpMcb(client).register(PAIR, JOURNEY)


@pytest.mark.parametrize("registered", [True, False])
async def test_the_base_tells_whether_it_holds_a_pair(
    gateway: Gateway, client: httpx.AsyncClient, registered: bool
) -> None:
    gateway.says(200, {"registered": registered})
    async with client:
        assert await HttpMcb(client).holds(PAIR) is registered
    assert [(path, body) for path, body, _ in gateway.asked] == [("/gateway/lookup", {"iin": IIN, "phone": PHONE})]


async def test_a_registration_carries_its_idempotency_key(gateway: Gateway, client: httpx.AsyncClient) -> None:
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
    gateway: Gateway, client: httpx.AsyncClient, status: int, error: type[Exception]
) -> None:
    gateway.says(status)
    async with client:
        with pytest.raises(error):
            await HttpMcb(client).register(PAIR, JOURNEY)


async def test_an_answer_of_the_base_that_cannot_be_understood_counts_as_away(
    gateway: Gateway, client: httpx.AsyncClient
) -> None:
    async with client:
        for status, body in ((200, {"registered": "perhaps"}), (404, {})):
            gateway.says(status, body)
            with pytest.raises(Unavailable):
                await HttpMcb(client).holds(PAIR)


async def test_the_development_register_knows_the_invented_people_alone() -> None:
    people = read_people(INVENTED_PEOPLE)
    register = DevelopmentRegister(people)
    for record in people:
        assert iin_check_digit(record.iin[:11]) == int(record.iin[11])
        found = await register.find(record.iin)
        assert found is not None
        assert found.person.surname == record.surname
    assert await register.find("830717350867") is None


def test_a_file_of_people_with_a_wrong_entry_says_which(tmp_path: Path) -> None:
    path = tmp_path / "people.json"
    path.write_text(json.dumps([RECORD, RECORD | {"birth_date": "soon"}]))
    with pytest.raises(ValueError, match=r"1\.birth_date"):
        read_people(path)


async def test_the_development_base_begins_with_the_peoples_phones_and_keeps_what_is_registered() -> None:
    owners = Town().engine.kind(PhoneOwner, "phone_owners").aggregates
    people = read_people(INVENTED_PEOPLE)
    mcb = DevelopmentMcb(owners, KEYRING, people)
    known = Pair(iin=people[0].iin, phone=people[0].phones[0])
    assert await mcb.holds(known)
    assert not await mcb.holds(PAIR)
    for _ in range(2):
        await mcb.register(PAIR, JOURNEY)
    assert await mcb.holds(PAIR)


async def test_a_phone_has_one_owner_the_one_who_proved_it_last() -> None:
    owners = Town().engine.kind(PhoneOwner, "phone_owners").aggregates
    people = read_people(INVENTED_PEOPLE)
    mcb = DevelopmentMcb(owners, KEYRING, people)
    known = Pair(iin=people[0].iin, phone=people[0].phones[0])
    newer = Pair(iin=OTHER_IIN, phone=known.phone)
    await mcb.register(newer, JOURNEY)
    assert await mcb.holds(newer)
    assert not await mcb.holds(known)
