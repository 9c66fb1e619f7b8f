"""PINs: how they are kept, and which ones are too easy to guess. Pure."""

from datetime import date
from itertools import pairwise
from typing import ClassVar, Final

from libs.common.core.errors import Refused
from libs.common.core.sealing import Personal
from services.identity.refusals import Refusal

_BIRTH_DATE_FORMS: Final = ("%y%m%d", "%d%m%y", "%m%d%y", "%Y%m", "%m%Y")
_FEWEST_DIGITS: Final = 3


class PinHash(Personal):
    """The hash of a PIN with its salt and cost, as Argon2 encodes it."""

    audience: ClassVar[str] = "identity"

    encoded: str


def check_not_simple(pin: str, *, birth_date: date | None, iin: str, phone: str) -> None:
    """Refuse a PIN that somebody would try first.

    Raises:
        Refused: ``pin.too_simple``, for few different digits, a row, a repeated group, a birth date, or digits
            of the IIN or the phone number.
    """
    dates = {birth_date.strftime(form) for form in _BIRTH_DATE_FORMS} if birth_date else set()
    if len(set(pin)) < _FEWEST_DIGITS or _in_a_row(pin) or _repeats(pin) or pin in dates or pin in iin or pin in phone:
        raise Refused(Refusal.PIN_TOO_SIMPLE)


def _in_a_row(pin: str) -> bool:
    """Return whether each digit follows from the one before by the same step, as in 345678, 975310 or 112233."""
    return any(
        len({(int(b) - int(a)) % 10 for a, b in pairwise(digits)}) == 1
        for digits in (pin, *((pin[::2],) if pin[::2] == pin[1::2] else ()))
    )


def _repeats(pin: str) -> bool:
    return pin[:3] == pin[3:] or pin[:2] == pin[2:4] == pin[4:] or pin == pin[::-1]
