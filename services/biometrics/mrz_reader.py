"""Reads the machine-readable zone off a rectified card, line by line, with Tesseract."""

import re
from collections.abc import Sequence
from itertools import pairwise

import cv2
import numpy as np

from services.biometrics.decode import Picture
from services.biometrics.mrz import ALPHABET, FILLER, Mrz, MrzError, parse
from services.biometrics.tesseract import Grey, Tesseract

_LAYOUTS = ((3, 30), (2, 44))
_FEWEST_LINES, _MOST_LINES = 2, 3
# The zone takes the lowest third of either format (Doc 9303 parts 4 and 5).
_BAND = 0.62
# Height of a line with its margins at which Tesseract was measured to read OCR-B best, pixels.
_LINE = 36
# Standard deviation of a blur, pixels: what is misread once is often read right when the print is a little softer.
_SOFTNESS = (0.0, 0.8)


class MrzReader:
    """Finds lines of print, has Tesseract read them, and believes what every check digit confirms."""

    def __init__(self, tesseract: Tesseract | None = None) -> None:
        """Look for Tesseract, if it is not given. Raises FileNotFoundError if it is missing."""
        self._tesseract = tesseract or Tesseract(ALPHABET)

    def read(self, sides: Sequence[Picture]) -> Mrz | None:
        """Return the zone at the foot of the first of `sides` that has one, or nothing.

        Lines of all sides are read together, because starting Tesseract takes longer than reading.
        """
        zones = [strips for strips in map(_strips, sides) if len(strips) >= _FEWEST_LINES]
        for softness in _SOFTNESS:
            texts = iter(self._tesseract.read([_prepared(strip, softness) for strips in zones for strip in strips]))
            for strips in zones:
                mrz = _parsed([next(texts) for _ in strips])
                if mrz is not None:
                    return mrz
        return None


def _strips(side: Picture) -> list[Grey]:
    grey = np.asarray(cv2.cvtColor(side, cv2.COLOR_RGB2GRAY), np.uint8)
    return _lines(_even(grey[round(side.shape[0] * _BAND) :]))[-_MOST_LINES:]


def _prepared(strip: Grey, softness: float) -> Grey:
    scale = _LINE / strip.shape[0]
    line = cv2.resize(strip, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    if softness:
        line = cv2.GaussianBlur(line, (0, 0), softness)
    # Tesseract reads a line far better with paper around it.
    return np.asarray(cv2.copyMakeBorder(line, 16, 16, 16, 16, cv2.BORDER_CONSTANT, value=(255,)), np.uint8)


def _parsed(lines: Sequence[str]) -> Mrz | None:
    for count, length in _LAYOUTS:
        try:
            return parse([_fitted(line, length) for line in lines[-count:]])
        except MrzError:
            continue
    return None


def _fitted(text: str, length: int) -> str:
    """Give the line its length by its longest run of filler: that is what is read too short or too long."""
    runs = list(re.finditer(f"{FILLER}+", text))
    if not runs:
        return text
    longest = max(runs, key=lambda run: run.end() - run.start())
    filler = FILLER * (length - len(text) + longest.end() - longest.start())
    return text[: longest.start()] + filler + text[longest.end() :]


def _even(band: Grey) -> Grey:
    """Divide uneven light away: white paper, dark print."""
    paper = cv2.medianBlur(cv2.dilate(band, np.ones((15, 15), np.uint8)), 31)
    even = cv2.divide(band, paper, scale=255)
    return np.asarray(cv2.normalize(even, even, 0, 255, cv2.NORM_MINMAX), np.uint8)


def _lines(band: Grey) -> list[Grey]:
    """Cut out the text lines that reach over most of the width, from top to bottom."""
    _, ink = cv2.threshold(band, 0, 255, cv2.THRESH_BINARY_INV | cv2.THRESH_OTSU)
    share = ink.mean(axis=1) / 255
    dark = np.concatenate([[False], share > 0.04, [False]])  # noqa: PLR2004 - print covers a tenth and more
    edges = np.flatnonzero(dark[1:] != dark[:-1])
    strips = []
    for top, bottom in pairwise(edges):
        columns = np.flatnonzero(ink[top:bottom].any(axis=0))
        wide = columns.size and columns[-1] - columns[0] > 0.7 * band.shape[1]
        if dark[top + 1] and wide and bottom - top >= 12:  # noqa: PLR2004 - pixels, an eighth of an inch
            strips.append(band[max(top - 8, 0) : bottom + 8])
    return strips
