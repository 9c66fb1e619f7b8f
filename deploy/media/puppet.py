"""A puppet: one photograph moved as if its person turned, blinked and came closer.

It is no person. It passes the liveness check because that check stops prints and tilted screens, and an animated
photograph is neither: a known limit, and the reason why tests that use a puppet can show that the check works
but never that it suffices.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from deploy.media.webm import webm
from services.biometrics.face.face import OVAL, Face, FaceFinder
from services.biometrics.liveness.challenge import Action, Kind, kind_of
from services.biometrics.media.decode import Picture

Field = NDArray[np.float32]

WIDTH, HEIGHT, RATE = 640, 480, 12
_TURN, _APPROACH, _CAMERA = 27.0, 1.5, 2.6
_REST, _RAMP, _HOLD, _LONG_HOLD = 0.5, 0.45, 0.3, 2.2
_GRAIN_ROOM: Final = 64
# Movement is smooth: it is worked out on a grid of every fourth pixel.
_COARSE: Final = 4
_NO_MAP: Final = np.empty(0, np.float32)  # both coordinates of a source stand in one map
# Upper and lower lid of both eyes, from corner to corner.
_LIDS: Final = (
    ((246, 161, 160, 159, 158, 157, 173), (7, 163, 144, 145, 153, 154, 155)),
    ((466, 388, 387, 386, 385, 384, 398), (249, 390, 373, 374, 380, 381, 382)),
)


@dataclass(frozen=True, slots=True)
class Attitude:
    """How the puppet is held: yaw in degrees (own left positive), eyes shut 0 to 1, times closer."""

    yaw: float = 0.0
    shut: float = 0.0
    closer: float = 1.0


_FURTHEST: Mapping[Kind, Attitude] = {
    "left": Attitude(yaw=_TURN),
    "right": Attitude(yaw=-_TURN),
    "blink": Attitude(shut=1.0),
    "closer": Attitude(closer=_APPROACH),
}


class Puppet:
    """A head whose depth is that of the face mesh, falling away behind it, before a flat background."""

    def __init__(self, picture: Picture, face: Face) -> None:
        self._picture = picture
        self._size = (picture.shape[0] // _COARSE, picture.shape[1] // _COARSE)
        self._width = float(np.linalg.norm(face.at(454) - face.at(234)))
        self._centre = face.at(*OVAL).astype(np.float32)
        self._axis = float(face.points[[454, 234], 2].mean())
        self._grid = _grid(self._size)
        self._depth = self._depths(face)
        self._part = self._belonging(face)
        self._asleep = _eyes_shut(picture, face)

    def render(self, attitude: Attitude) -> Picture:
        """Return the picture of the puppet so held; without any movement it is the photograph itself."""
        forward = self._movement(attitude)
        # Where does each pixel come from: solve source + forward(source) = pixel by iteration.
        source = self._grid - forward
        for _ in range(10):
            place = (source - (_COARSE - 1) / 2) / _COARSE
            moved = cv2.remap(forward, place, _NO_MAP, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            source += np.float32(0.7) * (self._grid - moved - source)
        height, width = self._picture.shape[:2]
        fine = cv2.resize(source, (width, height), interpolation=cv2.INTER_LINEAR)
        shown = cv2.addWeighted(self._asleep, attitude.shut, self._picture, 1 - attitude.shut, 0)
        # OpenCV 5.0 mixes up colours' coordinates when both stand in one map: measured on 8-bit pictures only.
        across, down = cv2.split(fine)
        image = cv2.remap(shown, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(image, np.uint8)

    def _movement(self, attitude: Attitude) -> Field:
        """Return where each point of the grid goes, as a shift (x, y) in pixels of the photograph."""
        distance = _CAMERA * self._width
        flat = (self._grid - self._centre) * ((self._depth + distance) / distance)[..., None]
        cos, sin = np.cos(np.radians(attitude.yaw)), np.sin(np.radians(attitude.yaw))
        across = flat[..., 0] * cos - self._depth * sin
        depth = flat[..., 0] * sin + self._depth * cos
        scale = distance / (distance / attitude.closer + depth)
        there = np.stack([across * scale, flat[..., 1] * scale], axis=-1) + self._centre
        shift = (there - self._grid) * self._part[..., None]
        return np.asarray(shift, np.float32)

    def _depths(self, face: Face) -> Field:
        """Spread the mesh's depth over the picture; around the face it recedes like hair and neck."""
        rings = [face.points]
        for widening, recession in ((1.25, 0.35), (1.5, 0.6), (1.9, 0.8)):
            ring = face.points[OVAL].copy()
            ring[:, :2] = self._centre + (ring[:, :2] - self._centre) * widening
            ring[:, 2] += recession * self._width
            rings.append(ring)
        points = np.concatenate(rings)
        values = (points[:, 2] - self._axis)[:, None]
        return _spread(points[:, :2], values, self._size, self._width / 40)[..., 0]

    def _belonging(self, face: Face) -> Field:
        """Return how far each pixel moves along with the head: 1 on the face, 0 on the background."""
        outside = np.full(self._size, 255, np.uint8)
        cv2.fillConvexPoly(outside, (face.points[OVAL, :2] / _COARSE).astype(np.int32), 0)
        distance = cv2.distanceTransform(outside, cv2.DIST_L2, 5) * _COARSE / self._width
        part = np.clip(1.25 - distance / 0.5, 0, 1)
        part = part * part * (3 - 2 * part)
        return np.asarray(cv2.GaussianBlur(part, (0, 0), self._width / 20 / _COARSE), np.float32)


def _eyes_shut(picture: Picture, face: Face) -> Picture:
    """Return the picture with skin over the eyes and lashes along the lower lids."""
    thickness = max(2, round(face.eye_distance / 15))
    eyes = np.zeros(picture.shape[:2], np.uint8)
    for upper, lower in _LIDS:
        cv2.fillPoly(eyes, [face.points[[*upper, *lower[::-1]], :2].astype(np.int32)], 255)
    covered = cv2.dilate(eyes, np.ones((thickness, thickness), np.uint8))
    shut = cv2.inpaint(picture, covered, thickness, cv2.INPAINT_TELEA)
    for _, lower in _LIDS:
        lashes = face.points[list(lower), :2].astype(np.int32)
        cv2.polylines(shut, [lashes], isClosed=False, color=(40, 28, 24), thickness=thickness // 2)
    return np.asarray(cv2.GaussianBlur(shut, (0, 0), 0.8), np.uint8)


def script(challenge: Sequence[Action]) -> Iterator[Attitude]:
    """Yield the attitude of every frame: each action in turn, with a rest before, between and after."""
    yield from _steady(Attitude(), 2 * _REST)
    for action in challenge:
        kind = kind_of(action)
        furthest = _FURTHEST[kind]
        ramp = _RAMP / 4 if kind == "blink" else _RAMP
        rise = np.sin(np.linspace(0, np.pi / 2, max(2, round(ramp * RATE))))
        yield from (_between(furthest, share) for share in rise)
        yield from _steady(furthest, _HOLD if kind == action else _LONG_HOLD)
        yield from (_between(furthest, share) for share in rise[::-1])
        yield from _steady(Attitude(), _REST)


def portrait(photo: Picture, finder: FaceFinder, *, width: int, height: int, face_height: float) -> Picture:
    """Cut the photo so that its face stands in the middle, `face_height` of the picture high."""
    bounds = finder.faces(photo)[0].bounds
    scale = float(bounds[3] - bounds[1]) / (face_height * height)
    left, top = (bounds[:2] + bounds[2:]) / 2 - np.array([width, height]) * scale / 2
    matrix = np.array([[scale, 0, left], [0, scale, top]])
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    cut = cv2.warpAffine(photo, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(cut, np.uint8)


def write_clip(path: Path, photo: Picture, challenge: Sequence[Action], finder: FaceFinder) -> None:
    """Write a WebM clip (VP8, as browsers record) of a puppet of `photo` doing `challenge`."""
    scene = portrait(photo, finder, width=WIDTH, height=HEIGHT, face_height=0.42)
    puppet = Puppet(scene, finder.faces(scene)[0])
    write_frames(path, (puppet.render(attitude) for attitude in script(challenge)))


def write_frames(path: Path, pictures: Iterable[Picture], *, noise: float = 1.0) -> None:
    """Write pictures of WIDTH by HEIGHT as a WebM clip, with a sensor's noise.

    Raises:
        ValueError: a picture has another size.
    """
    with path.open("wb") as file:
        file.writelines(webm(_grained(pictures, noise), RATE, WIDTH, HEIGHT))


def _grained(pictures: Iterable[Picture], noise: float) -> Iterator[Picture]:
    """Add grey grain to each picture: one field of it, made once, looked at in another place every time."""
    chance = np.random.default_rng(1)
    grain = chance.standard_normal((HEIGHT + _GRAIN_ROOM, WIDTH + _GRAIN_ROOM), np.float32) * np.float32(noise)
    field = cv2.merge([np.round(grain).astype(np.int8)] * 3)
    for picture in pictures:
        top, left = chance.integers(0, _GRAIN_ROOM, 2)
        seen = cv2.add(picture, field[top : top + HEIGHT, left : left + WIDTH], dtype=cv2.CV_8U)
        yield np.asarray(seen, np.uint8)


def _steady(attitude: Attitude, seconds: float) -> Iterator[Attitude]:
    """Hold an attitude with the slight sway of a living head."""
    for i in range(round(seconds * RATE)):
        yield Attitude(attitude.yaw + np.sin(i / 3), attitude.shut, attitude.closer)


def _between(furthest: Attitude, share: float) -> Attitude:
    return Attitude(furthest.yaw * share, furthest.shut * share, 1 + (furthest.closer - 1) * share)


def _grid(size: tuple[int, int]) -> Field:
    """Return the photograph's pixel (x, y) at each point of the coarse grid."""
    y, x = np.mgrid[0 : size[0], 0 : size[1]]
    return (np.stack([x, y], axis=-1) * _COARSE + (_COARSE - 1) / 2).astype(np.float32)


def _spread(points: NDArray[np.float64], values: NDArray[np.float64], size: tuple[int, int], sigma: float) -> Field:
    """Interpolate values at scattered pixels smoothly: near ones first, then from ever further away."""
    height, width = size
    sums = np.zeros((height, width, values.shape[1] + 1), np.float32)
    columns, rows = (points / _COARSE).astype(int).T
    places = (np.clip(rows, 0, height - 1), np.clip(columns, 0, width - 1))
    np.add.at(sums, places, np.column_stack([values, np.ones(len(values))]))
    total = np.zeros_like(sums)
    for octave in range(6):
        blurred = cv2.GaussianBlur(sums, (0, 0), sigma / _COARSE * 2**octave)
        total += blurred * np.float32(1000.0**-octave)
    return np.asarray(total[..., :-1] / (total[..., -1:] + np.float32(1e-30)), np.float32)
