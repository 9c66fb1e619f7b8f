"""Pictures from untrusted bytes, within hard limits.

What a file is, is read from its first bytes: names and declared types prove nothing. Sizes are read before
pixels are decoded, so a small file cannot claim much memory. Decoding runs in a worker process that has a limit
on memory and on time, and may be killed without harm.
"""

import io
import warnings
from dataclasses import dataclass
from typing import NewType

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from services.biometrics.media.kinds import HEAD_BYTES, kind_of
from services.biometrics.media.orientation import exif_orientation, upright

Picture = NDArray[np.uint8]
"""RGB, rows × columns × 3."""  # noqa: RUF001 - a product of sizes
GuidanceKey = NewType("GuidanceKey", str)
"""The id of a text that says what to change; the catalogue holds it in each language."""


class UndecodableError(ValueError):
    """The bytes are not what they should be. `key` is the text that says what to do about it."""

    def __init__(self, key: str, reason: str) -> None:
        self.key = GuidanceKey(key)
        super().__init__(f"{key}: {reason}")


@dataclass(frozen=True, slots=True)
class PictureLimits:
    """What a picture may be: bytes of the file, pixels in all, pixels along a side (least, most).

    Phones call 8,192 by 6,144 pixels 50 megapixels.
    """

    data: int = 20_000_000
    pixels: int = 56_000_000
    shortest: int = 120
    longest: int = 12_000


def picture(data: bytes, longest: int, limits: PictureLimits = PictureLimits()) -> Picture:
    """Decode a JPEG, PNG or WebP picture, upright by its EXIF orientation, scaled down to `longest` a side.

    Raises:
        UndecodableError: `picture.too_large`, `picture.not_an_image`, `picture.heic`, `picture.too_many_pixels`,
            `picture.too_small`, `picture.animated` or `picture.damaged`.
    """
    if len(data) > limits.data:
        raise UndecodableError("picture.too_large", f"{len(data)} bytes")
    kind = _picture_format(data)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd entries that are passed over
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=[kind]) as opened:
                _check_size(opened, limits)
                return _upright_rgb(opened, longest)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise UndecodableError("picture.too_many_pixels", str(error)) from error
    except UndecodableError:
        raise
    except Exception as error:  # decoders of hostile bytes raise whatever their parsers trip over
        raise UndecodableError("picture.damaged", repr(error)) from error


def _picture_format(data: bytes) -> str:
    match kind_of(data[:HEAD_BYTES]):
        case "image/jpeg":
            return "JPEG"
        case "image/png":
            return "PNG"
        case "image/webp":
            return "WEBP"
        case "image/heif":
            raise UndecodableError("picture.heic", "HEIC or AVIF")
        case _:
            raise UndecodableError("picture.not_an_image", "neither JPEG, PNG nor WebP")


def _check_size(opened: Image.Image, limits: PictureLimits) -> None:
    width, height = opened.size
    if width * height > limits.pixels or max(width, height) > limits.longest:
        raise UndecodableError("picture.too_many_pixels", f"{width} by {height}")
    if min(width, height) < limits.shortest:
        raise UndecodableError("picture.too_small", f"{width} by {height}")
    # Phones put maps of depth or brightness behind a photograph (CIPA DC-007, "MPO"): the first picture is it.
    if opened.format != "MPO" and getattr(opened, "is_animated", False):
        raise UndecodableError("picture.animated", "more than one frame")


def _upright_rgb(opened: Image.Image, longest: int) -> Picture:
    opened.draft("RGB", (longest, longest))  # a large JPEG is decoded at a fraction of its size
    opened.load()
    image: Image.Image = opened
    if image.mode.startswith("I;16"):
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.has_transparency_data:
        layers = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", layers.size, "white"), layers)
    small = shrunk(np.asarray(image if image.mode == "RGB" else image.convert("RGB")), longest)
    return upright(small, _orientation(opened))


def _orientation(loaded: Image.Image) -> int:
    """Read the orientation alone. Pillow's own way writes all of EXIF anew, and fails on one odd entry."""
    exif, xmp = loaded.info.get("exif", b""), loaded.info.get("xmp", b"")
    return exif_orientation(exif if isinstance(exif, bytes) else b"", xmp if isinstance(xmp, bytes) else b"")


def shrunk(image: Picture, longest: int) -> Picture:
    """Return `image` with its longer side at most `longest` pixels."""
    scale = longest / max(image.shape[:2])
    if scale >= 1:
        return image
    return np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
