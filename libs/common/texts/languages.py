"""The languages and scripts in which people are addressed, and how to choose one."""

import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final, Literal


class Language(StrEnum):
    """A language in one script (BCP 47). Kazakh in Cyrillic script is the default and comes first."""

    KAZAKH = "kk"
    RUSSIAN = "ru"
    ENGLISH = "en"
    KAZAKH_ARABIC = "kk-Arab"
    KAZAKH_LATIN = "kk-Latn"

    @property
    def written(self) -> "Language":
        """Return the language whose texts are written by hand: the other scripts of Kazakh are derived from it."""
        return Language.KAZAKH if self.startswith("kk") else self

    @property
    def direction(self) -> Literal["ltr", "rtl"]:
        """Return the direction of writing, as HTML's ``dir`` names it."""
        return "rtl" if self is Language.KAZAKH_ARABIC else "ltr"


WRITTEN: Final = (Language.KAZAKH, Language.RUSSIAN, Language.ENGLISH)
"""The languages that translators write, in the order in which one stands in for another."""

# In China and Iran Kazakh is written in Arabic script (CLDR, likely subtags).
_BY_TAG: Final[Mapping[str, Language]] = {
    **{language.lower(): language for language in Language},
    "kk-cn": Language.KAZAKH_ARABIC,
    "kk-ir": Language.KAZAKH_ARABIC,
}
_MOST_CHARS: Final = 400
"""Of a header: nobody reads more languages."""
_RANGE: Final = re.compile(
    r"\s*(\*|[a-z]{1,8}(?:-[a-z0-9]{1,8})*)\s*(?:;\s*q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\s*)?", re.IGNORECASE
)


def negotiate(accept_language: str) -> Language:
    """Choose by an ``Accept-Language`` (RFC 9110 section 12.5.4, lookup by RFC 4647 section 3.4).

    Parts that do not follow the grammar are ignored. ``*`` and a header without a language of ours give the first
    language that is not excluded by ``q=0``; if all are, Kazakh.
    """
    found = [match for part in accept_language[:_MOST_CHARS].split(",") if (match := _RANGE.fullmatch(part))]
    weighed = sorted(((float(match[2] or 1), match[1].lower()) for match in found), key=lambda each: -each[0])
    excluded = tuple(wanted for weight, wanted in weighed if not weight)
    default = next((language for language in Language if not _covered(language, excluded)), Language.KAZAKH)
    for weight, wanted in weighed:
        if weight and (wanted == "*" or _lookup(wanted)):
            return _lookup(wanted) or default
    return default


def from_locale(environ: Mapping[str, str]) -> Language:
    """Choose by the locale of a process, in gettext's order: LANGUAGE, LC_ALL, LC_MESSAGES, LANG."""
    names = [*environ.get("LANGUAGE", "").split(":"), *(environ.get(name, "") for name in _LOCALE_VARIABLES)]
    return next((language for name in names if (language := _lookup(_tag(name)))), Language.KAZAKH)


_LOCALE_VARIABLES: Final = ("LC_ALL", "LC_MESSAGES", "LANG")
_MODIFIERS: Final = {"latin": "kk-latn", "arabic": "kk-arab"}


def _tag(locale: str) -> str:
    """Read a POSIX locale, such as ``kk_KZ.UTF-8`` or ``kk_KZ@latin``, as a language tag."""
    name, _, modifier = locale.lower().partition("@")
    tag = name.partition(".")[0].replace("_", "-")
    return _MODIFIERS.get(modifier, tag) if tag.startswith("kk") else tag


def _lookup(wanted: str) -> Language | None:
    """Find the language of a tag, dropping subtags from its end until one fits."""
    while wanted and wanted not in _BY_TAG:
        wanted = wanted.rpartition("-")[0]
    return _BY_TAG.get(wanted)


def _covered(language: Language, ranges: Iterable[str]) -> bool:
    return any(f"{language.lower()}-".startswith(f"{each}-") for each in ranges)
