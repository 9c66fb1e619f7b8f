"""WebM clips of VP8 key frames, as a browser streams them: without duration, index or size.

Every frame is a picture of its own: lossy WebP holds exactly one VP8 key frame (RFC 9649, section 2.5), so
Pillow's encoder does for clips too. (OpenCV's encoder takes no settings, and several times as long for
frames this small.) The container is Matroska (RFC 9559) on EBML (RFC 8794), with the few elements a player needs.
"""

import io
import secrets
from collections.abc import Iterable, Iterator
from typing import Final

from PIL import Image

from services.biometrics.media.decode import Picture

_QUALITY, _EFFORT = 80, 0  # of WebP's 100 and 6: good, and fast
_UNKNOWN_SIZE: Final = b"\x01" + 7 * b"\xff"
_KEY_FRAME: Final = 0x80
_CHUNK: Final = 12  # where in a WebP file its first chunk starts: name, size, content

_EBML, _DOC_TYPE, _DOC_TYPE_VERSION, _DOC_TYPE_READ_VERSION = 0x1A45DFA3, 0x4282, 0x4287, 0x4285
_SEGMENT, _INFO, _TIMESTAMP_SCALE, _MUXING_APP, _WRITING_APP = 0x18538067, 0x1549A966, 0x2AD7B1, 0x4D80, 0x5741
_SEGMENT_UUID: Final = 0x73A4
_TRACKS, _TRACK_ENTRY, _TRACK_NUMBER, _TRACK_UID, _TRACK_TYPE = 0x1654AE6B, 0xAE, 0xD7, 0x73C5, 0x83
_CODEC_ID, _VIDEO, _PIXEL_WIDTH, _PIXEL_HEIGHT = 0x86, 0xE0, 0xB0, 0xBA
_CLUSTER, _TIMESTAMP, _SIMPLE_BLOCK = 0x1F43B675, 0xE7, 0xA3
_VIDEO_TRACK, _PICTURES, _MILLISECOND = 1, 1, 1_000_000


def webm(pictures: Iterable[Picture], rate: float, width: int, height: int) -> Iterator[bytes]:
    """Yield the clip in pieces: what comes before the frames, then `rate` frames for every second.

    Raises:
        ValueError: a picture is not `width` by `height`.
    """
    yield head(width, height)
    for number, picture in enumerate(pictures):
        if picture.shape[:2] != (height, width):
            raise ValueError(f"A frame is {picture.shape[1]} by {picture.shape[0]}, not {width} by {height}.")
        yield cluster(round(1000 * number / rate), vp8(picture))


def cluster(time: int, frame: bytes) -> bytes:
    """Return what shows an encoded frame at `time`, milliseconds."""
    block = bytes([0x80 | _VIDEO_TRACK, 0, 0, _KEY_FRAME]) + frame
    return _element(_CLUSTER, _number(_TIMESTAMP, time), _element(_SIMPLE_BLOCK, block))


def head(width: int, height: int, *, coding: bytes = b"V_VP8", kind: int = _PICTURES) -> bytes:
    """Return what comes before the frames. A track of another `kind` than pictures is sound (2)."""
    ebml = _element(
        _EBML, _element(_DOC_TYPE, b"webm"), _number(_DOC_TYPE_VERSION, 4), _number(_DOC_TYPE_READ_VERSION, 2)
    )
    info = _element(
        _INFO,
        _number(_TIMESTAMP_SCALE, _MILLISECOND),
        _element(_SEGMENT_UUID, secrets.token_bytes(16)),
        _element(_MUXING_APP, b"onboarding"),
        _element(_WRITING_APP, b"onboarding"),
    )
    track = _element(
        _TRACK_ENTRY,
        _number(_TRACK_NUMBER, _VIDEO_TRACK),
        _number(_TRACK_UID, _VIDEO_TRACK),
        _number(_TRACK_TYPE, kind),
        _element(_CODEC_ID, coding),
        _element(_VIDEO, _number(_PIXEL_WIDTH, width), _number(_PIXEL_HEIGHT, height)),
    )
    return ebml + _identifier(_SEGMENT) + _UNKNOWN_SIZE + info + _element(_TRACKS, track)


def vp8(picture: Picture) -> bytes:
    """Encode a picture as a key frame."""
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "WEBP", quality=_QUALITY, method=_EFFORT)
    file = stream.getvalue()
    size = int.from_bytes(file[_CHUNK + 4 : _CHUNK + 8], "little")
    return file[_CHUNK + 8 : _CHUNK + 8 + size]


def _element(identifier: int, *contents: bytes) -> bytes:
    content = b"".join(contents)
    return _identifier(identifier) + (1 << 56 | len(content)).to_bytes(8) + content


def _number(identifier: int, value: int) -> bytes:
    return _element(identifier, value.to_bytes(max(1, (value.bit_length() + 7) // 8)))


def _identifier(identifier: int) -> bytes:
    return identifier.to_bytes((identifier.bit_length() + 7) // 8)
