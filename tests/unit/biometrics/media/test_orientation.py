"""Pictures and clips however cameras say that they lie: seen upright, and odd entries passed over."""

import io
import itertools
import struct
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from services.biometrics.media.decode import Picture, UndecodableError, picture
from services.biometrics.media.orientation import UPRIGHT, Skewed, exif_orientation, track_orientation
from services.biometrics.media.video import frames

# Names of the quarters of the picture that is upright, and how each of the eight orientations lies (CIPA DC-008).
SEEN = [["white", "red"], ["green", "black"]]
LYING = {
    1: [["white", "red"], ["green", "black"]],
    2: [["red", "white"], ["black", "green"]],
    3: [["black", "green"], ["red", "white"]],
    4: [["green", "black"], ["white", "red"]],
    5: [["white", "green"], ["red", "black"]],
    6: [["red", "black"], ["white", "green"]],
    7: [["black", "red"], ["green", "white"]],
    8: [["green", "white"], ["black", "red"]],
}
COLOURS = {"white": (255, 255, 255), "red": (255, 0, 0), "green": (0, 255, 0), "black": (0, 0, 0)}
# The matrices of ISO/IEC 14496-12 that show a picture, lying so, upright: a, b, c, d.
MATRICES = {
    1: (1, 0, 0, 1),
    2: (-1, 0, 0, 1),
    3: (-1, 0, 0, -1),
    4: (1, 0, 0, -1),
    5: (0, 1, 1, 0),
    6: (0, 1, -1, 0),
    7: (0, -1, -1, 0),
    8: (0, -1, 1, 0),
}
TYPES, COUNTS = range(15), (0, 1, 2, 7, 2**32 - 1)
TAGS = (0x010E, 0x010F, 0x011A, 0x0128, 0x0132, 0x8769, 0x8825, 0xC4A5, 0x0111)
"""Of the first directory: description, maker, resolution, its unit, date, pointers to EXIF and GPS, and others."""


def quarters(names: list[list[str]], wide: int, tall: int) -> Picture:
    cells = [[np.full((tall // 2, wide // 2, 3), COLOURS[name], np.uint8) for name in row] for row in names]
    return np.concatenate([np.concatenate(row, axis=1) for row in cells])


def named(shown: Picture) -> list[list[str]]:
    tall, wide = shown.shape[:2]
    return [
        [
            min(COLOURS, key=lambda name: int(np.abs(shown[y, x].astype(int) - COLOURS[name]).sum()))
            for x in (wide // 4, 3 * wide // 4)
        ]
        for y in (tall // 4, 3 * tall // 4)
    ]


def tiff(entries: list[tuple[int, int, int, bytes]], order: str = "<") -> bytes:
    start = b"II*\0" if order == "<" else b"MM\0*"
    rows = b"".join(struct.pack(f"{order}HHI", *entry[:3]) + entry[3] for entry in sorted(entries))
    return start + struct.pack(f"{order}IH", 8, len(entries)) + rows + bytes(4)


def orientation(value: int, order: str = "<", kind: int = 3) -> tuple[int, int, int, bytes]:
    form = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i"}[kind]
    return (0x0112, kind, 1, struct.pack(order + form, value).ljust(4, b"\0"))


def jpeg(exif: bytes, lying: int = 6) -> bytes:
    out = io.BytesIO()
    shown = quarters(LYING[lying], 240, 160) if lying < 5 else quarters(LYING[lying], 160, 240)
    Image.fromarray(shown).save(out, "JPEG", quality=95, exif=b"Exif\0\0" + exif)
    return out.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("lying", LYING)
def test_a_photo_is_seen_upright_however_it_lies(lying: int, order: str, kind: str) -> None:
    shown, out = quarters(LYING[lying], 200, 160), io.BytesIO()
    exif = tiff([orientation(lying, order)], order)
    Image.fromarray(shown).save(out, kind, quality=95, exif=b"Exif\0\0" + exif)
    upright = picture(out.getvalue(), 1280)
    assert named(upright) == SEEN
    assert upright.shape == ((160, 200, 3) if lying < 5 else (200, 160, 3))


def test_no_odd_entry_of_any_type_and_length_hides_the_orientation() -> None:
    expected = picture(jpeg(tiff([orientation(6)])), 1280)
    assert named(expected) == SEEN
    for tag, kind, count, where in itertools.product(TAGS, TYPES, COUNTS, (0, 8, 2**31)):
        exif = tiff([(tag, kind, count, struct.pack("<I", where)), orientation(6)])
        assert exif_orientation(exif) == 6, (tag, kind, count, where)
        assert np.array_equal(picture(jpeg(exif), 1280), expected), (tag, kind, count, where)


@pytest.mark.parametrize("kind", [1, 3, 4, 6, 8, 9])
@pytest.mark.parametrize("order", ["<", ">"])
def test_an_orientation_is_a_whole_number_of_any_size(kind: int, order: str) -> None:
    assert exif_orientation(tiff([orientation(8, order, kind)], order)) == 8


@pytest.mark.parametrize(
    "exif",
    [
        b"",
        b"Exif\0\0",
        b"Exif\0\0II*\0",
        b"II*\0\xff\xff\xff\xff",
        tiff([orientation(6)])[:14],
        tiff([orientation(0)]),
        tiff([orientation(9)]),
        tiff([(0x0112, 2, 2, b"6\0\0\0")]),
        tiff([(0x0112, 3, 2, b"\x06\0\x06\0")]),
        b"XX*\0" + tiff([orientation(6)])[4:],
    ],
)
def test_what_says_no_orientation_is_upright(exif: bytes) -> None:
    assert exif_orientation(exif) == UPRIGHT


def test_xmp_is_asked_where_exif_says_nothing() -> None:
    assert exif_orientation(b"", b'<rdf:Description tiff:Orientation="3"/>') == 3
    assert exif_orientation(b"", b"<tiff:Orientation>8</tiff:Orientation>") == 8
    assert exif_orientation(tiff([orientation(6)]), b'tiff:Orientation="3"') == 6


@given(st.binary(max_size=80))
def test_hostile_exif_is_a_number_and_nothing_else(data: bytes) -> None:
    for beginning in (b"", b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08"):
        assert exif_orientation(beginning + data) in range(1, 9)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], bytes]:
    folder = tmp_path_factory.mktemp("lying")

    def record(lying: int) -> bytes:
        return mp4(quarters(LYING[lying], 320, 240), folder / f"{lying}.mp4")

    return record


def mp4(shown: Picture, path: Path) -> bytes:
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"mp4v"), 25, shown.shape[1::-1])
    for _ in range(60):
        writer.write(cv2.cvtColor(shown, cv2.COLOR_RGB2BGR))
    writer.release()
    return path.read_bytes()


def turned(clip: bytes, *matrix: float, header: bytes = b"tkhd") -> bytes:
    """Write a, b, c, d into a header's matrix."""
    place = clip.index(header) + 4 + {b"tkhd": 40, b"mvhd": 36}[header]
    a, b, c, d = (round(65536 * each) for each in matrix)
    return clip[:place] + struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30) + clip[place + 36 :]


@pytest.mark.parametrize("lying", MATRICES)
def test_every_track_matrix_that_a_phone_writes_stands_upright(recorded: Callable[[int], bytes], lying: int) -> None:
    clip = turned(recorded(lying), *MATRICES[lying])
    assert track_orientation(clip) == lying
    seen = list(frames(clip, 4, 640))
    assert len(seen) >= 8
    assert {str(named(frame.picture)) for frame in seen} == {str(SEEN)}


@pytest.mark.parametrize("header", [b"mvhd", b"tkhd"])
def test_the_movies_matrix_counts_like_the_tracks(recorded: Callable[[int], bytes], header: bytes) -> None:
    """A track's matrix leads into the movie, whose own leads on to the screen (ISO/IEC 14496-12, 6.2.2)."""
    clip = turned(recorded(6), *MATRICES[6], header=header)
    assert named(next(iter(frames(clip, 4, 640))).picture) == SEEN
    both = turned(turned(clip, *MATRICES[8], header=b"mvhd"), *MATRICES[6])
    assert track_orientation(both) == UPRIGHT


def test_a_matrix_that_also_scales_turns_alike(recorded: Callable[[int], bytes]) -> None:
    assert track_orientation(turned(recorded(6), 0, 0.5, -2, 0)) == 6
    assert track_orientation(turned(recorded(1), 1, 0.001, -0.001, 1)) == 1, "a rounding of the camera's"


@pytest.mark.parametrize("matrix", [(0.7, 0.7, -0.7, 0.7), (0, 0, 0, 1), (1, 0, 1, 0), (1, 0.3, -0.3, 1)])
def test_a_rotation_that_is_no_quarter_is_named(recorded: Callable[[int], bytes], matrix: tuple[float, ...]) -> None:
    with pytest.raises(UndecodableError) as caught:
        list(frames(turned(recorded(1), *matrix), 4, 640))
    assert caught.value.key == "clip.unknown_rotation"


@pytest.mark.parametrize("header", [b"tkhd", b"mvhd"])
def test_a_matrix_that_was_never_written_turns_nothing(recorded: Callable[[int], bytes], header: bytes) -> None:
    """As FFmpeg has it (`av_display_rotation_get`: no rotation without a length)."""
    clip = recorded(6)
    blank = turned(turned(clip, *MATRICES[6]), 0, 0, 0, 0, header=header)
    assert track_orientation(blank) == (UPRIGHT if header == b"tkhd" else 6)


@pytest.mark.parametrize("size", [0, 1, 7, 8, 9, 16, 2**31, 2**32 - 1])
def test_boxes_of_wrong_sizes_are_upright_and_end(size: int) -> None:
    for box in (struct.pack(">I4s", size, b"moov"), struct.pack(">I4sQ", 1, b"moov", size)):
        assert track_orientation(box * 3) == UPRIGHT


@given(st.binary(max_size=200))
def test_hostile_boxes_are_a_number_or_skewed(data: bytes) -> None:
    try:
        assert track_orientation(struct.pack(">I4s", 0, b"moov") + data) in range(1, 9)
    except Skewed:
        return
