"""Domain values that more than one service speaks of, parsed once at the border."""

import unicodedata
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final, Protocol
from uuid import UUID, uuid4

from pydantic import AfterValidator, BeforeValidator, StringConstraints

_FIRST_PASS: Final = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11)
_SECOND_PASS: Final = (3, 4, 5, 6, 7, 8, 9, 10, 11, 1, 2)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


def iin_check_digit(first_eleven: str) -> int | None:
    """Return the twelfth digit of an individual identification number.

    Weights 1..11 modulo 11; if that gives 10, a second pass with weights 3..11, 1, 2.
    None means that no number starts with these eleven digits (0.84 % of them).
    """
    for weights in (_FIRST_PASS, _SECOND_PASS):
        remainder = sum(weight * int(digit) for weight, digit in zip(weights, first_eleven, strict=True)) % 11
        if remainder < 10:  # noqa: PLR2004 - a remainder of ten is the one that is not a digit
            return remainder
    return None


def _iin(text: str) -> str:
    if iin_check_digit(text[:11]) != int(text[11]):
        raise ValueError("the check digit of this IIN is wrong: please look for a mistyped digit")
    return text


def as_typed(value: object) -> object:
    """Normalise an identifier that a person typed or pasted; what is not text passes.

    Digits of any script become ASCII: an Arabic keyboard has others on the same keys. Invisible marks go, and spaces
    around.
    """
    if not isinstance(value, str):
        return value
    visible = "".join(character for character in value if unicodedata.category(character) != "Cf")
    return ascii_digits(visible).strip()


def ascii_digits(text: str) -> str:
    """Return the text with the digits of any script in ASCII, in their places."""
    if text.isascii():
        return text
    return "".join(str(unicodedata.decimal(each)) if each.isdecimal() else each for each in text)


def none_if_empty(value: object) -> object:
    """Return None for text without a letter or digit, such as "" or "-", which others write for what there is not."""
    return None if isinstance(value, str) and not any(character.isalnum() for character in value) else value


def _urn(text: str) -> str:
    return str(UUID(text))


Iin = Annotated[str, BeforeValidator(as_typed), StringConstraints(pattern=r"^[0-9]{12}$"), AfterValidator(_iin)]
"""Individual identification number: twelve digits, the last a check digit.

Since 2013 the date and sex digits need not agree with the person's papers (decree 853),
so only the check digit is enforced; the birth date comes from the document.
"""

E164Phone = Annotated[str, StringConstraints(pattern=r"^\+7[0-9]{10}$")]
"""A phone number in its one normal form, as `libs.common.core.phones` makes it."""

JourneyId = Annotated[str, AfterValidator(_urn)]
ApplicationId = Annotated[str, AfterValidator(_urn)]

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=120)]
OptionalName = Annotated[Name | None, BeforeValidator(none_if_empty)]
"""A name that not everybody has: a patronymic, or the given name of somebody with one name (ICAO Doc 9303-3, 4.6)."""


class Clock(Protocol):
    """Where the time comes from; tests bring their own."""

    def __call__(self) -> datetime:
        """Return the present moment, in UTC."""
        ...


class NewId(Protocol):
    """Where identifiers come from; tests bring their own."""

    def __call__(self) -> str:
        """Return an identifier nobody has used."""
        ...


def utc_now() -> datetime:
    """Return the present moment in UTC, to the millisecond: what every store and header here can hold."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def new_id() -> str:
    """Return a random identifier (UUID version 4)."""
    return str(uuid4())


def to_millis(moment: datetime) -> int:
    """Return a moment in whole milliseconds since 1970, rounded down. Exact, which `datetime.timestamp` is not."""
    return (moment - _EPOCH) // _MILLISECOND


def to_millis_up(moment: datetime) -> int:
    """Return a moment in whole milliseconds since 1970, rounded up: for what must not happen too early."""
    return -((_EPOCH - moment) // _MILLISECOND)


def from_millis(millis: int) -> datetime:
    """Return the moment so many milliseconds after 1970, in UTC."""
    return _EPOCH + millis * _MILLISECOND
