"""Days, moments and numbers as people of a language write them.

CLDR has Kazakh in Cyrillic and in Arabic script, but not in Latin; both are derived here from the Cyrillic form, so
that a date agrees with the text around it. A test compares the Arabic month names with CLDR's.
"""

from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Final

from babel.dates import format_date
from babel.numbers import format_decimal

from libs.common.texts.languages import Language
from libs.common.texts.scripts import in_script

KAZAKHSTAN_TIME: Final = timezone(timedelta(hours=5), "Asia/Almaty")
"""One zone for the whole country since 1 March 2024."""
_DAY: Final = {
    Language.KAZAKH: "y 'жылғы' d MMMM",
    Language.RUSSIAN: "d MMMM y 'года'",
    Language.ENGLISH: "d MMMM y",
}


def format_day(day: date, language: Language) -> str:
    """Write a day with the name of its month, as official letters do."""
    return in_script(format_date(day, _DAY[language.written], locale=language.written), language)


def format_moment(moment: datetime, language: Language) -> str:
    """Write a moment in Kazakhstan's time, to the minute."""
    local = moment.astimezone(KAZAKHSTAN_TIME)
    return f"{format_day(local.date(), language)}, {local:%H:%M}"


def format_fact(fact: object, language: Language) -> str:
    """Write a fact for a text: days, moments and numbers by the language, anything else as it is."""
    match fact:
        case datetime():
            return format_moment(fact, language)
        case date():
            return format_day(fact, language)
        case bool():
            return str(fact)
        case int() | float() | Decimal():
            return format_decimal(fact, locale=language.written)
        case _:
            return str(fact)
