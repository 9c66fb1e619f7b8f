"""Text for people, by text key and language. The texts themselves are data, in `translations`.

A translation file has two tables: ``[lines]`` for what a timeline shows, ``[problems.<key>]`` with `happened`,
`means` and `remedy` for what went wrong. ``$name`` stands for a detail of that name. What a language lacks is shown
in English, and what English lacks by its key, so that nothing is ever left blank. What face checks tell is common to
the service and its clients, and has its texts in `libs.common.web.texts`.
"""

import tomllib
from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from pathlib import Path
from string import Template
from typing import Final

from pydantic import BaseModel, ConfigDict

from libs.common.web.texts import Tongue, guidance

_FOLDER: Final = Path(__file__).with_name("translations")


class Language(StrEnum):
    """The languages and scripts of the interface (BCP 47). Kazakh in Arabic script runs from right to left."""

    ENGLISH = "en"
    RUSSIAN = "ru"
    KAZAKH_CYRILLIC = "kk-Cyrl"
    KAZAKH_ARABIC = "kk-Arab"
    KAZAKH_LATIN = "kk-Latn"


_TONGUES: Final[Mapping[Language, Tongue]] = {Language.RUSSIAN: "ru", Language.KAZAKH_CYRILLIC: "kk"}


class Explanation(BaseModel):
    """What happened, what it means, and what to do."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    happened: str
    means: str = ""
    remedy: str = ""


class Catalogue(BaseModel):
    """All texts of one language."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    lines: dict[str, str] = {}
    problems: dict[str, Explanation] = {}


@cache
def catalogue(language: Language) -> Catalogue:
    """Read a translation. One that has not been made yet is empty."""
    path = _FOLDER / f"{language}.toml"
    return Catalogue.model_validate(tomllib.loads(path.read_text("utf-8"))) if path.exists() else Catalogue()


def text(key: str, detail: Mapping[str, object] | None = None, language: Language = Language.ENGLISH) -> str:
    """Return the line for `key`, with `detail` filled in."""
    if (words := guidance().get(key)) is not None:
        return words.in_tongue(_TONGUES.get(language, "en"))
    for source in (language, Language.ENGLISH):
        if (line := catalogue(source).lines.get(key)) is not None:
            return _filled(line, detail or {})
    return key


def explain(
    key: str, told: str, detail: Mapping[str, object] | None = None, language: Language = Language.ENGLISH
) -> Explanation:
    """Explain what went wrong. Where no catalogue knows `key`, what the service `told` is all there is."""
    for source in (language, Language.ENGLISH):
        if (found := catalogue(source).problems.get(key)) is not None:
            return Explanation.model_validate({name: _whole(part, detail or {}) for name, part in found})
    return Explanation(happened=told)


def _whole(part: str, detail: Mapping[str, object]) -> str:
    """Fill in, or leave the part out where a detail it speaks of was not given."""
    given = {name for name, value in detail.items() if value is not None}
    return _filled(part, detail) if set(Template(part).get_identifiers()) <= given else ""


def _filled(line: str, detail: Mapping[str, object]) -> str:
    return Template(line).safe_substitute({name: str(value) for name, value in detail.items()})
