"""Reads the machine-readable zone off a rectified card, one line at a time, with Tesseract."""

import re
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tesserocr import OEM, PSM, PyTessBaseAPI  # type: ignore[import-untyped] # not marked as typed

from services.biometrics.decode import Picture
from services.biometrics.mrz import ALPHABET, FILLER, Mrz, MrzError, parse

TESSDATA = Path("/usr/share/tesseract-ocr/5/tessdata")
"""Where Debian's `tesseract-ocr-eng` puts its data."""

_LAYOUTS = ((3, 30), (2, 44))
# The zone takes the lowest third of either format (Doc 9303 parts 4 and 5).
_BAND = 0.62
# Height of a line with its margins at which Tesseract was measured to read OCR-B best, pixels.
_LINE = 36
Grey = NDArray[np.uint8]


class MrzReader:
    """Holds a Tesseract instance: for one thread only."""

    def __init__(self, tessdata: Path = TESSDATA) -> None:
        """Load the English data. Raises FileNotFoundError if it is not in `tessdata`."""
        if not (tessdata / "eng.traineddata").is_file():
            raise FileNotFoundError(
                f"{tessdata}/eng.traineddata is missing: install the Debian package tesseract-ocr-eng."
            )
        self._tesseract = PyTessBaseAPI(path=f"{tessdata}/", lang="eng", psm=PSM.SINGLE_LINE, oem=OEM.LSTM_ONLY)
        self._tesseract.SetVariable("tessedit_char_whitelist", ALPHABET)
        self._tesseract.SetVariable("load_system_dawg", "0")
        self._tesseract.SetVariable("load_freq_dawg", "0")

    def read(self, side: Picture) -> Mrz | None:
        """Return the zone at the foot of `side`, or nothing unless every check digit agrees."""
        grey = np.asarray(cv2.cvtColor(side, cv2.COLOR_RGB2GRAY), np.uint8)
        strips = _lines(_even(grey[round(side.shape[0] * _BAND) :]))
        # What is misread once is often read right when the print is a little softer.
        for softness in (0.0, 0.8):
            for count, length in _LAYOUTS:
                if len(strips) >= count:
                    lines = [_fitted(self._text(strip, softness), length) for strip in strips[-count:]]
                    mrz = _parsed(lines)
                    if mrz is not None:
                        return mrz
        return None

    def _text(self, strip: Grey, softness: float) -> str:
        scale = _LINE / strip.shape[0]
        line = cv2.resize(strip, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        if softness:
            line = cv2.GaussianBlur(line, (0, 0), softness)
        # Tesseract reads a line far better with paper around it.
        framed = cv2.copyMakeBorder(line, 16, 16, 16, 16, cv2.BORDER_CONSTANT, value=(255,))
        self._tesseract.SetImage(Image.fromarray(framed))
        text: str = self._tesseract.GetUTF8Text()
        return "".join(text.split())


def _parsed(lines: list[str]) -> Mrz | None:
    try:
        return parse(lines)
    except MrzError:
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
