"""Untrusted PDFs (ISO 32000): opened or drawn in a process of its own, within hard limits.

A PDF is a program that draws. The kernel ends its process when it takes too much of the processor or of memory, and
with the process that waits for it: a page that never ends, or that breaks the library which draws it, costs nothing but
itself. The program that makes these processes (`pdf_program`) starts with the first PDF and ends with this process.
"""

import atexit
import os
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from threading import Lock
from typing import Final, NamedTuple

HEAD_BYTES: Final = 1024 + len(b"%PDF-")
"""How many bytes `is_pdf` wants to see: readers take a header that begins within the first 1024."""

_PROGRAM: Final = Path(__file__).with_name("pdf_program.py")
_PATIENCE_S: Final = 10.0
"""For a program that does not answer; a worker that waits for it is ended long before."""
# As `pdf_program` has them, which is not imported: PDFium shall not be in this process.
_REFUSED: Final = 3
_REQUEST, _STATUS, _HEAD = struct.Struct("<III"), struct.Struct("<i"), struct.Struct("<II")


class PdfRefusal(StrEnum):
    """Why a PDF is not taken."""

    LOCKED = "locked"
    DAMAGED = "damaged"
    TOO_MANY_PAGES = "too_many_pages"
    TOO_MANY_PIXELS = "too_many_pixels"
    TOO_COMPLEX = "too_complex"


class PdfRefusedError(ValueError):
    """A PDF that needs a password, is damaged or cut off, or takes too much to open or draw."""

    def __init__(self, reason: PdfRefusal) -> None:
        super().__init__(str(reason))
        self.reason = reason


class PdfLimits(NamedTuple):
    """What the process of one PDF may take."""

    cpu_seconds: int
    memory_mib: int


DRAWING: Final = PdfLimits(1, 1024)
OPENING: Final = PdfLimits(5, 512)


class DrawnPage(NamedTuple):
    """The pixels of a page: blue, green, red; row by row."""

    width: int
    height: int
    pixels: bytes


def is_pdf(head: bytes) -> bool:
    """Return whether a file that begins so is a PDF. Offsets in it count from the header (ISO 32000-2, 7.5.2)."""
    return b"%PDF-" in head[:HEAD_BYTES]


def check(data: bytes) -> None:
    """Return if a PDF is complete and all its pages open.

    Raises:
        PdfRefusedError: it is locked, damaged, or takes too much.
        OSError: the program can't be started.
    """
    _handled(data, 0, OPENING)


def draw(data: bytes, longest: int) -> list[DrawnPage]:
    """Draw all pages (two at most), each with its longer side at `longest` pixels.

    Raises:
        PdfRefusedError: it is locked, damaged, or takes too much.
        OSError: the program can't be started.
    """
    return _unpacked(_handled(data, longest, DRAWING))


class PdfProgram:
    """The running program. One PDF at a time."""

    def __init__(self) -> None:
        self._requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._requests.settimeout(_PATIENCE_S)
        with theirs:
            self.process = subprocess.Popen(  # noqa: S603 - a fixed command without a shell
                [sys.executable, "-I", str(_PROGRAM), str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                env={},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,  # what it says may quote the document
            )

    def handle(self, data: bytes, longest: int, limits: PdfLimits) -> tuple[int, bytes]:
        """Return the status, and what was drawn or why not; raise OSError if the program is gone."""
        with _file(data) as given, _file() as written:
            socket.send_fds(self._requests, [_REQUEST.pack(longest, *limits)], [given, written])
            answer = self._requests.recv(_STATUS.size)
            if not answer:
                raise ConnectionResetError("the program ended")
            return _STATUS.unpack(answer)[0], os.pread(written, os.fstat(written).st_size, 0)

    def end(self) -> None:
        """End the program."""
        self._requests.close()
        self.process.kill()
        self.process.wait()


class _Programs:
    """The one program of this process, started anew when it is gone."""

    def __init__(self) -> None:
        self.running: PdfProgram | None = None
        self._free = Lock()

    def handle(self, data: bytes, longest: int, limits: PdfLimits) -> tuple[int, bytes]:
        with self._free:
            if self.running is not None:
                try:
                    return self.running.handle(data, longest, limits)
                except OSError:
                    self.running.end()
            self.running = PdfProgram()
            return self.running.handle(data, longest, limits)

    def end(self) -> None:
        if self.running is not None:
            self.running.end()


PROGRAMS: Final = _Programs()
atexit.register(PROGRAMS.end)


def _handled(data: bytes, longest: int, limits: PdfLimits) -> bytes:
    status, written = PROGRAMS.handle(data, longest, limits)
    if status == _REFUSED:
        raise PdfRefusedError(PdfRefusal(written.decode()))
    if status != 0:  # ended by the kernel at a limit, or by a fault in the library
        raise PdfRefusedError(PdfRefusal.TOO_COMPLEX)
    return written


@contextmanager
def _file(content: bytes = b"") -> Iterator[int]:
    """Open a file in memory that holds the content."""
    file = os.memfd_create("pdf", os.MFD_CLOEXEC)
    try:
        os.pwrite(file, content, 0)
        yield file
    finally:
        os.close(file)


def _unpacked(drawn: bytes) -> list[DrawnPage]:
    pages, place = [], 0
    while place < len(drawn):
        width, height = _HEAD.unpack_from(drawn, place)
        place += _HEAD.size
        size = width * height * 3
        pages.append(DrawnPage(width, height, drawn[place : place + size]))
        place += size
    return pages
