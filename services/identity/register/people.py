"""People as the population register writes them, and as identity keeps them."""

import json
from datetime import date
from pathlib import Path
from typing import ClassVar, Final

from pydantic import ConfigDict, TypeAdapter

from libs.common.contracts.people import Person
from libs.common.core.model import Model
from libs.common.core.sealing import Personal
from libs.common.core.values import Iin, Name, PhoneNumber

INVENTED_PEOPLE: Final = Path(__file__).parents[1] / "data" / "people.json"


class Resident(Personal):
    """Somebody the population register knows."""

    audience: ClassVar[str] = "person"

    person: Person
    birth_date: date


class RegisterRecord(Model):
    """A person as the register writes them. ``phones`` is there in development data only."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    iin: Iin
    surname: Name
    given_name: Name
    patronymic: Name | None = None
    document_number: str | None = None
    document_expires: date | None = None
    birth_date: date
    phones: tuple[PhoneNumber, ...] = ()

    def resident(self) -> Resident:
        """Return the person as identity keeps them."""
        person = Person.model_validate(self.model_dump(exclude={"phones"}))
        return Resident(person=person, birth_date=self.birth_date)


def read_people(path: Path) -> tuple[RegisterRecord, ...]:
    """Read invented people from a file.

    Raises:
        ValueError: the file is not a JSON list of such people; says which entry and member.
        OSError: the file cannot be read.
    """
    return TypeAdapter(tuple[RegisterRecord, ...]).validate_python(json.loads(path.read_text("utf-8")))
