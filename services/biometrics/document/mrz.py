"""The machine-readable zone of travel documents: ICAO Doc 9303, parts 4 (TD3, passports) and 5 (TD1, ID cards).

Each field with a check digit is trusted only if the digit agrees. Names have none: they are advisory.
"""

import re
from datetime import UTC, date, datetime
from typing import Final, Literal

from pydantic import ConfigDict

from libs.common.core.model import Model
from libs.common.texts.formats import KAZAKHSTAN_TIME

FILLER: Final = "<"
ALPHABET: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789" + FILLER
_WEIGHTS: Final = (7, 3, 1)
_IIN_LENGTH: Final = 12
_CENTURIES: Final = {"1": 18, "2": 18, "3": 19, "4": 19, "5": 20, "6": 20}
"""The first two digits of the year of birth, by the seventh digit of an IIN."""
_MONTH, _DAY_OF_MONTH = r"(?:0\d|1[0-2]|<<)", r"(?:[0-2]\d|3[01]|<<)"
_UNKNOWN: Final = re.compile(rf"(?=.*<<|..00|....00)(?:\d\d|<<){_MONTH}{_DAY_OF_MONTH}")
"""A date of birth of which part or all is not known: filler (Doc 9303 part 3, section 4.8), or zeros as some write."""
# What a reader of printed characters takes for a digit, and the other way round.
_TO_DIGIT: Final = str.maketrans("OQDUILZSGB", "0000112568")
_TO_LETTER: Final = str.maketrans("012568", "OIZSGB")


class Mrz(Model):
    """What the zone says.

    Attributes:
        layout: TD1 has three lines of 30 characters, TD3 two of 44.
        document_type: `ID`, `P` and so on, without filler.
        issuer: Three-letter code of the issuing state.
        document_number: Without filler.
        iin: The twelve digits of the optional data, or nothing where there are none. Their own check digit is
            the caller's to test.
        birth_date: The IIN's seventh digit names its century; without one it is the latest in which the date is neither
            in the future nor after `expiry_date`. Nothing where the zone leaves a part of it out.
        expiry_date: Read as a year from 2000 on.
        sex: `F`, `M` or `X` (unspecified).
        nationality: Three-letter code.
        surname: Advisory: no check digit covers names.
        given_names: Advisory, separated by spaces.
    """

    model_config = ConfigDict(extra="forbid")

    layout: Literal["TD1", "TD3"]
    document_type: str
    issuer: str
    document_number: str
    iin: str | None
    birth_date: date | None
    expiry_date: date
    sex: Literal["F", "M", "X"]
    nationality: str
    surname: str
    given_names: str


class MrzError(ValueError):
    """The lines are no machine-readable zone, or a check digit disagrees. Says which field, never its value."""


def check_digit(text: str) -> str:
    """Return the check digit of `text` (Doc 9303 part 3, section 4.9): weights 7, 3, 1, modulo 10."""
    total = sum(_value(character) * _WEIGHTS[i % 3] for i, character in enumerate(text))
    return str(total % 10)


def _value(character: str) -> int:
    if character == FILLER:
        return 0
    return int(character) if character.isdigit() else ord(character) - ord("A") + 10


def parse(lines: list[str], today: date | None = None) -> Mrz:
    """Read three lines of 30 characters (TD1) or two of 44 (TD3).

    Fields that hold only digits or only letters are first cleared of look-alikes (O for 0 and so on). A TD1
    document number longer than nine characters is not supported (Kazakhstan's have nine).

    Args:
        lines: As they stand in the zone, from top to bottom.
        today: Nobody was born after it. None: the present day in Kazakhstan.

    Raises:
        MrzError: the lines have another shape, other characters, or a check digit that disagrees.
    """
    if any(set(line) - set(ALPHABET) for line in lines):
        raise MrzError("The zone has characters that no machine-readable zone has.")
    if [len(line) for line in lines] == [30, 30, 30]:
        return _td1(today or _today(), *lines)
    if [len(line) for line in lines] == [44, 44]:
        return _td3(today or _today(), *lines)
    raise MrzError("The zone is neither three lines of 30 characters nor two of 44.")


def _td1(today: date, first: str, second: str, third: str) -> Mrz:
    number = _number(first[5:14], _digits(first[14]))
    optional = _optional(first[15:30])
    birth, birth_check = _digits(second[0:6]), _digits(second[6])
    expiry, expiry_check = _digits(second[8:14]), _digits(second[14])
    _checked("birth date", birth, birth_check)
    _checked("expiry date", expiry, expiry_check)
    covered = number + _digits(first[14]) + optional + birth + birth_check + expiry + expiry_check
    _checked("whole zone", covered + second[18:29], _digits(second[29]))
    return _mrz("TD1", first, number, optional, (birth, second[7], expiry), second[15:18], third, today)


def _td3(today: date, first: str, second: str) -> Mrz:
    number = _number(second[0:9], _digits(second[9]))
    optional = _optional(second[28:42])
    birth, birth_check = _digits(second[13:19]), _digits(second[19])
    expiry, expiry_check = _digits(second[21:27]), _digits(second[27])
    _checked("birth date", birth, birth_check)
    _checked("expiry date", expiry, expiry_check)
    optional_check = second[42] if second[42] == FILLER else _digits(second[42])
    if optional.strip(FILLER) or optional_check != FILLER:
        _checked("personal number", optional, optional_check)
    covered = number + _digits(second[9]) + birth + birth_check + expiry + expiry_check
    _checked("whole zone", covered + optional + optional_check, _digits(second[43]))
    return _mrz("TD3", first, number, optional, (birth, second[20], expiry), second[10:13], first[5:44], today)


def _mrz(  # noqa: PLR0917 - the fields of a record, one caller per layout
    layout: Literal["TD1", "TD3"],
    first: str,
    number: str,
    optional: str,
    person: tuple[str, str, str],
    nationality: str,
    names: str,
    today: date,
) -> Mrz:
    birth, sex, expiry = person
    expiry_date = _date("expiry date", f"20{expiry}")
    iin = _iin(optional)
    surname, _, given = names.translate(_TO_LETTER).strip(FILLER).partition(FILLER * 2)
    return Mrz(
        layout=layout,
        document_type=first[0:2].strip(FILLER),
        issuer=first[2:5].translate(_TO_LETTER).strip(FILLER),
        document_number=number.strip(FILLER),
        iin=iin,
        birth_date=_birth_date(birth, iin, min(expiry_date, today)),
        expiry_date=expiry_date,
        sex="F" if sex == "F" else "M" if sex == "M" else "X",
        nationality=nationality.translate(_TO_LETTER).strip(FILLER),
        surname=_words(surname),
        given_names=_words(given),
    )


def _number(text: str, digit: str) -> str:
    """Return the document number, as digits alone if it can be that: Kazakhstan's cards have nine digits.

    A check digit by itself cannot tell: of ten letters taken for digits it lets one pass.
    """
    digits = _digits(text)
    if digits.strip(FILLER).isdecimal() and check_digit(digits) == digit:
        return digits
    return _checked("document number", text, digit)


def _optional(text: str) -> str:
    """Clear the optional data of look-alikes where it can only be an IIN: twelve characters and filler."""
    digits = _digits(text[:_IIN_LENGTH])
    is_iin = digits.isdecimal() and not text[_IIN_LENGTH:].strip(FILLER)
    return digits + text[_IIN_LENGTH:] if is_iin else text


def _iin(optional: str) -> str | None:
    text = optional.strip(FILLER)
    return text if len(text) == _IIN_LENGTH and text.isdecimal() else None


def _words(text: str) -> str:
    return " ".join(word for word in text.split(FILLER) if word)


def _digits(text: str) -> str:
    return text.translate(_TO_DIGIT)


def _checked(field: str, text: str, digit: str) -> str:
    if check_digit(text) != digit:
        raise MrzError(f"The check digit of the {field} disagrees.")
    return text


def _date(field: str, text: str) -> date:
    try:
        return date(int(text[0:4]), int(text[4:6]), int(text[6:8]))
    except ValueError as error:
        raise MrzError(f"The {field} is no date.") from error


def _today() -> date:
    return datetime.now(UTC).astimezone(KAZAKHSTAN_TIME).date()


def _birth_date(birth: str, iin: str | None, latest: date) -> date | None:
    """Return the day of birth, which is not after the latest; nothing where the zone does not say all of it."""
    if _UNKNOWN.fullmatch(birth):
        return None
    centuries = [20, 19]
    if iin is not None and iin.startswith(birth):
        centuries = [_CENTURIES.get(iin[len(birth)], 20), *centuries]
    days = [day for century in centuries if (day := _day(f"{century}{birth}")) is not None and day <= latest]
    if not days:
        raise MrzError("The birth date is no date of the past.")
    return days[0]


def _day(text: str) -> date | None:
    """Return the day, if there is such one: a year has 29 February in one century and not in another."""
    try:
        return _date("birth date", text)
    except MrzError:
        return None
