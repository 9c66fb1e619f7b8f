# ruff: noqa: RUF001 - the letters of two scripts are what this table is about
"""Kazakh from Cyrillic into Arabic script, for the fixed headings of a document.

The way back loses letters, and legal names are spelt as the person's papers spell them: neither is done here.
"""

import re
from typing import Final

_GROUPS: Final = {
    "аә": "ا",
    "б": "ب",
    "в": "ۆ",
    "г": "گ",
    "ғ": "ع",
    "д": "د",
    "еэ": "ە",
    "ё": "يو",
    "ж": "ج",
    "з": "ز",
    "ий": "ي",
    "к": "ك",
    "қ": "ق",
    "л": "ل",
    "м": "م",
    "н": "ن",
    "ң": "ڭ",
    "оө": "و",
    "п": "پ",
    "р": "ر",
    "с": "س",
    "т": "ت",
    "у": "ۋ",
    "ұү": "ۇ",
    "ф": "ف",
    "х": "ح",
    "һ": "ھ",
    "ц": "تس",
    "ч": "چ",
    "ш": "ش",
    "щ": "شش",
    "ъь": "",
    "ыі": "ى",
    "ю": "يۋ",
    "я": "يا",
}
_LETTERS: Final = {letter: arabic for letters, arabic in _GROUPS.items() for letter in letters}
_FRONT: Final = re.compile("[әөүі]")
_FRONT_BY_ITSELF: Final = re.compile("[еэгғкқ]")
_HAMZA: Final = "\u0674"
_MARKS: Final = str.maketrans({",": "،", ";": "؛", "?": "؟"})


def to_arabic(phrase: str) -> str:
    """Write a Kazakh phrase in Arabic script.

    A word with a front vowel is marked by a high hamza, unless another of its letters shows it already.
    """
    return re.sub(r"\w+", lambda found: _word(found.group().lower()), phrase).translate(_MARKS)


def _word(word: str) -> str:
    letters = "".join(_LETTERS.get(letter, letter) for letter in word)
    marked = _FRONT.search(word) and not _FRONT_BY_ITSELF.search(word)
    return _HAMZA + letters if marked else letters
