"""The population register: the real adapter against a server, and the one for development."""

import json
from pathlib import Path

import httpx
import pytest

from libs.common.core.errors import Unavailable
from libs.common.core.values import iin_check_digit
from services.identity.register.gateway import DevelopmentRegister, HttpRegister
from services.identity.register.people import INVENTED_PEOPLE, read_people
from tests.unit.identity.factories import IIN, OTHER_IIN
from tests.unit.identity.stub_gateway import StubGateway

RECORD = {
    "iin": IIN,
    "surname": "ТОЛҚЫНБЕКОВА",
    "given_name": "АЙСҰЛУ",
    "document_number": "900000011",
    "birth_date": "1985-04-12",
    "something_new": 1,
}


async def test_the_register_is_asked_by_post_so_that_no_iin_stands_in_an_address(
    gateway: StubGateway, client: httpx.AsyncClient
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


async def test_somebody_the_register_does_not_know_is_nobody(gateway: StubGateway, client: httpx.AsyncClient) -> None:
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
    gateway: StubGateway, client: httpx.AsyncClient, status: int, body: object
) -> None:
    gateway.says(status, body)
    async with client:
        with pytest.raises(Unavailable) as away:
            await HttpRegister(client).find(IIN)
    for personal in (IIN, "ТОЛҚЫН", "soon"):
        assert personal not in str(away.value)


async def test_a_register_that_does_not_listen_is_away() -> None:
    async with httpx.AsyncClient(base_url="http://127.0.0.1:9", timeout=2) as client:
        with pytest.raises(Unavailable):
            await HttpRegister(client).find(IIN)


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
