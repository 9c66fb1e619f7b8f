"""Pages of a PDF (ISO 32000) as pictures, within hard limits.

A PDF is a program that draws. It runs in a process of its own, which the kernel ends when it takes too much of the
processor or of memory, and with the process that waits for it: a page that never ends, or that breaks the library which
draws it, costs nothing but itself. The program that makes these processes (`pdf_drawing`) starts with the first PDF and
ends with this process.
"""

import atexit
import os
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from services.biometrics.media.decode import Picture, PictureLimits, UndecodableError

START: Final = b"%PDF-"
_DRAWING: Final = Path(__file__).with_name("pdf_drawing.py")
_CPU_SECONDS: Final = 1
_MEMORY: Final = 2**30
_PATIENCE_S: Final = 10.0
"""For a drawing program that does not answer; a worker that waits for it is ended long before."""
PICTURE: Final = PictureLimits()
# As `pdf_drawing` has them, which is not imported: PDFium shall not be in this process.
_REFUSED: Final = 3
_REQUEST, _STATUS, _HEAD = struct.Struct("<I"), struct.Struct("<i"), struct.Struct("<II")


class _Drawing:
    """The program that draws."""

    def __init__(self) -> None:
        self._requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._requests.settimeout(_PATIENCE_S)
        limits = map(str, (_CPU_SECONDS, _MEMORY))
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - a fixed command without a shell
                [sys.executable, "-I", str(_DRAWING), str(theirs.fileno()), *limits],
                pass_fds=[theirs.fileno()],
                env={},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,  # what it says may quote the document
            )

    def draw(self, data: bytes, longest: int) -> tuple[int, bytes]:
        """Give the status of the drawing, and what was drawn or why not; raises OSError if the program is gone."""
        with _file(data) as given, _file() as drawn:
            socket.send_fds(self._requests, [_REQUEST.pack(longest)], [given, drawn])
            answer = self._requests.recv(_STATUS.size)
            if not answer:
                raise ConnectionResetError("the drawing program ended")
            return _STATUS.unpack(answer)[0], os.pread(drawn, os.fstat(drawn).st_size, 0)

    def end(self) -> None:
        self._requests.close()
        self._process.kill()
        self._process.wait()


_drawing: _Drawing | None = None


def pages(data: bytes, longest: int, limits: PictureLimits = PICTURE) -> list[Picture]:
    """Draw all pages (two at most), each with its longer side at `longest` pixels.

    Raises:
        UndecodableError: `picture.too_large`, `picture.too_many_pixels`, `picture.too_small`, `document.pdf_locked`,
            `document.pdf_damaged`, `document.pdf_too_many_pages` or `document.pdf_too_complex`.
        OSError: there is no drawing program.
    """
    if len(data) > limits.data:
        raise UndecodableError("picture.too_large", f"{len(data)} bytes")
    status, drawn = _drawn(data, longest)
    if status == _REFUSED:
        raise UndecodableError(drawn.decode(errors="replace"), "refused by the drawing process")
    if status != 0:  # ended by the kernel at a limit, or by a fault in the library
        raise UndecodableError("document.pdf_too_complex", f"drawing ended with status {status}")
    pictures = _unpacked(drawn)
    if min(min(page.shape[:2]) for page in pictures) < limits.shortest:
        raise UndecodableError("picture.too_small", "a page is a mere strip")
    return pictures


def _drawn(data: bytes, longest: int) -> tuple[int, bytes]:
    """Have it drawn; by a program started anew, if the one that was there is gone."""
    global _drawing  # noqa: PLW0603 - a process has one drawing program, made here and nowhere else
    if _drawing is not None:
        try:
            return _drawing.draw(data, longest)
        except OSError:
            _drawing.end()
    _drawing = _Drawing()
    return _drawing.draw(data, longest)


@atexit.register
def _end() -> None:
    if _drawing is not None:
        _drawing.end()


@contextmanager
def _file(content: bytes = b"") -> Iterator[int]:
    """Open a file in memory that holds the content."""
    file = os.memfd_create("pdf", os.MFD_CLOEXEC)
    try:
        os.pwrite(file, content, 0)
        yield file
    finally:
        os.close(file)


def _unpacked(drawn: bytes) -> list[Picture]:
    pictures, place = [], 0
    while place < len(drawn):
        width, height = _HEAD.unpack_from(drawn, place)
        place += _HEAD.size
        pixels = np.frombuffer(drawn, np.uint8, width * height * 3, place).reshape(height, width, 3)
        pictures.append(np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), np.uint8))
        place += pixels.size
    return pictures
