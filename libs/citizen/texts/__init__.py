"""The client's words, in the language of the person at this machine.

The texts stand in ``kk.po``, ``ru.po`` and ``en.po`` beside this module, and in the files that all services share.
What a service refuses comes in its own words and is shown as it is: none of these are repeated here.
"""

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Final

from libs.citizen.errors import CitizenError, ProblemError
from libs.common.texts.catalogue import SHARED, Catalogue
from libs.common.texts.languages import Language

UNKNOWN: Final = "unknown"
"""The error that stands for those without words."""
_CHOSEN: Final[ContextVar[Language]] = ContextVar("language", default=Language.KAZAKH)


@cache
def catalogue() -> Catalogue:
    """Return the client's texts, with those it shares with the services."""
    return Catalogue.load(SHARED, Path(__file__).parent)


def choose(language: Language) -> None:
    """Address the person in this language from now on."""
    _CHOSEN.set(language)


def chosen() -> Language:
    """Return the language in which the person is addressed."""
    return _CHOSEN.get()


def words(key: str, **facts: object) -> str:
    """Return a text in the chosen language, with its facts filled in."""
    return catalogue().text(key, chosen(), **facts)


def line(key: str, detail: Mapping[str, object]) -> str:
    """Return what a timeline shows for an entry. A key of a newer service is shown as an event without a name."""
    if key not in catalogue():
        return words("timeline.unnamed", code=key)
    return words(key, **{name: _fact(value) for name, value in detail.items()})


def hint(key: str) -> str | None:
    """Return guidance in words, or None if the key is unknown here."""
    return words(key) if key in catalogue() else None


@dataclass(frozen=True, slots=True)
class Explanation:
    """What happened; then what it means and what to do, as far as there is something to say."""

    happened: str
    more: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """Everything in one paragraph."""
        return " ".join((self.happened, *self.more))


def explain(error: CitizenError) -> Explanation:
    """Explain an error: in the service's own words where it sent some, else in ours.

    The parts of ours are ``error.<key>.happened``, ``.means`` and ``.remedy``; for what a service would refuse too,
    ``problem.<key>`` is shared with it.
    """
    if isinstance(error, ProblemError) and error.title:
        return Explanation(error.title, (error.detail,) if error.detail else ())
    known = error.text in catalogue()  # what ends a journey has a line in its timeline
    happened = _part(error, "happened") or (error.text if known else f"error.{UNKNOWN}.happened")
    more = (_part(error, part) for part in ("means", "remedy"))
    return Explanation(words(happened, **error.facts), tuple(words(each, **error.facts) for each in more if each))


def _part(error: CitizenError, part: str) -> str | None:
    """Return the id of a part of the explanation, of our own or of one that services share."""
    candidates = (f"{kind}.{error.text}.{part}" for kind in ("error", "problem"))
    return next((each for each in candidates if each in catalogue()), None)


def _fact(value: object) -> object:
    """Read days and moments, which JSON has as text, so that they are written as the language does."""
    if not isinstance(value, str):
        return value
    for read in (date.fromisoformat, datetime.fromisoformat):
        try:
            return read(value)
        except ValueError:
            continue
    return value
