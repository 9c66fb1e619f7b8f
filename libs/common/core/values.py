"""Domain values that more than one service speaks of, parsed once at the border."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final, Protocol
from uuid import UUID, uuid4

from pydantic import AfterValidator, StringConstraints

_FIRST_PASS: Final = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11)
_SECOND_PASS: Final = (3, 4, 5, 6, 7, 8, 9, 10, 11, 1, 2)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_PHONE: Final = re.compile(r"\+7\d{10}")


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


def _phone(text: str) -> str:
    number = "+7" + digits[1:] if len(digits := re.sub(r"\D", "", text)) == 11 and digits[0] in "78" else text  # noqa: PLR2004 - eleven digits: country code and number
    if not _PHONE.fullmatch(number):
        raise ValueError("a phone number of Kazakhstan has the form +7 7XX XXX XX XX")
    return number


def _urn(text: str) -> str:
    return str(UUID(text))


Iin = Annotated[str, StringConstraints(pattern=r"^[0-9]{12}$"), AfterValidator(_iin)]
"""Individual identification number: twelve digits, the last a check digit.

Since 2013 the date and sex digits need not agree with the person's papers (decree 853),
so only the check digit is enforced; the birth date comes from the document.
"""

PhoneNumber = Annotated[str, StringConstraints(max_length=24), AfterValidator(_phone)]
"""A phone number of Kazakhstan, normalised to +7XXXXXXXXXX."""

JourneyId = Annotated[str, AfterValidator(_urn)]
ApplicationId = Annotated[str, AfterValidator(_urn)]

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=120)]


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
