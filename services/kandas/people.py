"""The people of an application, as they describe themselves in it."""

from datetime import date
from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field, StringConstraints

from libs.common.core.sealing import Personal
from libs.common.core.values import Iin, Name

Country = Annotated[str, StringConstraints(strip_whitespace=True, to_upper=True, pattern=r"^[A-Za-z]{2,3}$")]
"""A country by its ISO 3166-1 code of two or three letters; XXA is a stateless person (ICAO Doc 9303-3)."""

DocumentNumber = Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^[\w -]{3,40}$")]
Relation = Literal["spouse", "child", "parent", "sibling", "other"]


class PersonForm(Personal):
    """What an application says of one person. Readable by this service alone. Newcomers may have no IIN yet.

    ``previous_end`` is the last day of the status to be extended; ``extensions_before`` counts what it had already.
    """

    audience: ClassVar[str] = "kandas"

    iin: Iin | None = None
    surname: Name
    given_name: Name
    patronymic: Name | None = None
    birth_date: date
    citizenship: Country
    origin_country: Country
    document_number: DocumentNumber
    document_in_state_language: bool = False
    nationality_in_document: bool = True
    previous_end: date | None = None
    extensions_before: int = Field(default=0, ge=0)

    @property
    def full_name(self) -> str:
        """Surname, given name and patronymic."""
        return " ".join(part for part in (self.surname, self.given_name, self.patronymic) if part)

    def stored(self) -> "PersonForm":
        """Give the form as it is kept, without what stands beside it."""
        return PersonForm.model_validate(self.model_dump())


class ApplicantForm(PersonForm):
    """What a person who applies fills in: an IIN is mandatory, and a mistyped field name is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    iin: Iin


class MemberForm(PersonForm):
    """What is filled in for a family member."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    relation: Relation
