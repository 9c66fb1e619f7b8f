"""Reads the machine-readable zone off a rectified side: finds its lines, divides them into cells, names each."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from services.biometrics.document.binarise import Side, dark, row_of_patches, upright
from services.biometrics.document.glyphs import Glyphs, Grey, zone_glyphs
from services.biometrics.document.mrz import Mrz, MrzError, parse

_LAYOUTS: Final = ((3, 30), (2, 44))
# The zone takes the lowest third of either format (Doc 9303 parts 4 and 5).
BAND: Final = 0.62
"""Where the zone's band begins, as a share of the side's height."""
_LEAST_TALL: Final = 10
_FAINTEST: Final = 0.04
"""Share of a row that print covers: in a zone's line it is a tenth and more."""
_LEAST_WIDE: Final = 0.7
_FREE: Final = np.linspace(0.04, 0.48, 12)
"""How much of its cell the first and the last character of a line leave free together, as tried."""
_SHIFTS: Final = np.linspace(-0.05, 0.45, 11)
"""How much of it lies on the left, in cells."""
_TRIED: Final = 3
_GAP: Final = 1.4
"""A gap in a line that is wider than this, in heights of its letters, ends the zone's print."""


@dataclass(frozen=True, slots=True, eq=False)
class ZoneLine:
    """A line of print: its part of the side with some paper around, and where its letters are in it.

    Attributes:
        left, right: The columns where the print begins and ends.
        middle: The row of the letters' middle in the first column.
        slope: How far the line falls for each pixel across.
        tall: How tall its letters are, pixels.
    """

    ink: Grey
    left: int
    right: int
    middle: float
    slope: float
    tall: float

    @classmethod
    def of(cls, ink: Grey, top: int, bottom: int) -> Self:
        """Take the line whose letters take these rows of `ink`."""
        mask = dark(ink[top:bottom])
        left, right = _extent(mask)
        slope = _slope(mask[:, left:right])
        middle = (top + bottom) / 2 - slope * (left + right) / 2
        return cls(ink, left, right, middle, slope, max(bottom - top - abs(slope) * (right - left), _LEAST_TALL))

    def cells(self, left: float, pitch: float) -> NDArray[np.float64]:
        """Return the matrix that cuts the line into cells from `left` on."""
        return upright(left, self.middle + self.slope * left, pitch, self.tall, self.slope)

    def profile(self) -> NDArray[np.float64]:
        """Return how much ink each column has, 0 to 1, a little smoothed."""
        half = self.tall / 2
        rows = self.ink[max(round(self.middle - half), 0) : round(self.middle + half)]
        return np.asarray(cv2.blur(1 - rows.mean(axis=0)[None] / 255, (3, 1))[0], np.float64)


class MrzReader:
    """Believes what every check digit confirms."""

    def __init__(self, glyphs: Glyphs | None = None) -> None:
        self._glyphs = glyphs or zone_glyphs()

    def read(self, sides: Iterable[Side]) -> tuple[Mrz, Side] | None:
        """Return the zone at the foot of the first of `sides` that has one, and that side; or nothing."""
        for side in sides:
            lines = list(lines_of(side.print[round(side.print.shape[0] * BAND) :]))
            for count, length in _LAYOUTS:
                if len(lines) < count:
                    continue
                try:
                    return parse(self._texts(lines[-count:], length)), side
                except MrzError:
                    continue
        return None

    def _texts(self, lines: Sequence[ZoneLine], length: int) -> list[str]:
        """Read the lines in each of the likeliest divisions, and believe the reading that is surest of itself."""
        texts_read = [
            [self._glyphs.read(row_of_patches(line.ink, line.cells(left, pitch), length)) for line in lines]
            for left, pitch in _divisions(lines, length)
        ]
        best = max(texts_read, key=lambda texts: sum(float(np.log(text.certainty).sum()) for text in texts))
        return [text.text for text in best]


def lines_of(band: Grey) -> Iterator[ZoneLine]:
    """Find the lines of print that reach over most of the width, from top to bottom."""
    ink = dark(band)
    share = ink.mean(axis=1)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], share > _FAINTEST, [False]])))
    for top, bottom in pairwise(map(int, edges)):
        columns = np.flatnonzero(ink[top:bottom].any(axis=0))
        wide = columns.size and columns[-1] - columns[0] > _LEAST_WIDE * band.shape[1]
        if share[top] > _FAINTEST and wide and bottom - top >= _LEAST_TALL:
            margin = (bottom - top) // 3
            first = max(top - margin, 0)
            yield ZoneLine.of(band[first : bottom + margin], top - first, bottom - first)


def _divisions(lines: Sequence[ZoneLine], count: int) -> list[tuple[float, float]]:
    """Divide lines into the same `count` cells in the ways by which least ink lies where cells meet.

    Returns: where the first cell begins, and how wide a cell is.
    """
    # A speck or the card's edge makes one line too long; the middle one of three, or the inner one of two, is right.
    left = sorted(line.left for line in lines)[len(lines) // 2]
    right = sorted(line.right for line in lines)[(len(lines) - 1) // 2]
    free, shift = np.meshgrid(_FREE, _SHIFTS)
    pitch = (right - left) / (count - free)
    begin = left - shift * pitch
    borders = begin[..., None] + pitch[..., None] * np.arange(count + 1)
    met = np.zeros_like(pitch)
    for line in lines:
        profile = line.profile()
        met += np.interp(borders, np.arange(len(profile)), profile).sum(axis=-1)
    # The best shift for each width of the cells: neighbours in both would be nearly the same division.
    best = met.argmin(axis=0)
    widths = met.min(axis=0).argsort()[:_TRIED]
    return [(float(begin[best[n], n]), float(pitch[best[n], n])) for n in widths]


def _extent(mask: NDArray[np.bool_]) -> tuple[int, int]:
    """Return where the print begins and ends: the longest stretch of ink without a gap wider than two characters."""
    tall = mask.shape[0]
    columns = np.flatnonzero(mask.sum(axis=0) > 0.12 * tall)
    if not columns.size:
        return 0, mask.shape[1]
    stretches = np.split(columns, np.flatnonzero(np.diff(columns) > _GAP * tall) + 1)
    longest = max(stretches, key=lambda stretch: int(stretch[-1] - stretch[0]))
    return int(longest[0]), int(longest[-1]) + 1


def _slope(mask: NDArray[np.bool_]) -> float:
    """Return how far the line falls for each pixel across: a straight line through the middles of its ink."""
    weights = mask.sum(axis=0)
    columns = np.flatnonzero(weights)
    middles = (np.arange(mask.shape[0]) @ mask)[columns] / weights[columns]
    return float(np.polyfit(columns, middles, 1, w=np.sqrt(weights[columns]))[0])
