"""Reads the digits printed on a side of a document: its IIN, its number, its dates.

What is printed on a front beside the portrait is what ties the portrait to a machine-readable zone elsewhere: a zone
by itself may belong to anybody's card. Letters are not read. A digit that is not certain makes its whole group
unread, for a number that is almost another's is another's.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final, NamedTuple

import cv2
import numpy as np

from services.biometrics.document.glyphs import HEIGHT, OTHER, TALL, WIDTH, Glyphs, Grey, Patches, print_glyphs
from services.biometrics.document.mrz import Mrz
from services.biometrics.document.mrz_reader import BAND

_INK: Final = 165
"""Darker than this part of the paper (of 255) is print; the pattern beneath it is lighter."""
_TALL, _WIDE = (11, 60), (0.10, 0.98)
"""Heights of a digit, pixels; and its widths, in heights."""
_FEWEST: Final = 8
"""A date has eight digits; nothing shorter is looked for."""
_CERTAIN: Final = 0.9
_UNCERTAIN: Final = "~"
_SPACE: Final = 0.42
"""A gap wider than this, in heights, parts words; the points in a date may or may not make one."""
_IIN: Final = re.compile(r"(?<![^ ])\d{12}(?![^ ])")
_DATE: Final = re.compile(r"(?<![^ ])(\d\d) ?(\d\d) ?([12]\d{3})(?![^ ])")
_CARD_NUMBER: Final = re.compile(r"(?<![^ ])\d{9}(?![^ ])")
_PASSPORT_NUMBER: Final = re.compile(r"(?<![^ ])\? ?(\d{8})(?![^ ])")


@dataclass(frozen=True, slots=True)
class Print:
    """What could be read with certainty. Of a passport's number the letter is left out."""

    iins: frozenset[str] = frozenset()
    numbers: frozenset[str] = frozenset()
    dates: frozenset[date] = frozenset()


class _Box(NamedTuple):
    left: int
    top: int
    right: int
    bottom: int

    @property
    def tall(self) -> int:
        return self.bottom - self.top


@dataclass(slots=True)
class _Row:
    """Boxes of about one height that follow each other on one line."""

    boxes: list[_Box] = field(default_factory=list)

    def goes_on_with(self, box: _Box) -> bool:
        last = self.boxes[-1]
        least = 0.18 * last.tall
        same_line = abs(box.bottom - last.bottom) <= least and abs(box.tall - last.tall) <= least
        return same_line and -least < box.left - last.right < 0.95 * last.tall


class PrintReader:
    """Finds groups of digits by their outlines and names each digit."""

    def __init__(self, glyphs: Glyphs | None = None) -> None:
        self._glyphs = glyphs or print_glyphs()

    def read(self, ink: Grey, *, has_zone: bool) -> Print:
        """Read the print of an upright side (paper 255), without its machine-readable zone where it has one."""
        above = ink[: round(ink.shape[0] * BAND)] if has_zone else ink
        texts = [self._text(above, row.boxes) for row in _rows(above)]
        numbers = {match for text in texts for match in _CARD_NUMBER.findall(text) + _PASSPORT_NUMBER.findall(text)}
        dates = {found for text in texts for groups in _DATE.findall(text) if (found := _date(*groups)) is not None}
        iins = {match for text in texts for match in _IIN.findall(text)}
        return Print(frozenset(iins), frozenset(numbers), frozenset(dates))

    def _text(self, ink: Grey, boxes: Sequence[_Box]) -> str:
        reading = self._glyphs.read(np.stack([_patch(ink, box) for box in boxes]))
        text = ""
        for glyph, sure, box, before in zip(reading.text, reading.certainty, boxes, [boxes[0], *boxes], strict=False):
            text += " " if box.left - before.right > _SPACE * box.tall else ""
            text += glyph if glyph == OTHER or sure >= _CERTAIN else _UNCERTAIN
        return text


def contradicts(zone: Mrz, front: Print, back: Print | None) -> bool:
    """Return whether print that was read belongs to another document than the zone.

    Args:
        zone: The machine-readable zone.
        front: What is printed beside the portrait.
        back: What is printed beside the zone, if that is another side.
    """
    others = back or front
    number = zone.document_number.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    return (
        _lacks(front.iins, zone.iin)
        or _lacks(front.dates, zone.birth_date)
        or _lacks(front.numbers | others.numbers, number)
        or (back is not None and _lacks(back.dates, zone.expiry_date))
    )


def _lacks(read: frozenset[str] | frozenset[date], expected: str | date | None) -> bool:
    return bool(read) and expected is not None and expected not in read


def _rows(ink: Grey) -> Iterator[_Row]:
    """Return the rows of boxes that are long enough to hold something of interest."""
    rows: list[_Row] = []
    for box in _boxes(ink):
        row = next((row for row in reversed(rows) if row.goes_on_with(box)), None)
        if row is None:
            rows.append(_Row([box]))
        else:
            row.boxes.append(box)
    return (row for row in rows if len(row.boxes) >= _FEWEST)


def _boxes(ink: Grey) -> list[_Box]:
    """Return the outlines that may be digits, from left to right."""
    # All components, those within another's hole too: several times faster than labelling them.
    outlines, nesting = cv2.findContours((ink < _INK).astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    if not outlines:
        return []
    outer = [outline for outline, (*_, around) in zip(outlines, nesting[0], strict=True) if around < 0]
    left, top, wide, tall = np.array([cv2.boundingRect(each) for each in outer], np.intp).T
    fit = (tall >= _TALL[0]) & (tall <= _TALL[1]) & (wide >= _WIDE[0] * tall) & (wide <= _WIDE[1] * tall)
    found = np.column_stack([left, top, left + wide, top + tall])[fit]
    return [_Box(*map(int, box)) for box in found[np.lexsort((found[:, 1], found[:, 0]))]]


def _patch(ink: Grey, box: _Box) -> Patches:
    """Cut one box out, alone on paper, as tall as the classifier knows digits."""
    glyph = ink[box.top : box.bottom, box.left : box.right]
    wide = min(round((box.right - box.left) * TALL / box.tall), WIDTH - 2)
    small = cv2.resize(glyph, (max(wide, 1), TALL), interpolation=cv2.INTER_AREA)
    patch = np.full((HEIGHT, WIDTH), 255, np.float32)
    row, column = (HEIGHT - TALL) // 2, (WIDTH - small.shape[1]) // 2
    patch[row : row + TALL, column : column + small.shape[1]] = small
    return patch


def _date(day: str, month: str, year: str) -> date | None:
    try:
        return date(int(year), int(month), int(day))
    except ValueError:
        return None
