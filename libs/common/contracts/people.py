"""Personal data that events carry, always sealed. ``audience`` names the key that opens it."""

from datetime import date
from typing import ClassVar

from libs.common.core.sealing import Personal
from libs.common.core.values import E164Phone, Name, OptionalName


class Person(Personal):
    """Who someone is, as the population register knows them. The names are the legal ones, never derived.

    Somebody with one name has it as the surname (ICAO Doc 9303-3, 4.6).
    """

    audience: ClassVar[str] = "person"

    iin: str
    surname: Name
    given_name: OptionalName = None
    patronymic: OptionalName = None
    birth_date: date | None = None
    document_number: str | None = None
    document_expires: date | None = None

    @property
    def full_name(self) -> str:
        """Surname, given name and patronymic, as a certificate's common name has them."""
        return " ".join(part for part in (self.surname, self.given_name, self.patronymic) if part)


class Contact(Personal):
    """Where someone can be reached."""

    audience: ClassVar[str] = "contact"

    phone: E164Phone
    email: str | None = None
