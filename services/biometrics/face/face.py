"""Faces in a picture: where they are, 468 points on each, where the head is turned.

The detector is BlazeFace (short range, Bazarevsky et al. 2019), the mesh MediaPipe Face Mesh (Kartynnik et al.
2019); both run on TensorFlow Lite. Directions are the subject's own, in a picture that is not mirrored.
"""

from dataclasses import dataclass
from math import atan2, cos, degrees, dist, hypot, sin
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from services.biometrics.media.decode import Picture
from services.biometrics.models.files import Models, TfLiteNetwork

Points = NDArray[np.float64]
Matrix = NDArray[np.float64]

DETECTOR_SIDE: Final = 128
MESH_SIDE: Final = 192
_ASTRAY: Final = 0.1
RIGHT_EYE: Final = (33, 160, 158, 133, 153, 144)
"""The subject's right eye: outer corner, two points of the upper lid, inner corner, two of the lower."""
LEFT_EYE: Final = (263, 387, 385, 362, 380, 373)
FOREHEAD, CHIN = 10, 152
# The edge of the face, from the forehead clockwise in the picture.
# fmt: off
OVAL: Final = np.array([
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
    152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
], np.intp)
# fmt: on


@dataclass(frozen=True, slots=True, eq=False)
class Detection:
    """A found face.

    Attributes:
        score: 0 to 1.
        box: Left, top, right, bottom, pixels.
        keypoints: Right eye, left eye, nose tip, mouth, right ear, left ear; 6 × 2, pixels.
    """  # noqa: RUF002 - a product of sizes

    score: float
    box: Points
    keypoints: Points


@dataclass(frozen=True, slots=True)
class Pose:
    """Where the head is turned, degrees.

    Attributes:
        yaw: Positive to the subject's own left.
        pitch: Positive downwards.
        roll: Positive clockwise in the picture.
    """

    yaw: float
    pitch: float
    roll: float


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """A face with its mesh.

    Attributes:
        points: 468 × 3, pixels; depth grows away from the camera and is relative.
        presence: The mesh network's own certainty that there is a face, 0 to 1.
    """  # noqa: RUF002 - a product of sizes

    points: Points
    presence: float

    def at(self, *indices: int) -> Points:
        """Return the mean of these points in the picture (x, y)."""
        mean: Points = self.points[indices, :2].sum(axis=0) / len(indices)
        return mean

    @property
    def eye_distance(self) -> float:
        """Pixels between the centres of the eyes (each the middle of its corners)."""
        return float(np.linalg.norm(self.at(263, 362) - self.at(33, 133)))

    @property
    def bounds(self) -> Points:
        """Left, top, right, bottom of the mesh, pixels."""
        return np.concatenate([self.points[:, :2].min(axis=0), self.points[:, :2].max(axis=0)])

    @property
    def pose(self) -> Pose:
        """Read off the mesh itself: the line of the eyes, and the line from forehead to chin."""
        x, y, z = (self.points[263] - self.points[33]).tolist()
        side, down, depth = (self.points[CHIN] - self.points[FOREHEAD]).tolist()
        lean = (x * side + y * down + z * depth) / ((x * x + y * y + z * z) or 1.0)
        pitch = atan2(depth - lean * z, down - lean * y)
        return Pose(degrees(atan2(z, x)), degrees(pitch), degrees(atan2(y, x)))

    @property
    def eye_openness(self) -> float:
        """Eye aspect ratio (Soukupová and Čech 2016), the mean of both eyes.

        Compare it with the same person's own at another moment only: eyes differ between people.
        """
        return (self._aspect_ratio(RIGHT_EYE) + self._aspect_ratio(LEFT_EYE)) / 2

    def _aspect_ratio(self, eye: tuple[int, ...]) -> float:
        outer, upper1, upper2, inner, lower2, lower1 = self.points[list(eye), :2].tolist()
        width = dist(outer, inner)
        return (dist(upper1, lower1) + dist(upper2, lower2)) / (2 * width) if width else 0.0


class FaceFinder:
    """Finds faces and their meshes. Holds interpreters: for one thread only."""

    def __init__(self, models: Models) -> None:
        self._detector = TfLiteNetwork(models.path("face-detection"))
        self._mesh = TfLiteNetwork(models.path("face-landmarks"))

    def detect(self, picture: Picture, threshold: float = 0.5) -> list[Detection]:
        """Return the faces of `picture`, surest first.

        A face narrower than about a tenth of the picture's longer side is not seen.
        """
        scale = DETECTOR_SIDE / max(picture.shape[:2])
        small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        height, width = small.shape[:2]
        top, left = (DETECTOR_SIDE - height) // 2, (DETECTOR_SIDE - width) // 2
        square = np.zeros((1, DETECTOR_SIDE, DETECTOR_SIDE, 3), np.float32)
        square[0, top : top + height, left : left + width] = small / np.float32(127.5)
        regressors, logits = self._detector(square - np.float32(1))
        scores = 1 / (1 + np.exp(-np.clip(logits[0, :, 0].astype(np.float64), -80, 80)))
        sure = scores > threshold
        places = _decoded(regressors[0][sure].astype(np.float64), _ANCHORS[sure])
        places = (places * DETECTOR_SIDE - [left, top]) / scale
        return _merged(scores[sure], places)

    def mesh(self, picture: Picture, detection: Detection) -> Face:
        """Return the mesh of a detected face. The second pass starts from the first one's own points."""
        box, eyes = detection.box, detection.keypoints[:2]
        crop = _crop((box[:2] + box[2:]) / 2, float(max(box[2:] - box[:2])), _angle(*eyes))
        face = self._mesh_in(picture, crop)
        return self._mesh_in(picture, _crop_around(face))

    def follow(self, picture: Picture, before: Face) -> Face:
        """Return the mesh of the face that was at `before` a moment ago, without another search.

        A second pass is made only where the face moved so far that the first saw it off its middle. What was there
        and is gone shows as a low `presence`.
        """
        followed = _crop_around(before)
        face = self._mesh_in(picture, followed)
        centred = _crop_around(face)
        return self._mesh_in(picture, centred) if _astray(followed, centred) else face

    def faces(self, picture: Picture) -> list[Face]:
        """Return every face of `picture` with its mesh, surest first."""
        return [self.mesh(picture, detection) for detection in self.detect(picture)]

    def _mesh_in(self, picture: Picture, crop: Matrix) -> Face:
        seen = _warped(*_part(picture, crop, (MESH_SIDE, MESH_SIDE)), (MESH_SIDE, MESH_SIDE))
        outputs = self._mesh(np.multiply(seen, np.float32(1 / 255), dtype=np.float32)[None])
        mesh, presence = sorted(outputs, key=lambda output: -output.size)[:2]
        points = mesh.reshape(468, 3).astype(np.float64)
        scale = float(np.hypot(crop[0, 0], crop[1, 0]))
        flat = points[:, :2] @ crop[:, :2].T + crop[:, 2]
        certainty = float(1 / (1 + np.exp(-float(presence.ravel()[0]))))
        return Face(np.column_stack([flat, points[:, 2] * scale]), certainty)


def similarity(source: Points, target: Points) -> Matrix:
    """Return the 2 × 3 matrix of the similarity (turn, scale, shift) that brings `source` closest to `target`.

    Least squares over n × 2 points; as complex numbers it is one division.
    """  # noqa: RUF002 - products of sizes
    one, other = source @ [1, 1j], target @ [1, 1j]
    centred = one - one.mean()
    turn = np.vdot(centred, other - other.mean()) / np.vdot(centred, centred).real
    shift = other.mean() - turn * one.mean()
    return np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])


def patch(picture: Picture, matrix: Matrix, size: tuple[int, int]) -> Picture:
    """Cut a patch of `size` (width, height); `matrix` maps its pixels to those of `picture`.

    Halves the picture first as long as the patch is more than twice as coarse, so that detail is averaged and
    not skipped (dlib's `extract_image_chips` does the same).
    """
    part, matrix = _part(picture, matrix, size)
    while np.hypot(matrix[0, 0], matrix[1, 0]) >= 2:  # noqa: PLR2004 - an octave
        part = np.asarray(cv2.pyrDown(part), np.uint8)
        matrix = matrix / 2
    return _warped(part, matrix, size)


def _part(picture: Picture, matrix: Matrix, size: tuple[int, int]) -> tuple[Picture, Matrix]:
    """Return the part of `picture` that a patch shows, with room for filters, and the matrix from patch to part."""
    limits, (width, height) = picture.shape[1::-1], size
    starts, ends = [], []
    for (across, down, begin), most in zip(matrix.tolist(), limits, strict=True):
        room = 4 * max(1.0, hypot(across, down))
        corners = (begin, begin + across * width, begin + down * height, begin + across * width + down * height)
        # On the grid that `patch` halves again and again, and never empty.
        starts.append(max(0, min(int(min(corners) - room) // 64 * 64, most - 1)))
        ends.append(max(1, int(max(corners) + room)))
    (left, top), (right, bottom) = starts, ends
    return picture[top:bottom, left:right], matrix - [[0, 0, left], [0, 0, top]]


def _warped(picture: Picture, matrix: Matrix, size: tuple[int, int]) -> Picture:
    """Cut a patch; with four channels OpenCV 5.0 is twice as fast as with three, the detour included."""
    four = cv2.cvtColor(picture, cv2.COLOR_RGB2RGBA)
    cut = cv2.warpAffine(four, matrix, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    return np.asarray(cv2.cvtColor(cut, cv2.COLOR_RGBA2RGB), np.uint8)


def _anchors() -> Points:
    """Centres of the detector's 896 anchors, as fractions of the side: 2 per cell of 8 pixels, 6 per 16."""
    grids = []
    for cells, per_cell in ((16, 2), (8, 6)):
        centres = (np.arange(cells) + 0.5) / cells
        y, x = np.meshgrid(centres, centres, indexing="ij")
        grids.append(np.repeat(np.column_stack([x.ravel(), y.ravel()]), per_cell, axis=0))
    return np.concatenate(grids)


_ANCHORS: Final = _anchors()


def _decoded(regressors: Points, anchors: Points) -> Points:
    """Turn raw outputs into n × 8 × 2 places, fractions of the side: two corners, six key points."""  # noqa: RUF002
    values = regressors.reshape(-1, 8, 2) / DETECTOR_SIDE
    centre, half = values[:, 0] + anchors, values[:, 1] / 2
    corners = np.stack([centre - half, centre + half], axis=1)
    return np.concatenate([corners, values[:, 2:] + anchors[:, None]], axis=1)


def _merged(scores: Points, places: Points) -> list[Detection]:
    """Average overlapping candidates, weighted by score (BlazeFace's replacement for suppression)."""
    found = []
    order = np.argsort(-scores)
    while order.size:
        same = _overlap(places[order[0], :2], places[order, :2]) > 0.3  # noqa: PLR2004 - the model's own value
        same[0] = True
        mean = np.average(places[order[same]], axis=0, weights=scores[order[same]])
        found.append(Detection(float(scores[order[0]]), mean[:2].ravel(), mean[2:]))
        order = order[~same]
    return found


def _overlap(box: Points, boxes: Points) -> Points:
    """Intersection over union of one box (2 × 2 corners) with n others."""  # noqa: RUF002 - a product of sizes
    sides = np.minimum(box[1], boxes[:, 1]) - np.maximum(box[0], boxes[:, 0])
    common = np.prod(np.maximum(sides, 0), axis=1)
    areas = np.prod(boxes[:, 1] - boxes[:, 0], axis=1)
    overlap: Points = common / (np.prod(box[1] - box[0]) + areas - common + 1e-12)
    return overlap


def _angle(start: Points, end: Points) -> float:
    return atan2(end[1] - start[1], end[0] - start[0])


def _turn(angle: float) -> Matrix:
    return np.array([[cos(angle), -sin(angle)], [sin(angle), cos(angle)]])


def _crop(centre: Points, side: float, angle: float, margin: float = 1.5) -> Matrix:
    """Map the mesh network's input to a turned square of the picture, `margin` times as wide as the face."""
    scale = side * margin / MESH_SIDE
    turn = _turn(angle) * scale
    return np.column_stack([turn, centre - turn @ [MESH_SIDE / 2, MESH_SIDE / 2]])


def _astray(followed: Matrix, centred: Matrix) -> bool:
    """Return whether a face stands off the middle of the crop by a tenth of its side, or fills another part of it."""
    middle = np.array([MESH_SIDE / 2, MESH_SIDE / 2, 1])
    side, wanted = (MESH_SIDE * float(np.hypot(crop[0, 0], crop[1, 0])) for crop in (followed, centred))
    off = float(np.linalg.norm((followed - centred) @ middle))
    return off > side * _ASTRAY or abs(wanted - side) > side * _ASTRAY


def _crop_around(face: Face) -> Matrix:
    angle = _angle(face.points[33], face.points[263])
    turn = _turn(angle)
    straight = face.points[:, :2] @ turn
    low, high = straight.min(axis=0), straight.max(axis=0)
    return _crop(turn @ ((low + high) / 2), float((high - low).max()), angle)
