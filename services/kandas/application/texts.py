"""What documents say, in Kazakh, Russian and English: data that translators can edit without touching code."""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter

from libs.common.web.texts import Text, read_texts

_DATA: Final = Path(__file__).parents[1] / "data"


class _Country(Text):
    alpha3: str


def text(key: str) -> Text:
    """Give a text by its key.

    Raises:
        KeyError: there is no such text.
    """
    return _texts("texts.json")[key]


def region(code: str) -> Text | None:
    """Give the name of a region by its ISO 3166-2 code, such as ``KZ-75``."""
    return _texts("regions.json").get(code)


def region_codes() -> tuple[str, ...]:
    """Give the codes of all regions."""
    return tuple(_texts("regions.json"))


def country(code: str) -> Text:
    """Give the name of a country by its ISO 3166-1 code; where no name is held, the code stands for it."""
    return _countries().get(code, Text(kk=code, ru=code, en=code))


def _texts(name: str) -> Mapping[str, Text]:
    return read_texts(_DATA / name)


@lru_cache
def _countries() -> dict[str, Text]:
    entries = TypeAdapter(dict[str, _Country]).validate_json((_DATA / "countries.json").read_bytes())
    return {**entries, **{entry.alpha3: entry for entry in entries.values()}}
