"""Draws the pages of one untrusted PDF: a program by itself, run by `services.biometrics.pdf` and ended at need.

PDFium neither runs scripts nor opens files here. Standard input holds the PDF; standard output gets, for each page,
width and height (two little-endian 32-bit numbers) and its pixels (blue, green, red). What is refused is told on
standard error by its text key, with status 3. It imports nothing of ours, so that it starts quickly.
"""

import resource
import struct
import sys
from collections.abc import Sequence
from itertools import islice

import pypdfium2  # type: ignore[import-untyped] # the package ships no type information
from pypdfium2 import raw

MOST_PAGES, MOST_OBJECTS, MOST_SEGMENTS, MOST_PIXELS = 2, 3_000, 50_000, 50_000_000
REFUSED = 3


class RefusedError(Exception):
    """The PDF is not drawn; says why by a text key."""


def limit(cpu_seconds: int, memory: int) -> None:
    """Have the kernel end this process when it takes more."""
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds))
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    memory = memory if most == resource.RLIM_INFINITY else min(memory, most)
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
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


def main() -> int:
    """Draw; give the exit status."""
    longest, cpu_seconds, memory = map(int, sys.argv[1:4])
    limit(cpu_seconds, memory)
    try:
        drawn = draw(sys.stdin.buffer.read(), longest)
    except RefusedError as refused:
        sys.stderr.write(str(refused))
        return REFUSED
    for width, height, pixels in drawn:
        sys.stdout.buffer.write(struct.pack("<II", width, height))
        sys.stdout.buffer.write(pixels)
    return 0


if __name__ == "__main__":
    sys.exit(main())
