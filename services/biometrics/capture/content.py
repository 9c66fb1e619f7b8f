"""What each capture may be: which kinds of files, and how large."""

from collections.abc import Mapping
from typing import Final

from libs.common.core.errors import Refused
from services.biometrics.check.parts import Part
from services.biometrics.media.decode import PictureLimits
from services.biometrics.media.kinds import BRANDS_BYTES, HEAD_BYTES, SIGNATURE_BYTES, Kind, is_av1, kind_of
from services.biometrics.media.video import ClipLimits
from services.biometrics.refusals import BiometricsRefusal

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
    "selfie": PictureLimits().data,
    "clip": ClipLimits().data,
    "document-front": PictureLimits().data,
    "document-back": PictureLimits().data,
    "document-page": PictureLimits().data,
}

_REFUSALS: Final[Mapping[frozenset[Kind], BiometricsRefusal]] = {
    PICTURES: BiometricsRefusal.NOT_AN_IMAGE,
    PAGES: BiometricsRefusal.NOT_A_PICTURE_OR_PDF,
    CLIPS: BiometricsRefusal.NOT_A_VIDEO,
}


def is_recognised(head: bytes, accepted: frozenset[Kind]) -> bool:
    """Return whether a file that begins so is of an accepted kind; False: more of it must be seen to know.

    Raises:
        Refused: as `require` does, for what will never be.
    """
    if len(head) < SIGNATURE_BYTES:
        return False
    most = HEAD_BYTES if "application/pdf" in accepted else BRANDS_BYTES
    if kind_of(head) not in accepted and len(head) < most:
        return False
    require(head, accepted)
    return True


def require(head: bytes, accepted: frozenset[Kind]) -> None:
    """Return if a file that begins so is of an accepted kind.

    Raises:
        Refused: `NOT_AN_IMAGE`, `NOT_A_PICTURE_OR_PDF` or `NOT_A_VIDEO`; `HEIC` for such a picture in place of another.
    """
    kind = kind_of(head)
    if kind == "image/heif" and accepted != CLIPS:
        raise Refused(BiometricsRefusal.HEIC)
    if kind not in accepted:
        raise Refused(_REFUSALS[accepted])


def require_coding(beginning: bytes) -> None:
    """Return unless the beginning of a clip says that nothing here decodes it.

    Raises:
        Refused: `UNKNOWN_CODING`.
    """
    if is_av1(beginning):
        raise Refused(BiometricsRefusal.UNKNOWN_CODING)


def too_large(part: Part, most: int) -> Refused:
    """Return the refusal of a part that has more bytes than it may."""
    refusal = BiometricsRefusal.CLIP_TOO_LARGE if part == "clip" else BiometricsRefusal.PICTURE_TOO_LARGE
    return Refused(refusal, limit_kb=most // 1000)
