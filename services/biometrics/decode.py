"""Pictures and clips from untrusted bytes, within hard limits.

What a file is, is read from its first bytes: names and declared types prove nothing. Sizes are read before
pixels are decoded, so a small file cannot claim much memory. Decoding runs in a worker process that has a limit
on memory and on time, and may be killed without harm.
"""

import io
import math
import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NewType, cast

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

Picture = NDArray[np.uint8]
"""RGB, rows × columns × 3."""  # noqa: RUF001 - a product of sizes
GuidanceKey = NewType("GuidanceKey", str)
"""Names a text that tells the citizen what to change; the portal holds the texts, in each language."""

# FFmpeg shall try nothing but the two containers browsers record, and open no further file or address.
os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"] = "format_whitelist;matroska,webm,mov,mp4|protocol_whitelist;file"


class UndecodableError(ValueError):
    """The bytes are not what they should be. `key` tells the citizen what to do about it."""

    def __init__(self, key: str, reason: str) -> None:
        self.key = GuidanceKey(key)
        super().__init__(f"{key}: {reason}")


@dataclass(frozen=True, slots=True)
class PictureLimits:
    """What a picture may be: bytes of the file, pixels in all, pixels along a side (least, most)."""

    data: int = 20_000_000
    pixels: int = 50_000_000
    shortest: int = 120
    longest: int = 12_000


@dataclass(frozen=True, slots=True)
class ClipLimits:
    """What a clip may be: bytes of the file, seconds (least, most), frames in all, pixels of a frame."""

    data: int = 20_000_000
    shortest: float = 1.5
    longest: float = 20.0
    frames: int = 1_500
    pixels: int = 1920 * 1080


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """A frame of a clip: seconds from the clip's start, and the picture."""

    time: float
    picture: Picture


def picture(data: bytes, longest: int, limits: PictureLimits = PictureLimits()) -> Picture:
    """Decode a JPEG, PNG or WebP picture, upright by its EXIF orientation, scaled down to `longest` a side.

    Raises:
        UndecodableError: `picture.too_large`, `picture.not_an_image`, `picture.too_many_pixels`,
            `picture.too_small`, `picture.animated` or `picture.damaged`.
    """
    if len(data) > limits.data:
        raise UndecodableError("picture.too_large", f"{len(data)} bytes")
    kind = _picture_format(data)
    try:
        with warnings.catch_warnings():
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
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    raise UndecodableError("picture.not_an_image", "neither JPEG, PNG nor WebP")


def _check_size(opened: Image.Image, limits: PictureLimits) -> None:
    width, height = opened.size
    if width * height > limits.pixels or max(width, height) > limits.longest:
        raise UndecodableError("picture.too_many_pixels", f"{width} by {height}")
    if min(width, height) < limits.shortest:
        raise UndecodableError("picture.too_small", f"{width} by {height}")
    if getattr(opened, "is_animated", False):
        raise UndecodableError("picture.animated", "more than one frame")


def _upright_rgb(opened: Image.Image, longest: int) -> Picture:
    opened.draft("RGB", (longest, longest))  # a large JPEG is decoded at a fraction of its size
    upright = ImageOps.exif_transpose(opened)
    if upright.mode.startswith("I;16"):
        upright = Image.fromarray((np.asarray(upright) >> 8).astype(np.uint8))
    if upright.has_transparency_data:
        layers = upright.convert("RGBA")
        upright = Image.alpha_composite(Image.new("RGBA", layers.size, "white"), layers)
    return shrunk(np.asarray(upright.convert("RGB")), longest)


def shrunk(image: Picture, longest: int) -> Picture:
    """Return `image` with its longer side at most `longest` pixels."""
    scale = longest / max(image.shape[:2])
    if scale >= 1:
        return image
    return np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)


def frames(
    data: bytes,
    rate: float,
    longest: int,
    limits: ClipLimits = ClipLimits(),
) -> Iterator[Frame]:
    """Decode a WebM or MP4 clip and yield at most `rate` frames a second, scaled down to `longest` a side.

    Times are the container's timestamps: what browsers record has neither a duration nor a count of frames,
    and its frame rate varies.

    Raises:
        UndecodableError: `clip.too_large`, `clip.not_a_video`, `clip.too_many_pixels`, `clip.too_many_frames`,
            `clip.too_long`, `clip.too_short` or `clip.damaged`.
    """
    if len(data) > limits.data:
        raise UndecodableError("clip.too_large", f"{len(data)} bytes")
    if not (data.startswith(b"\x1a\x45\xdf\xa3") or data[4:8] == b"ftyp"):
        raise UndecodableError("clip.not_a_video", "neither WebM nor MP4")
    stream = io.BytesIO(data)
    capture = _open(stream)
    try:
        yield from _sampled(capture, rate, longest, limits)
    finally:
        capture.release()
        stream.close()  # not before: the capture reads it to its end and does not keep it alive


def _open(stream: io.BytesIO) -> cv2.VideoCapture:
    # The stubs know only OpenCV's own stream class; the binding takes any buffered Python stream.
    source = cast("cv2.IStreamReader", stream)
    try:
        capture = cv2.VideoCapture(source, cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    except cv2.error as error:
        raise UndecodableError("clip.not_a_video", str(error)) from error
    if not capture.isOpened():
        raise UndecodableError("clip.not_a_video", "no readable video stream")
    return capture


def _sampled(capture: cv2.VideoCapture, rate: float, longest: int, limits: ClipLimits) -> Iterator[Frame]:
    start, last, due = math.nan, -1.0, 0.0
    size = _frame_size(capture, limits)
    for count in range(limits.frames + 1):
        if not capture.grab():
            break
        if count == limits.frames:
            raise UndecodableError("clip.too_many_frames", f"more than {limits.frames}")
        position = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
        start = position if count == 0 else start
        last = _next_time(position - start, last, limits)
        if last >= due:
            due = max(due + 1 / rate, last + 0.5 / rate)
            yield Frame(last, _retrieved(capture, size, longest))
    if last < limits.shortest:
        raise UndecodableError("clip.too_short", f"{max(last, 0):.2f} s")


def _frame_size(capture: cv2.VideoCapture, limits: ClipLimits) -> tuple[int, int]:
    width, height = int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)), int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
    if width * height > limits.pixels:
        raise UndecodableError("clip.too_many_pixels", f"{width} by {height}")
    return height, width


def _next_time(time: float, last: float, limits: ClipLimits) -> float:
    if not last <= time < math.inf:
        raise UndecodableError("clip.damaged", f"time runs backwards after {last:.3f} s")
    if time > limits.longest:
        raise UndecodableError("clip.too_long", f"more than {limits.longest} s")
    return time


def _retrieved(capture: cv2.VideoCapture, size: tuple[int, int], longest: int) -> Picture:
    decoded, image = capture.retrieve()
    if not decoded or image.shape[:2] not in (size, size[::-1]):
        raise UndecodableError("clip.damaged", "a frame could not be decoded in the clip's own size")
    return shrunk(np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8), longest)
