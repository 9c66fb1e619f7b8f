"""Who a certificate names. Names come from established facts, never from a certificate request.

Shape of a person's and an organisation's name: that of the national authority's certificates
(``CN=<SURNAME NAME>, SURNAME, SERIALNUMBER=IIN<12>, C=KZ, G=<patronymic>``; legal entities add
``O`` and ``OU=BIN<12>``).
"""

import unicodedata
from dataclasses import dataclass
from typing import Final, Protocol

from cryptography.x509.oid import NameOID

from libs.common.pki.der import Attributes
from libs.common.pki.oids import FULL_NAME

COMMON_NAME_LENGTH: Final = 64
"""Characters (not octets) a common name may have: ub-common-name, RFC 5280 appendix A.1."""
_NUMBER_LENGTH: Final = 12
_COUNTRY: Final = (NameOID.COUNTRY_NAME, "KZ")


class UnusableNameError(ValueError):
    """A name that can't stand in a certificate: empty, or with characters that do not print."""


class Holder(Protocol):
    """Anything a certificate can name."""

    def attributes(self) -> Attributes:
        """Return the distinguished name."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class NaturalPerson:
    """A natural person, as the identity document spells the name.

    Raises:
        UnusableNameError: see there.
        ValueError: the IIN is not twelve digits.
    """

    iin: str
    surname: str
    given_name: str = ""
    patronymic: str = ""

    def __post_init__(self) -> None:
        _require_number(self.iin, "an IIN")
        _require_printing(self.surname, self.given_name, self.patronymic)

    def attributes(self) -> Attributes:
        """Return the distinguished name; the patronymic stands where the national profile puts it, in G.

        G being taken, a given name that the common name has no room for stands whole in the attribute ``name``.
        """
        surname, given_name, patronymic = map(_tidy, (self.surname, self.given_name, self.patronymic))
        full_name = f"{surname} {given_name}".strip()
        return (
            _COUNTRY,
            (NameOID.SERIAL_NUMBER, f"IIN{self.iin}"),
            (NameOID.SURNAME, surname),
            *([(NameOID.GIVEN_NAME, patronymic)] if patronymic else []),
            *([(FULL_NAME, full_name)] if len(full_name) > COMMON_NAME_LENGTH else []),
            (NameOID.COMMON_NAME, _common_name(surname, given_name)),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Representative:
    """A natural person who acts for a legal entity; ``bin`` is the entity's business identification number."""

    person: NaturalPerson
    organisation: str
    bin: str

    def __post_init__(self) -> None:
        _require_number(self.bin, "a BIN")
        _require_printing(self.organisation)

    def attributes(self) -> Attributes:
        """Return the distinguished name: the person's, and the entity as ``O`` and ``OU=BIN<12>``."""
        country, *person = self.person.attributes()
        return (
            country,
            (NameOID.ORGANIZATION_NAME, _shortened(_tidy(self.organisation))),
            (NameOID.ORGANIZATIONAL_UNIT_NAME, f"BIN{self.bin}"),
            *person,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Organisation:
    """A legal entity; ``bin`` is its business identification number, twelve digits.

    It stands there twice: where the national profile has it, and as organizationIdentifier, where the rest of the
    world looks for it (ETSI EN 319 412-1, 5.1.4: register of trade, country, number).
    """

    name: str
    bin: str
    common_name: str

    def __post_init__(self) -> None:
        _require_number(self.bin, "a BIN")
        _require_printing(self.name, self.common_name)

    def attributes(self) -> Attributes:
        """Return the distinguished name."""
        return (
            _COUNTRY,
            (NameOID.ORGANIZATION_NAME, _shortened(_tidy(self.name))),
            (NameOID.ORGANIZATIONAL_UNIT_NAME, f"BIN{self.bin}"),
            (NameOID.ORGANIZATION_IDENTIFIER, f"NTRKZ-{self.bin}"),
            (NameOID.COMMON_NAME, _shortened(_tidy(self.common_name))),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Authority:
    """An authority (for certificates, their status, or time) and the organisation that runs it.

    Its common name is limited to 64 octets, the stricter of two readings of RFC 5280: every relying party
    has to read it, with whatever library.
    """

    organisation: str
    common_name: str

    def __post_init__(self) -> None:
        _require_printing(self.organisation, self.common_name)
        if len(self.common_name.encode()) > COMMON_NAME_LENGTH:
            raise UnusableNameError(f"an authority's name has at most {COMMON_NAME_LENGTH} octets in UTF-8")

    def attributes(self) -> Attributes:
        """Return the distinguished name."""
        return (
            _COUNTRY,
            (NameOID.ORGANIZATION_NAME, _shortened(_tidy(self.organisation))),
            (NameOID.COMMON_NAME, _shortened(_tidy(self.common_name))),
        )


def is_printing(text: str) -> bool:
    """Return whether every character shows: no control, direction mark, line break, surrogate or unassigned."""
    return text.replace("\u00a0", " ").isprintable()


def _require_number(text: str, what: str) -> None:
    if not (len(text) == _NUMBER_LENGTH and text.isascii() and text.isdigit()):
        raise ValueError(f"{what} has twelve digits")


def _require_printing(first: str, *others: str) -> None:
    if not _tidy(first):
        raise UnusableNameError("a certificate needs a name, and this one is empty")
    if not all(map(is_printing, (first, *others))):
        raise UnusableNameError("the name has a character that does not print: please have it corrected")


def _tidy(text: str) -> str:
    """Compose letters (NFC) and leave single spaces, so that one name has one encoding."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def _common_name(surname: str, given_name: str) -> str:
    """Return what fits of both names: however long the surname is, half of the room is the given name's to use."""
    if not given_name:
        return _shortened(surname)
    kept = _shortened(surname, max(COMMON_NAME_LENGTH // 2, COMMON_NAME_LENGTH - 1 - len(given_name)))
    return f"{kept} {_shortened(given_name, COMMON_NAME_LENGTH - 1 - len(kept))}"


def _shortened(text: str, length: int = COMMON_NAME_LENGTH) -> str:
    """Cut at the last word that fits, or where there is none, at the last character."""
    if len(text) <= length:
        return text
    return text[: length + 1].rsplit(" ", 1)[0][:length]
