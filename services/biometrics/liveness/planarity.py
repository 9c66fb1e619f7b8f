"""Is it a head or a picture of one: what a turn does to a solid and cannot do to a plane.

The images of a plane from two sides are related by a homography, those of a head are not. What no homography
explains is measured twice, on landmarks and on tracked texture, in percent of the distance between the eyes.
Measured: heads 9 to 18 and 3.5 to 7.5, turned photographs and screens at most 1.8 and 0.4. A mask, an injected
deepfake or an animated photograph is not stopped by this: that takes a detector of its own, and a clerk.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from services.biometrics.face.face import Face

Grey = NDArray[np.uint8]

# Points that keep their place on the skull, spread in depth: eye corners, nose, mouth corners, chin, cheeks.
# fmt: off
_LANDMARKS: Final = [
    33, 133, 362, 263, 168, 6, 197, 195, 4, 98, 327, 61, 291, 152, 199, 10, 234, 454, 93, 323, 127, 356, 50, 280,
    205, 425,
]
# fmt: on
FEWEST_TRACKED: Final = 12
_POINTS: Final = 150
# Least change of a place, pixels, and most rounds of the tracker: the guess is good, finer tells nothing more.
_FINISHED: Final = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 10, 0.03)
_MARGIN: Final = 0.3  # around the face, in eye distances: room for the tracker's windows


@dataclass(frozen=True, slots=True)
class Flow:
    """What tracked texture says: the residual, and how many points were tracked all the way."""

    residual: float
    points: int


def landmark_residual(facing: Face, turned: Face) -> float:
    """Return what the best homography leaves of the landmarks' movement, percent of eye distance."""
    source, target = facing.points[_LANDMARKS, :2], turned.points[_LANDMARKS, :2]
    homography, _ = cv2.findHomography(source, target, 0)
    if homography is None:
        return 0.0
    errors = _errors(source, target, homography)
    return float(100 * np.sqrt((errors**2).mean()) / facing.eye_distance)


def flow_residual(pictures: Sequence[Grey], faces: Sequence[Face]) -> Flow:
    """Track the face's texture from the first picture to the last and fit a homography to where it went.

    The worst tenth of the points is left out: tracks slip at the face's edge, of planes too.

    Args:
        pictures: At least one, of one size.
        faces: The face in each of them.
    """
    rows, columns = _window(pictures[0], faces)
    cuts = [np.ascontiguousarray(picture[rows, columns]) for picture in pictures]
    places = [face.points[:, :2] - [columns.start, rows.start] for face in faces]
    start = _texture(cuts[0], places[0])
    if start is None:
        return Flow(0.0, 0)
    source, target = _tracked(cuts, places, start)
    if len(source) < FEWEST_TRACKED:
        return Flow(0.0, len(source))
    homography, _ = cv2.findHomography(source, target, cv2.LMEDS)
    if homography is None:
        return Flow(0.0, len(source))
    errors = np.sort(_errors(source, target, homography))[: int(len(source) * 0.9)]
    return Flow(float(100 * np.sqrt((errors**2).mean()) / faces[0].eye_distance), len(source))


def _errors(source: NDArray[Any], target: NDArray[Any], homography: NDArray[Any]) -> NDArray[np.float64]:
    moved = cv2.perspectiveTransform(source[None].astype(np.float64), homography)[0]
    return np.asarray(np.linalg.norm(moved - target, axis=1))


def _window(picture: Grey, faces: Sequence[Face]) -> tuple[slice, slice]:
    """Return the rows and columns in which the face is throughout: what lies outside costs time and tells nothing."""
    bounds = np.stack([face.bounds for face in faces])
    low, high = bounds[:, :2].min(axis=0), bounds[:, 2:].max(axis=0)
    margin = _MARGIN * faces[0].eye_distance
    left, top = np.maximum(low - margin, 0).astype(int)
    right, bottom = np.minimum(high + margin, picture.shape[::-1]).astype(int)
    return slice(top, max(bottom, top + 1)), slice(left, max(right, left + 1))


def _texture(picture: Grey, points: NDArray[np.float64]) -> NDArray[np.float32] | None:
    mask = np.zeros_like(picture)
    cv2.fillConvexPoly(mask, cv2.convexHull(points.astype(np.int32)), 255)
    corners = cv2.goodFeaturesToTrack(picture, _POINTS, 0.005, 5, mask=mask)
    return None if corners is None else np.asarray(corners, np.float32)


def _tracked(
    pictures: Sequence[Grey], places: Sequence[NDArray[np.float64]], start: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return where points began and ended that were found again on the way back of every step.

    Each is searched where the face as a whole went, which is the same for a head and for a picture of one: what
    tells them apart is found by the texture alone.
    """
    origin = points = start
    for (before, here), (after, there) in pairwise(zip(pictures, places, strict=True)):
        if not len(points):
            break
        moved, found = _step(before, after, points, _carried(points, here, there))
        returned, back = _step(after, before, moved, _carried(moved, there, here))
        kept = found & back & (np.linalg.norm(returned - points, axis=2).ravel() < 1)
        origin, points = origin[kept], moved[kept]
    return origin.reshape(-1, 2), points.reshape(-1, 2)


def _carried(points: NDArray[np.float32], here: NDArray[np.float64], there: NDArray[np.float64]) -> NDArray[np.float32]:
    """Move points (n, 1, 2) by the affine map that best brings the landmarks from `here` to `there`."""
    source = np.column_stack([here[_LANDMARKS], np.ones(len(_LANDMARKS))])
    matrix, *_ = np.linalg.lstsq(source, there[_LANDMARKS], rcond=None)
    return np.asarray(points @ matrix[:2] + matrix[2], np.float32)


def _step(
    before: Grey, after: Grey, points: NDArray[np.float32], guess: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Track points (n, 1, 2) by Lucas and Kanade's pyramids; return where they went and which were found."""
    moved, found, _ = cv2.calcOpticalFlowPyrLK(
        before,
        after,
        points,
        guess,
        winSize=(21, 21),
        maxLevel=1,
        criteria=_FINISHED,
        flags=cv2.OPTFLOW_USE_INITIAL_FLOW,
    )
    return np.asarray(moved, np.float32), (found == 1).ravel()
