"""Clips from untrusted bytes, within hard limits.

What a file is, is read from its first bytes. Before a single frame is decoded the container is read through, which
takes a few milliseconds: how many frames, over which time, of which size and coding. Decoding runs in a worker
process that has a limit on memory and on time, and may be killed without harm.
"""

import io
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, cast

import cv2
import numpy as np

from services.biometrics.media.decode import Picture, UndecodableError, shrunk
from services.biometrics.media.kinds import HEAD_BYTES, kind_of
from services.biometrics.media.orientation import Skewed, track_orientation, upright

# FFmpeg shall try nothing but the two containers browsers record, and open no further file or address.
os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"] = (
    "format_whitelist;matroska,webm,mov,mp4|protocol_whitelist;file"
    "|codec_whitelist;vp8,vp9,av1,h264,hevc,mpeg4"  # av1 is opened to be named, and not decoded
)
_CODINGS: Final = frozenset({b"VP80", b"VP90", b"H264", b"AVC1", b"HEVC", b"HEV1", b"HVC1", b"FMP4"})
_UNDECODED: Final = (cv2.CAP_PROP_FORMAT, -1)
_ONE_THREAD: Final = (cv2.CAP_PROP_N_THREADS, 1)
# Kinds of codings (Matroska) and of tracks (ISO/IEC 14496-12): what holds one is a recording, be it an empty one.
_RECORDING: Final = (b"A_OPUS", b"A_VORBIS", b"A_AAC", b"soun", b"V_VP", b"V_AV1", b"V_MPEG", b"vide")
_VP8_KEY: Final = b"\x9d\x01\x2a"


@dataclass(frozen=True, slots=True)
class ClipLimits:
    """What a clip may be.

    Attributes:
        data: Bytes of the file.
        shortest: Seconds.
        longest: Seconds.
        frames: How many there are, sampled or not.
        rate: Frames a second.
        pixels: Of a frame.
    """

    data: int = 20_000_000
    shortest: float = 1.5
    longest: float = 20.0
    frames: int = 1_500
    rate: float = 130.0
    pixels: int = 1920 * 1080


@dataclass(frozen=True, slots=True, eq=False)
class VideoFrame:
    """A frame of a clip: seconds from the clip's start, and the upright picture."""

    time: float
    picture: Picture


def frames(data: bytes, rate: float, longest: int, limits: ClipLimits = ClipLimits()) -> Iterator[VideoFrame]:
    """Decode a WebM or MP4 clip and yield at most `rate` frames a second, scaled down to `longest` a side.

    Times are the container's timestamps: what browsers record has neither a duration nor a count of frames,
    and its frame rate varies.

    Raises:
        UndecodableError: `clip.too_large`, `clip.not_a_video`, `clip.no_picture`, `clip.unknown_coding`,
            `clip.unknown_rotation`, `clip.too_many_pixels`, `clip.too_many_frames`, `clip.too_long`, `clip.too_short`,
            `clip.changing_size` or `clip.damaged`.
    """
    if len(data) > limits.data:
        raise UndecodableError("clip.too_large", f"{len(data)} bytes")
    kind = kind_of(data[:HEAD_BYTES])
    if kind not in {"video/webm", "video/mp4"}:
        raise UndecodableError("clip.not_a_video", "neither WebM nor MP4")
    with _opened(data, *_UNDECODED) as capture:
        _check(capture, limits)
    with _opened(data) as capture:
        if kind == "video/webm":  # it has no matrix, and a pose that FFmpeg knows
            yield from _sampled(capture, rate, longest, limits)
            return
        orientation = _orientation(data)
        capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 0)  # it takes mirrored pictures for turned ones
        for frame in _sampled(capture, rate, longest, limits):
            yield VideoFrame(frame.time, upright(frame.picture, orientation))


def _orientation(data: bytes) -> int:
    try:
        return track_orientation(data)
    except Skewed as error:
        raise UndecodableError("clip.unknown_rotation", str(error)) from error


@contextmanager
def _opened(data: bytes, *how: int) -> Iterator[cv2.VideoCapture]:
    stream = io.BytesIO(data)
    # The stubs know only OpenCV's own stream class; the binding takes any buffered Python stream.
    source = cast("cv2.IStreamReader", stream)
    try:
        capture = cv2.VideoCapture(source, cv2.CAP_FFMPEG, [*_ONE_THREAD, *how])
    except cv2.error as error:
        raise _unopened(data) from error
    try:
        if not capture.isOpened():
            raise _unopened(data)
        yield capture
    finally:
        capture.release()
        stream.close()  # not before: the capture reads it to its end and does not keep it alive


def _unopened(data: bytes) -> UndecodableError:
    if any(name in data for name in _RECORDING):
        return UndecodableError("clip.no_picture", "sound alone, or nothing at all")
    return UndecodableError("clip.not_a_video", "no readable video stream")


def _check(capture: cv2.VideoCapture, limits: ClipLimits) -> None:
    """Read the undecoded clip through and hold it against the limits."""
    width, height = int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)), int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
    if width * height > limits.pixels:
        raise UndecodableError("clip.too_many_pixels", f"{width} by {height}")
    coding = int(capture.get(cv2.CAP_PROP_FOURCC)).to_bytes(4, "little", signed=True).upper()
    if coding not in _CODINGS:
        raise UndecodableError("clip.unknown_coding", repr(coding))
    count, first, last = 0, math.inf, -math.inf
    while capture.grab():
        if coding == b"VP80":
            _check_vp8_size(capture, (width, height))
        time = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
        count, first, last = count + 1, min(first, time), max(last, time)
        if last - first > limits.longest:
            raise UndecodableError("clip.too_long", f"more than {limits.longest} s")
        if count > limits.frames:
            raise UndecodableError("clip.too_many_frames", f"more than {limits.frames}")
    if count == 0:
        raise UndecodableError("clip.no_picture", "no frames")
    if last - first < limits.shortest:
        raise UndecodableError("clip.too_short", f"{last - first:.2f} s")
    if count > limits.rate * (last - first) + 1:
        raise UndecodableError("clip.too_many_frames", f"{count} in {last - first:.2f} s")


def _check_vp8_size(capture: cv2.VideoCapture, size: tuple[int, int]) -> None:
    """Read the size off a key frame (RFC 6386, section 9.1): what is decoded is made to fit, and shows none."""
    _, packet = capture.retrieve()
    start = np.asarray(packet).ravel()[:10].tobytes()
    if start[3:6] != _VP8_KEY:
        return
    width, height = (int.from_bytes(start[place : place + 2], "little") & 0x3FFF for place in (6, 8))
    if (width, height) != size:
        raise UndecodableError("clip.changing_size", f"{size} and {width} by {height}")


def _sampled(capture: cv2.VideoCapture, rate: float, longest: int, limits: ClipLimits) -> Iterator[VideoFrame]:
    start, last, due = math.nan, -1.0, 0.0
    shape: tuple[int, ...] | None = None
    for count in range(limits.frames):
        if not capture.grab():
            break
        position = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
        start = position if count == 0 else start
        last = _next_time(position - start, last, limits)
        if last >= due:
            due = max(due + 1 / rate, last + 0.5 / rate)
            shown = _retrieved(capture)
            shape = shape or shown.shape
            if shown.shape != shape:
                raise UndecodableError("clip.changing_size", f"{shape} and {shown.shape}")
            yield VideoFrame(last, shrunk(shown, longest))
    if last < limits.shortest:
        raise UndecodableError("clip.damaged", f"decoded up to {last:.2f} s only")


def _next_time(time: float, last: float, limits: ClipLimits) -> float:
    if not last <= time < math.inf:
        raise UndecodableError("clip.damaged", f"time runs backwards after {last:.3f} s")
    if time > limits.longest:
        raise UndecodableError("clip.too_long", f"more than {limits.longest} s")
    return time


def _retrieved(capture: cv2.VideoCapture) -> Picture:
    decoded, image = capture.retrieve()
    if not decoded:
        raise UndecodableError("clip.damaged", "a frame could not be decoded")
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB, image), np.uint8)
