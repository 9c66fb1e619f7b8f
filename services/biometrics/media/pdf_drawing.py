"""Draws the pages of untrusted PDFs: a program by itself, run by `services.biometrics.media.pdf`.

PDFium neither runs scripts nor opens files here. The program loads it once and waits; for each PDF it forks a process
that draws this one and ends, and that the kernel ends when it takes too much of the processor or of memory. So each PDF
meets a library that has seen no other, and costs no start of an interpreter.

Its socket brings a request: the longer side of a page in pixels, with two open files, the PDF and the one to draw into.
That gets, for each page, width and height (two little-endian 32-bit numbers) and its pixels (blue, green, red); or the
text key of what is refused, with status 3. The answer is the status: negative where a signal ended the drawing. It
imports nothing of ours, so that it starts quickly.
"""

import ctypes
import os
import resource
import signal
import socket
import struct
import sys
from collections.abc import Sequence
from itertools import islice
from typing import Final

import pypdfium2  # type: ignore[import-untyped] # the package ships no type information
from pypdfium2 import raw

MOST_PAGES, MOST_OBJECTS, MOST_SEGMENTS, MOST_PIXELS = 2, 3_000, 50_000, 50_000_000
MOST_DRAWN: Final = 2**28
REFUSED: Final = 3
REQUEST, STATUS, HEAD = struct.Struct("<I"), struct.Struct("<i"), struct.Struct("<II")
_PR_SET_PDEATHSIG: Final = 1


class RefusedError(Exception):
    """The PDF is not drawn; says why by a text key."""


def end_with_parent() -> None:
    """Have the kernel end this process when the one that started it ends: nobody would read what is drawn."""
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL):
        raise OSError(ctypes.get_errno(), "prctl")


def limit(cpu_seconds: int, memory: int) -> None:
    """Have the kernel end this process when it takes more, and write no more than pages of pixels."""
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds))
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    memory = memory if most == resource.RLIM_INFINITY else min(memory, most)
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_FSIZE, (MOST_DRAWN, MOST_DRAWN))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def draw(data: bytes, longest: int) -> list[tuple[int, int, bytes]]:
    """Draw all pages, each with its longer side at `longest` pixels.

    Raises:
        RefusedError: it is locked or damaged, or holds too much.
    """
    document = _opened(data)
    if not 1 <= len(document) <= MOST_PAGES:
        raise RefusedError("document.pdf_too_many_pages")
    try:
        return [_drawn(document[n], longest) for n in range(len(document))]
    except pypdfium2.PdfiumError as error:
        raise RefusedError("document.pdf_damaged") from error


def _opened(data: bytes) -> pypdfium2.PdfDocument:
    try:
        return pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        locked = raw.FPDF_GetLastError() == raw.FPDF_ERR_PASSWORD or "password" in str(error).lower()
        raise RefusedError("document.pdf_locked" if locked else "document.pdf_damaged") from error


def _drawn(page: pypdfium2.PdfPage, longest: int) -> tuple[int, int, bytes]:
    _check(list(islice(page.get_objects(), MOST_OBJECTS + 1)))
    across, down = page.get_size()
    if not (0 < across < float("inf") and 0 < down < float("inf")):
        raise RefusedError("document.pdf_damaged")
    scale = longest / max(across, down)
    width, height = max(round(across * scale), 1), max(round(down * scale), 1)
    stride = 3 * width
    bitmap = pypdfium2.PdfBitmap.new_native(width, height, raw.FPDFBitmap_BGR, stride=stride)
    bitmap.fill_rect((255, 255, 255, 255), 0, 0, width, height)
    raw.FPDF_RenderPageBitmap(bitmap, page, 0, 0, width, height, 0, 0)
    return width, height, bytes(bitmap.buffer)


def _check(objects: Sequence[pypdfium2.PdfObject]) -> None:
    """Count what is on the page; an image is counted with the size it has before it is scaled."""
    paths = [each for each in objects if each.type == raw.FPDF_PAGEOBJ_PATH]
    segments = sum(max(raw.FPDFPath_CountSegments(path), 0) for path in paths)
    if len(objects) > MOST_OBJECTS or segments > MOST_SEGMENTS:
        raise RefusedError("document.pdf_too_complex")
    sizes = [each.get_px_size() for each in objects if isinstance(each, pypdfium2.PdfImage)]
    if sum(width * height for width, height in sizes) > MOST_PIXELS:
        raise RefusedError("picture.too_many_pixels")


def main() -> None:
    """Draw PDF after PDF, until the other side is gone."""
    end_with_parent()
    cpu_seconds, memory = int(sys.argv[2]), int(sys.argv[3])
    with socket.socket(fileno=int(sys.argv[1])) as requests:
        while True:
            request, files, _, _ = socket.recv_fds(requests, REQUEST.size, 2)
            if not request:
                return
            (longest,), (given, drawn) = REQUEST.unpack(request), files
            child = os.fork()
            if child == 0:
                requests.close()
                end_with_parent()
                limit(cpu_seconds, memory)
                os._exit(_serve(given, drawn, longest))
            _, ended = os.waitpid(child, 0)
            for each in files:
                os.close(each)
            requests.send(STATUS.pack(os.waitstatus_to_exitcode(ended)))


def _serve(given: int, drawn: int, longest: int) -> int:
    """Draw one PDF from file to file; give the exit status."""
    with open(given, "rb") as pdf, open(drawn, "wb") as out:
        try:
            pages = draw(pdf.read(), longest)
        except RefusedError as refused:
            out.write(str(refused).encode())
            return REFUSED
        for width, height, pixels in pages:
            out.write(HEAD.pack(width, height))
            out.write(pixels)
    return 0


if __name__ == "__main__":
    main()
