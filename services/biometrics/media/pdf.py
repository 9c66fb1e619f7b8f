"""Pages of a PDF as pictures."""

from collections.abc import Mapping
from typing import Final

import cv2
import numpy as np

from libs.common.media.pdf import DrawnPage, PdfRefusal, PdfRefusedError, draw
from services.biometrics.media.decode import Picture, PictureLimits, UndecodableError

_LIMITS: Final = PictureLimits()
_KEYS: Final[Mapping[PdfRefusal, str]] = {
    PdfRefusal.LOCKED: "document.pdf_locked",
    PdfRefusal.DAMAGED: "document.pdf_damaged",
    PdfRefusal.TOO_MANY_PAGES: "document.pdf_too_many_pages",
    PdfRefusal.TOO_MANY_PIXELS: "picture.too_many_pixels",
    PdfRefusal.TOO_COMPLEX: "document.pdf_too_complex",
}


def pages(data: bytes, longest: int, limits: PictureLimits = _LIMITS) -> list[Picture]:
    """Draw all pages (two at most), each with its longer side at `longest` pixels.

    Raises:
        UndecodableError: `picture.too_large`, `picture.too_many_pixels`, `picture.too_small`, `document.pdf_locked`,
            `document.pdf_damaged`, `document.pdf_too_many_pages` or `document.pdf_too_complex`.
        OSError: there is no drawing program.
    """
    if len(data) > limits.data:
        raise UndecodableError("picture.too_large", f"{len(data)} bytes")
    try:
        pictures = [_picture(page) for page in draw(data, longest)]
    except PdfRefusedError as error:
        raise UndecodableError(_KEYS[error.reason], "refused by the drawing program") from error
    if min(min(page.shape[:2]) for page in pictures) < limits.shortest:
        raise UndecodableError("picture.too_small", "a page is a mere strip")
    return pictures


def _picture(page: DrawnPage) -> Picture:
    pixels = np.frombuffer(page.pixels, np.uint8).reshape(page.height, page.width, 3)
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), np.uint8)
