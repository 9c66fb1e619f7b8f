"""The population register: the operator's over HTTP, or invented people for development."""

import json
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Final, Protocol

import httpx
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from libs.common.contracts.people import Person
from libs.common.core.errors import Unavailable
from libs.common.core.values import Iin, Name, PhoneNumber
from services.identity.states import Resident

INVENTED_PEOPLE: Final = Path(__file__).with_name("data") / "people.json"


class PopulationRegister(Protocol):
    """Knows who there is."""

    async def find(self, iin: str) -> Resident | None:
        """Give the person with this IIN, or None if the register has no such person.

        Raises:
            Unavailable: the register does not answer, or not in the form agreed.
        """
        ...


class Record(BaseModel):
    """A person as the register writes them. ``phones`` is there in development data only."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    iin: Iin
    surname: Name
    given_name: Name
    patronymic: Name | None = None
    document_number: str | None = None
    document_expires: date | None = None
    birth_date: date
    phones: tuple[PhoneNumber, ...] = ()

    def resident(self) -> Resident:
        """Give the person as identity keeps them."""
        person = Person.model_validate(self.model_dump(exclude={"phones"}))
        return Resident(person=person, birth_date=self.birth_date)


class HttpRegister:
    """A register behind a gateway that takes ``{"iin"}`` by POST, so that no IIN stands in a URL.

    It answers 200 with a `Record`, or 404 for an IIN it does not know.
    """

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def find(self, iin: str) -> Resident | None:
        """Look somebody up; see `PopulationRegister`."""
        try:
            answer = await self._client.post("", json={"iin": iin})
        except httpx.HTTPError as error:
            raise Unavailable(f"the population register does not answer: {type(error).__name__}") from None
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        if not answer.is_success:
            raise Unavailable(f"the population register answered with status {answer.status_code}")
        return _read(answer.content, iin)


class DevelopmentRegister:
    """A register of invented people from a file: a JSON list of `Record`."""

    def __init__(self, people: Iterable[Record]) -> None:
        self._residents = {record.iin: record.resident() for record in people}

    async def find(self, iin: str) -> Resident | None:
        """Look somebody up; see `PopulationRegister`."""
        return self._residents.get(iin)


def read_people(path: Path) -> tuple[Record, ...]:
    """Read invented people from a file.

    Raises:
        ValueError: the file is not a JSON list of such people; says which entry and member.
        OSError: the file cannot be read.
    """
    return TypeAdapter(tuple[Record, ...]).validate_python(json.loads(path.read_text("utf-8")))


def _read(content: bytes, iin: str) -> Resident:
    try:
        record = Record.model_validate_json(content)
    except ValidationError as error:
        places = ", ".join(".".join(map(str, each["loc"])) for each in error.errors(include_input=False))
        raise Unavailable(f"the population register's answer cannot be understood: {places}") from None
    if record.iin != iin:
        raise Unavailable("the population register answered about somebody else")
    return record.resident()
