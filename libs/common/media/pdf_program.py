"""Opens and draws untrusted PDFs: a program by itself, run by `libs.common.media.pdf`.

PDFium neither runs scripts nor opens files here. The program loads it once and waits. For each PDF it forks a process
that handles this one and ends; the kernel ends it when it takes too much of the processor or of memory. So each PDF
meets a library that has seen no other, and costs no start of an interpreter.

Its socket brings a request: the longer side of a page in pixels (0: open the pages, draw nothing), the seconds of
processor time and the MiB of memory it may take, with two open files, the PDF and the one to write to. That gets, for
each drawn page, width and height (two little-endian 32-bit numbers) and its pixels (blue, green, red); or the fault
found, with status 3. The answer is the status: negative where a signal ended the process.
The program imports nothing of ours, so that it starts quickly.
"""

import ctypes
import os
import re
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

MOST_DRAWN_PAGES, MOST_OPENED_PAGES = 2, 500
MOST_OBJECTS, MOST_SEGMENTS, MOST_PIXELS = 3_000, 50_000, 50_000_000
MOST_WRITTEN: Final = 2**28
REFUSED: Final = 3
REQUEST, STATUS, HEAD = struct.Struct("<III"), struct.Struct("<i"), struct.Struct("<II")
_PR_SET_PDEATHSIG: Final = 1
_LOCKED: Final = (raw.FPDF_ERR_PASSWORD, raw.FPDF_ERR_SECURITY)
_END: Final = b"startxref"
"""What stands at the end of each version of a PDF (ISO 32000-2, 7.5.5)."""
_OBJECT: Final = re.compile(rb"\d\s+\d+\s+obj\b")


class PdfFault(Exception):
    """The PDF is not taken; says why, by the value of a `libs.common.media.pdf.PdfRefusal`."""


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
    resource.setrlimit(resource.RLIMIT_FSIZE, (MOST_WRITTEN, MOST_WRITTEN))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def draw(data: bytes, longest: int) -> list[tuple[int, int, bytes]]:
    """Draw all pages, each with its longer side at `longest` pixels; 0: open all pages and draw none.

    Raises:
        PdfFault: it is locked, damaged or not complete, or holds too much.
    """
    document = _opened(data)
    if not len(document):
        raise PdfFault("damaged")
    if len(document) > (MOST_DRAWN_PAGES if longest else MOST_OPENED_PAGES):
        raise PdfFault("too_many_pages")
    try:
        pages = (document[n] for n in range(len(document)))
        return [_drawn(page, longest) for page in pages if longest or _sized(page)]
    except pypdfium2.PdfiumError as error:
        raise PdfFault("damaged") from error


def _opened(data: bytes) -> pypdfium2.PdfDocument:
    try:
        document = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        locked = raw.FPDF_GetLastError() in _LOCKED or "password" in str(error).lower()
        raise PdfFault("locked" if locked else "damaged") from error
    _, end, rest = data.rpartition(_END)
    if not end or _OBJECT.search(rest):  # PDFium opens what is left of a file that was cut off, as far as it can
        raise PdfFault("damaged")
    return document


def _sized(page: pypdfium2.PdfPage) -> bool:
    """Return False, once the page has a size to be shown in."""
    if not all(0 < side < float("inf") for side in page.get_size()):
        raise PdfFault("damaged")
    return False


def _drawn(page: pypdfium2.PdfPage, longest: int) -> tuple[int, int, bytes]:
    _check(list(islice(page.get_objects(), MOST_OBJECTS + 1)))
    _sized(page)
    across, down = page.get_size()
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
        raise PdfFault("too_complex")
    sizes = [each.get_px_size() for each in objects if isinstance(each, pypdfium2.PdfImage)]
    if sum(width * height for width, height in sizes) > MOST_PIXELS:
        raise PdfFault("too_many_pixels")


def main() -> None:
    """Handle PDF after PDF, until the other side is gone."""
    end_with_parent()
    with socket.socket(fileno=int(sys.argv[1])) as requests:
        while True:
            request, files, _, _ = socket.recv_fds(requests, REQUEST.size, 2)
            if not request:
                return
            (longest, cpu_seconds, memory), (given, written) = REQUEST.unpack(request), files
            child = os.fork()
            if child == 0:
                requests.close()
                end_with_parent()
                limit(cpu_seconds, memory * 2**20)
                os._exit(_serve(given, written, longest))
            _, ended = os.waitpid(child, 0)
            for each in files:
                os.close(each)
            requests.send(STATUS.pack(os.waitstatus_to_exitcode(ended)))


def _serve(given: int, written: int, longest: int) -> int:
    """Handle one PDF from file to file, and return the exit status."""
    with open(given, "rb") as pdf, open(written, "wb") as out:
        try:
            pages = draw(pdf.read(), longest)
        except PdfFault as fault:
            out.write(str(fault).encode())
            return REFUSED
        for width, height, pixels in pages:
            out.write(HEAD.pack(width, height))
            out.write(pixels)
    return 0


if __name__ == "__main__":
    main()
