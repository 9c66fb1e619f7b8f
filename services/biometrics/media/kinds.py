"""What a file is, by its first bytes: names and declared types prove nothing."""

from typing import Final, Literal

from libs.common.media import pdf

Kind = Literal["image/jpeg", "image/png", "image/webp", "application/pdf", "video/webm", "video/mp4"]

SIGNATURE_BYTES: Final = 16
"""How many bytes `kind_of` wants to see of anything but a PDF."""
HEAD_BYTES: Final = pdf.HEAD_BYTES
"""How many bytes `kind_of` wants to see: a PDF may have some before its header."""

_STARTS: Final[tuple[tuple[bytes, Kind], ...]] = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\x1a\x45\xdf\xa3", "video/webm"),
)
_STILL_BRANDS: Final = (b"heic", b"heix", b"mif1", b"msf1", b"avif", b"avis")
"""Brands of ISO base media files (ISO/IEC 23008-12, annex B) that hold pictures, and begin like MP4."""


def kind_of(head: bytes) -> Kind | None:
    """Tell what a file is from its first `HEAD_BYTES` (or all of them, where it has less); None: nothing we take."""
    for start, kind in _STARTS:
        if head.startswith(start):
            return kind
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    if head[4:8] == b"ftyp" and head[8:12] not in _STILL_BRANDS:
        return "video/mp4"
    return "application/pdf" if pdf.is_pdf(head) else None
