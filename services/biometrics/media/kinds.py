"""What a file is, by its first bytes: names and declared types prove nothing."""

import re
from collections.abc import Iterator
from typing import Final, Literal

from libs.common.media import pdf

Kind = Literal["image/jpeg", "image/png", "image/webp", "image/heif", "application/pdf", "video/webm", "video/mp4"]
"""What `kind_of` knows. Of these ``image/heif`` (HEIC and AVIF, too) is taken nowhere."""

SIGNATURE_BYTES: Final = 16
"""How many bytes tell everything but a PDF, and a picture whose first brand is another."""
BRANDS_BYTES: Final = 64
"""How many bytes hold all the brands that a file has."""
HEAD_BYTES: Final = pdf.HEAD_BYTES
"""How many bytes `kind_of` wants to see: a PDF may have some before its header."""

_STARTS: Final[tuple[tuple[bytes, Kind], ...]] = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\x1a\x45\xdf\xa3", "video/webm"),
)
_STILL_BRANDS: Final = frozenset(
    {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"mif2", b"msf1", b"miaf"}
    | {b"avif", b"avis", b"avci", b"avcs", b"jpeg", b"jpgs"}
)
"""Brands of ISO base media files (ISO/IEC 23008-12, annexes B to K) that hold pictures, and begin like MP4.

The first brand may be another: the rest of the box says what else the file may be taken for (ISO/IEC 14496-12, 4.3).
"""
_AV1: Final = re.compile(rb"V_AV1|stsd.{12}av01", re.DOTALL)
"""AV1 as Matroska names it (its codec mapping), and as ISO base media files do (AV1-ISOBMFF, 2.2)."""


def kind_of(head: bytes) -> Kind | None:
    """Return what a file is by its first `HEAD_BYTES` (or all of them, where it has less); None: nothing known."""
    for start, kind in _STARTS:
        if head.startswith(start):
            return kind
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    if head[4:8] == b"ftyp":
        return "video/mp4" if _STILL_BRANDS.isdisjoint(_brands(head)) else "image/heif"
    return "application/pdf" if pdf.is_pdf(head) else None


def _brands(head: bytes) -> Iterator[bytes]:
    """Yield the brands of a file type box, as far as they are there; between the first two stands a version."""
    size = int.from_bytes(head[:4], "big")
    return (head[at : at + 4] for at in (8, *range(16, min(size, len(head)) - 3, 4)))


def is_av1(beginning: bytes) -> bool:
    """Return whether the beginning of a clip says that it is coded as AV1, which nothing here decodes."""
    return kind_of(beginning[:HEAD_BYTES]) in {"video/webm", "video/mp4"} and _AV1.search(beginning) is not None
