"""The population register: the real adapter against a server, and the one for development."""

import json
from datetime import date
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
    assert found.birth_date == date(1985, 4, 12)
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


@pytest.mark.parametrize("empty", ["", " ", "-", None])
async def test_empty_text_means_that_the_register_knows_none(
    gateway: StubGateway, client: httpx.AsyncClient, empty: str | None
) -> None:
    none = dict.fromkeys(("patronymic", "document_number", "document_expires", "birth_date"), empty)
    gateway.says(200, RECORD | none)
    async with client:
        found = await HttpRegister(client).find(IIN)
    assert found is not None
    person = found.person
    assert (person.patronymic, person.document_number, person.document_expires) == (None, None, None)
    assert (person.birth_date, found.birth_date) == (None, None)


@pytest.mark.parametrize("written", ["N12345678", " n12345678 ", "N 1234-5678", "N۱۲۳۴۵۶۷۸", "Ｎ１２３４５６７８"])
async def test_a_document_number_is_kept_as_the_machine_readable_zone_has_it(
    gateway: StubGateway, client: httpx.AsyncClient, written: str
) -> None:
    gateway.says(200, RECORD | {"document_number": written})
    async with client:
        found = await HttpRegister(client).find(IIN)
    assert found is not None
    assert found.person.document_number == "N12345678"


@pytest.mark.parametrize(
    "names",
    [
        {"surname": "САКЕН", "given_name": ""},
        {"surname": "САКЕН", "given_name": None},
        {"surname": "", "given_name": "САКЕН"},
        {"surname": "-", "given_name": "САКЕН", "patronymic": ""},
    ],
)
async def test_a_single_name_is_the_surname(
    gateway: StubGateway, client: httpx.AsyncClient, names: dict[str, str | None]
) -> None:
    """ICAO Doc 9303-3, 4.6: a name without parts is the primary identifier."""
    gateway.says(200, RECORD | names)
    async with client:
        found = await HttpRegister(client).find(IIN)
    assert found is not None
    assert (found.person.surname, found.person.given_name, found.person.full_name) == ("САКЕН", None, "САКЕН")


async def test_somebody_without_any_name_can_not_be_read(gateway: StubGateway, client: httpx.AsyncClient) -> None:
    gateway.says(200, RECORD | {"surname": "", "given_name": " "})
    async with client:
        with pytest.raises(Unavailable, match="cannot be understood: name"):
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
