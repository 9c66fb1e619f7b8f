"""What each capture may be: which kinds of files, and how large."""

from collections.abc import Mapping
from typing import Final

from libs.common.core.errors import Refused
from services.biometrics.check.parts import Part
from services.biometrics.media.decode import PictureLimits
from services.biometrics.media.kinds import Kind, kind_of
from services.biometrics.media.video import ClipLimits

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


def require(head: bytes, accepted: frozenset[Kind]) -> None:
    """Return if a file that begins so is of an accepted kind.

    Raises:
        Refused: 415, ``picture.not_an_image``, ``document.not_a_picture_or_pdf`` or ``clip.not_a_video``.
    """
    if kind_of(head) not in accepted:
        key, detail = _REFUSALS[accepted]
        raise Refused(key, detail, 415)


def too_large(part: Part, most: int) -> Refused:
    """Return the refusal (413) of a part that has more bytes than it may."""
    key = "clip.too_large" if part == "clip" else "picture.too_large"
    return Refused(
        key, f"This is too large: at most {most // 1_000_000} MB are taken. Please send a smaller file.", 413
    )
