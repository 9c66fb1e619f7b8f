"""What a file is, by its first bytes: names and declared types prove nothing."""

from collections.abc import Mapping
from typing import Final, Literal

from libs.common.errors import Refused
from services.biometrics.decode import PictureLimits
from services.biometrics.verdicts import Part
from services.biometrics.video import ClipLimits

Kind = Literal["image/jpeg", "image/png", "image/webp", "application/pdf", "video/webm", "video/mp4"]

HEAD_BYTES: Final = 16
"""How many bytes `kind_of` wants to see."""

PICTURES: Final[frozenset[Kind]] = frozenset({"image/jpeg", "image/png", "image/webp"})
PAGES: Final[frozenset[Kind]] = PICTURES | {"application/pdf"}
CLIPS: Final[frozenset[Kind]] = frozenset({"video/webm", "video/mp4"})
ACCEPTED: Final[Mapping[Part, frozenset[Kind]]] = {
    "selfie": PICTURES,
    "clip": CLIPS,
    "document-front": PAGES,
    "document-back": PAGES,
    "document-page": PAGES,
}
MOST_BYTES: Final[Mapping[Part, int]] = {
    "selfie": 10_000_000,
    "clip": ClipLimits().data,
    "document-front": PictureLimits().data,
    "document-back": PictureLimits().data,
    "document-page": PictureLimits().data,
}

_REFUSALS: Final[Mapping[frozenset[Kind], tuple[str, str]]] = {
    PICTURES: ("picture.not_an_image", "This is not a picture. Please send a JPEG, PNG or WebP."),
    PAGES: (
        "document.not_a_picture_or_pdf",
        "This is neither a picture nor a PDF. Please send JPEG, PNG, WebP or PDF.",
    ),
    CLIPS: ("clip.not_a_video", "This is not a clip. Please send WebM or MP4."),
}
_STARTS: Final[tuple[tuple[bytes, Kind], ...]] = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"%PDF-", "application/pdf"),
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
    return None


def require(head: bytes, accepted: frozenset[Kind]) -> None:
    """Return if a file that begins so is of an accepted kind.

    Raises:
        Refused: 415, ``picture.not_an_image``, ``document.not_a_picture_or_pdf`` or ``clip.not_a_video``.
    """
    if kind_of(head) not in accepted:
        key, detail = _REFUSALS[accepted]
        raise Refused(key, detail, 415)


def too_large(part: Part, most: int) -> Refused:
    """Make the refusal (413) of a part that has more bytes than it may."""
    key = "clip.too_large" if part == "clip" else "picture.too_large"
    return Refused(
        key, f"This is too large: at most {most // 1_000_000} MB are taken. Please send a smaller file.", 413
    )
