"""Which way up a picture was taken, as files say it: EXIF's number, or the matrix of an MP4's track.

Only that is read, entry by entry, and every other entry is passed over: what cameras write there is often odd.
Orientations are the numbers of EXIF (CIPA DC-008, 4.6.5.1.6): 1 upright, 2 to 4 mirrored, upside down or both, 5 to 8
lying on a side.
"""

import re
import struct
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Final

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Matrix = NDArray[np.float64]

UPRIGHT: Final = 1
_TURNS: Final[Mapping[int, Callable[[Pixels], Pixels]]] = {
    1: lambda lying: lying,
    2: lambda lying: lying[:, ::-1],
    3: lambda lying: lying[::-1, ::-1],
    4: lambda lying: lying[::-1],
    5: lambda lying: lying.swapaxes(0, 1),
    6: lambda lying: np.rot90(lying, -1),
    7: lambda lying: lying[::-1, ::-1].swapaxes(0, 1),
    8: np.rot90,
}
_BY_MATRIX: Final[Mapping[tuple[int, ...], int]] = {
    (1, 0, 0, 1): 1,
    (-1, 0, 0, 1): 2,
    (-1, 0, 0, -1): 3,
    (1, 0, 0, -1): 4,
    (0, 1, 1, 0): 5,
    (0, 1, -1, 0): 6,
    (0, -1, -1, 0): 7,
    (0, -1, 1, 0): 8,
}
_TAG: Final = 0x0112
_WHOLE_NUMBERS: Final = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i"}
"""The types of TIFF 6.0, section 2, that an orientation is written in."""
_XMP: Final = re.compile(rb"tiff:Orientation(?:=[\"']|>)([1-8])")
_SKEWED: Final = 0.02
"""The least share that a turn by no quarter has in both rows."""
_MOST_BOXES: Final = 1000
Box = tuple[bytes, memoryview]


class Skewed(ValueError):
    """A track is turned by an angle that is no quarter, or not at all shown."""


def upright(lying: Pixels, orientation: int) -> Pixels:
    """Return the picture as it is to be seen."""
    return np.ascontiguousarray(_TURNS[orientation](lying))


def exif_orientation(exif: bytes, xmp: bytes = b"") -> int:
    """Return what EXIF says, else what XMP (Adobe, part 2, 2.8) says, else that the picture is upright."""
    tiff = exif.removeprefix(b"Exif\0\0")
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    found = None if order is None else _first_directory(tiff, order)
    if found is None and (match := _XMP.search(xmp)):
        found = int(match[1])
    return UPRIGHT if found is None else found


def _first_directory(tiff: bytes, order: str) -> int | None:
    try:
        (start,) = struct.unpack_from(f"{order}I", tiff, 4)
        (count,) = struct.unpack_from(f"{order}H", tiff, start)
        for entry in range(start + 2, start + 2 + 12 * count, 12):
            tag, kind, values = struct.unpack_from(f"{order}HHI", tiff, entry)
            if tag == _TAG and kind in _WHOLE_NUMBERS and values == 1:
                (value,) = struct.unpack_from(order + _WHOLE_NUMBERS[kind], tiff, entry + 8)
                return value if value in _TURNS else None
    except struct.error:  # it ends before it should
        pass
    return None


def track_orientation(mp4: bytes) -> int:
    """Return how the first video track of an MP4 is turned (ISO/IEC 14496-12, 8.3.2 and 8.2.2).

    Raises:
        Skewed: by no quarter of a turn.
    """
    for name, movie in _boxes(memoryview(mp4)):
        if name == b"moov":
            return _movie_orientation(movie)
    return UPRIGHT


def _movie_orientation(movie: memoryview) -> int:
    whole = np.eye(2)
    for name, content in _boxes(movie):
        if name == b"mvhd":
            whole = _matrix(content, 36)
        elif name == b"trak" and _is_video(content):
            header = next((each for kind, each in _boxes(content) if kind == b"tkhd"), memoryview(b""))
            return _by_quarters(_matrix(header, 40) @ whole)
    return UPRIGHT


def _is_video(track: memoryview) -> bool:
    media = (content for name, content in _boxes(track) if name == b"mdia")
    return any(
        name == b"hdlr" and each[8:12].tobytes() == b"vide" for content in media for name, each in _boxes(content)
    )


def _matrix(header: memoryview, start: int) -> Matrix:
    """Return the part of a matrix that turns: where one step across, and one step down, leads.

    Args:
        start: Of the matrix in a header of version 0; later versions have longer times before it.
    """
    try:
        later = 12 * (header[0] > 0)
        numbers = struct.unpack_from(">9i", header, start + later)
    except (IndexError, struct.error):
        return np.eye(2)
    turn = np.array([numbers[0:2], numbers[3:5]], np.float64) / 65536
    return turn if turn.any() else np.eye(2)  # never written: players show such a clip as it lies


def _by_quarters(matrix: Matrix) -> int:
    largest = np.abs(matrix).max(axis=1, keepdims=True)
    if not largest.all():
        raise Skewed("a side of the picture has no length")
    ratios = matrix / largest
    signs = np.where(np.abs(ratios) < _SKEWED, 0, np.sign(ratios)).astype(int)
    try:
        return _BY_MATRIX[tuple(signs.ravel().tolist())]
    except KeyError:
        raise Skewed("the picture is turned by no quarter") from None


def _boxes(content: memoryview) -> Iterator[Box]:
    """Yield the boxes that follow each other, up to one that is cut off."""
    return islice(_all_boxes(content), _MOST_BOXES)


def _all_boxes(content: memoryview) -> Iterator[Box]:
    place = 0
    while place + 8 <= len(content):
        size, name = struct.unpack_from(">I4s", content, place)
        head = 8
        if size == 1 and place + 16 <= len(content):
            (size,), head = struct.unpack_from(">Q", content, place + 8), 16
        size = size or len(content) - place
        if size < head:
            return
        yield name, content[place + head : place + size]
        place += size
