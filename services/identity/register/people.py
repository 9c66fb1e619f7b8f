"""People as the population register writes them, and as identity keeps them."""

import json
import unicodedata
from datetime import date
from pathlib import Path
from typing import Annotated, ClassVar, Final, Self

from pydantic import AfterValidator, BeforeValidator, ConfigDict, TypeAdapter, model_validator

from libs.common.contracts.people import Person
from libs.common.core.model import Model
from libs.common.core.phones import PhoneNumber
from libs.common.core.sealing import Personal
from libs.common.core.values import Iin, OptionalName, as_typed, none_if_empty

INVENTED_PEOPLE: Final = Path(__file__).parents[1] / "data" / "people.json"


OptionalDate = Annotated[date | None, BeforeValidator(none_if_empty)]


class Resident(Personal):
    """Somebody the population register knows. Of some people nobody knows the day of birth."""

    audience: ClassVar[str] = "person"

    person: Person
    birth_date: date | None


def _as_in_the_zone(number: str | None) -> str | None:
    """Write a document number as a machine-readable zone does: capitals and digits, without spaces and dashes.

    Letters may come full-width, as East Asian keyboards write them (Unicode, compatibility forms).
    """
    plain = None if number is None else unicodedata.normalize("NFKC", number).upper()
    return None if plain is None else "".join(each for each in plain if each.isalnum())


class RegisterRecord(Model):
    """A person as the register writes them; empty text means none. ``phones`` is there in development data only.

    Somebody with one name may have it in either place; identity keeps it as the surname (ICAO Doc 9303-3, 4.6).
    """

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    iin: Iin
    surname: OptionalName = None
    given_name: OptionalName = None
    patronymic: OptionalName = None
    document_number: Annotated[
        str | None, BeforeValidator(none_if_empty), BeforeValidator(as_typed), AfterValidator(_as_in_the_zone)
    ] = None
    document_expires: OptionalDate = None
    birth_date: OptionalDate = None
    phones: tuple[PhoneNumber, ...] = ()

    @model_validator(mode="after")
    def _has_a_name(self) -> Self:
        if self.surname is None and self.given_name is None:
            raise ValueError("there is no name")
        return self

    def resident(self) -> Resident:
        """Return the person as identity keeps them."""
        kept = self.model_dump(exclude={"phones"})
        if self.surname is None:
            kept |= {"surname": self.given_name, "given_name": None}
        return Resident(person=Person.model_validate(kept), birth_date=self.birth_date)


def read_people(path: Path) -> tuple[RegisterRecord, ...]:
    """Read invented people from a file.

    Raises:
        ValueError: the file is not a JSON list of such people; says which entry and member.
        OSError: the file cannot be read.
    """
    return TypeAdapter(tuple[RegisterRecord, ...]).validate_python(json.loads(path.read_text("utf-8")))
