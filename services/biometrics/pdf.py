"""Pages of a PDF (ISO 32000) as pictures, within hard limits.

A PDF is a program that draws. It runs in a process of its own, which the kernel ends when it takes too much of the
processor or of memory: a page that never ends, or that breaks the library which draws it, costs nothing but itself.
"""

import struct
import subprocess
import sys
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from services.biometrics.decode import Picture, PictureLimits, UndecodableError

START: Final = b"%PDF-"
_DRAWING: Final = Path(__file__).with_name("pdf_drawing.py")
_CPU_SECONDS: Final = 1
_MEMORY: Final = 2**30
_PATIENCE_S: Final = 10.0
"""By the clock, on a machine that has much else to do."""
_REFUSED: Final = 3
PICTURE: Final = PictureLimits()
_HEAD: Final = struct.Struct("<II")


def pages(data: bytes, longest: int, limits: PictureLimits = PICTURE) -> list[Picture]:
    """Draw all pages (two at most), each with its longer side at `longest` pixels.

    Raises:
        UndecodableError: `picture.too_large`, `picture.too_many_pixels`, `picture.too_small`, `document.pdf_locked`,
            `document.pdf_damaged`, `document.pdf_too_many_pages` or `document.pdf_too_complex`.
    """
    if len(data) > limits.data:
        raise UndecodableError("picture.too_large", f"{len(data)} bytes")
    command = [sys.executable, "-I", str(_DRAWING), str(longest), str(_CPU_SECONDS), str(_MEMORY)]
    try:
        done = subprocess.run(command, input=data, capture_output=True, timeout=_PATIENCE_S, env={}, check=False)  # noqa: S603 - a fixed command without a shell
    except subprocess.TimeoutExpired as error:
        raise UndecodableError("document.pdf_too_complex", "not drawn in time") from error
    if done.returncode == _REFUSED:
        raise UndecodableError(done.stderr.decode(errors="replace").strip(), "refused by the drawing process")
    if done.returncode != 0:
        # Ended by the kernel at a limit, or by a fault in the library: what it says may quote the document.
        raise UndecodableError("document.pdf_too_complex", f"drawing ended with status {done.returncode}")
    drawn = _unpacked(done.stdout)
    if min(min(page.shape[:2]) for page in drawn) < limits.shortest:
        raise UndecodableError("picture.too_small", "a page is a mere strip")
    return drawn


def _unpacked(drawn: bytes) -> list[Picture]:
    pictures, place = [], 0
    while place < len(drawn):
        width, height = _HEAD.unpack_from(drawn, place)
        place += _HEAD.size
        pixels = np.frombuffer(drawn, np.uint8, width * height * 3, place).reshape(height, width, 3)
        pictures.append(np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), np.uint8))
        place += pixels.size
    return pictures
