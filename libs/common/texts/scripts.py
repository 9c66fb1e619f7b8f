"""Kazakh from Cyrillic into Arabic and Latin script, for texts whose words we chose ourselves.

Arabic letters and the hamza follow the spelling used in China; Latin letters are those of the alphabet of 2021.
Tables and exceptions are data (`data/scripts.json`). The way back loses letters, and legal names are spelt as a
person's papers spell them: neither is done here.
"""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter

from libs.common.core.model import Model
from libs.common.texts.languages import Language

_DATA: Final = Path(__file__).parent / "data" / "scripts.json"
_PART: Final = re.compile(
    r"(?P<kept>https?://\S+|\S+@\S+\.\w+|%\(\w+\)s|(?<=\d)[,.](?=\d))"
    r"|(?P<word>[\u0400-\u04ff]+)"
    r"|(?P<mark>[^\w\s])"
)
_FRONT: Final = re.compile("[әөүі]")
_FRONT_BY_ITSELF: Final = re.compile("[еэгғкқ]")
_HAMZA: Final = "\u0674"


class _Script(Model):
    """How to write one script: letter by letter, but for words that begin with one of the stems."""

    letters: Mapping[str, str]
    stems: Mapping[str, str]
    marks: Mapping[str, str]

    def write(self, word: str) -> str:
        """Write a lower-case word."""
        stem = max((stem for stem in self.stems if word.startswith(stem)), key=len, default="")
        return self.stems.get(stem, "") + "".join(self.letters.get(letter, letter) for letter in word[len(stem) :])


def in_script(text: str, language: Language) -> str:
    """Write a text in the script of the language. Cyrillic Kazakh, Russian and English stay as they are.

    Placeholders, addresses of the web and of e-mail, Latin words and numbers are not touched.
    """
    if language is language.written:
        return text
    script = _scripts()[language.removeprefix("kk-")]

    def write(part: re.Match[str]) -> str:
        if (word := part["word"]) is not None:
            return _arabic(script, word.lower()) if language is Language.KAZAKH_ARABIC else _latin(script, word)
        return part[0] if part["mark"] is None else script.marks.get(part[0], part[0])

    return _PART.sub(write, text)


def _arabic(script: _Script, word: str) -> str:
    """Mark a word with a front vowel by a high hamza, unless another of its letters shows it already."""
    marked = _FRONT.search(word) and not _FRONT_BY_ITSELF.search(word)
    return f"{_HAMZA if marked else ''}{script.write(word)}"


def _latin(script: _Script, word: str) -> str:
    """Keep capitals. The dotted and the dotless i are two letters, so capitals are Turkish ones."""
    written = script.write(word.lower())
    if word.isupper() and len(word) > 1:
        return _capital(written)
    return _capital(written[:1]) + written[1:] if word[:1].isupper() else written


def _capital(letters: str) -> str:
    return letters.replace("i", "\u0130").replace("\u0131", "I").upper()


@cache
def _scripts() -> Mapping[str, _Script]:
    return TypeAdapter(dict[str, _Script]).validate_json(_DATA.read_bytes())
