"""Texts in Kazakh, Russian and English: data that translators can edit without touching code."""

import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter

Tongue = Literal["kk", "ru", "en"]
_TONGUES: Final[tuple[Tongue, ...]] = ("kk", "ru", "en")
_GUIDANCE: Final = Path(__file__).parent / "data" / "guidance.json"
_READ: Final = 400
"""Characters: nobody reads more languages."""
_RANGE: Final = re.compile(
    r"\s*(\*|[a-z]{1,8}(?:-[a-z0-9]{1,8})*)\s*(?:;\s*q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\s*)?", re.IGNORECASE
)


class Text(BaseModel):
    """One text in the three languages, the Kazakh one in Cyrillic script."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    kk: str
    ru: str
    en: str

    def in_tongue(self, tongue: Tongue) -> str:
        """Return the text in one of the languages."""
        return {"kk": self.kk, "ru": self.ru, "en": self.en}[tongue]

    def also(self) -> str:
        """Return the Russian and the English text on one line."""
        return f"{self.ru} · {self.en}" if self.ru != self.en else self.ru


@lru_cache
def read_texts(path: Path) -> Mapping[str, Text]:
    """Read texts by their keys from a file."""
    return TypeAdapter(dict[str, Text]).validate_json(path.read_bytes())


def guidance() -> Mapping[str, Text]:
    """Return what a face check may tell a citizen: movements, what to change, and why a try failed."""
    return read_texts(_GUIDANCE)


def preferred(accepted: str) -> Tongue:
    """Choose by an ``Accept-Language`` (RFC 9110 section 12.5.4, lookup by RFC 4647 section 3.4); English, if by none.

    What cannot be read of it is passed over.
    """
    ranges = (_RANGE.fullmatch(each) for each in accepted[:_READ].split(","))
    weighed = [(float(found[2] or 1), found[1].lower().partition("-")[0]) for found in ranges if found]
    by_weight = sorted((each for each in weighed if each[0] > 0), key=lambda each: -each[0])
    return next((tongue for _, wanted in by_weight for tongue in _TONGUES if tongue == wanted), "en")
