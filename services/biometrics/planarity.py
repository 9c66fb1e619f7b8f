"""Is it a head or a picture of one: what a turn does to a solid and cannot do to a plane.

The images of a plane from two sides are related by a homography, those of a head are not. What no homography
explains is measured twice, on landmarks and on tracked texture, in percent of the distance between the eyes.
Measured: heads 9 to 18 and 3.5 to 7.5, turned photographs and screens at most 1.8 and 0.4. A mask, an injected
deepfake or an animated photograph is not stopped by this: that takes a detector of its own, and a clerk.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from services.biometrics.face import Face

Grey = NDArray[np.uint8]

# Points that keep their place on the skull, spread in depth: eye corners, nose, mouth corners, chin, cheeks.
# fmt: off
_LANDMARKS = [
    33, 133, 362, 263, 168, 6, 197, 195, 4, 98, 327, 61, 291, 152, 199, 10, 234, 454, 93, 323, 127, 356, 50, 280,
    205, 425,
]
# fmt: on
FEWEST_TRACKED = 12


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


def flow_residual(pictures: Sequence[Grey], facing: Face) -> Flow:
    """Track the face's texture from the first picture to the last and fit a homography to where it went.

    The worst tenth of the points is left out: tracks slip at the face's edge, of planes too.
    """
    start = _texture(pictures[0], facing)
    if start is None:
        return Flow(0.0, 0)
    source, target = _tracked(pictures, start)
    if len(source) < FEWEST_TRACKED:
        return Flow(0.0, len(source))
    homography, _ = cv2.findHomography(source, target, cv2.LMEDS)
    if homography is None:
        return Flow(0.0, len(source))
    errors = np.sort(_errors(source, target, homography))[: int(len(source) * 0.9)]
    return Flow(float(100 * np.sqrt((errors**2).mean()) / facing.eye_distance), len(source))


def _errors(source: NDArray[Any], target: NDArray[Any], homography: NDArray[Any]) -> NDArray[np.float64]:
    moved = cv2.perspectiveTransform(source[None].astype(np.float64), homography)[0]
    return np.asarray(np.linalg.norm(moved - target, axis=1))


def _texture(picture: Grey, face: Face) -> NDArray[np.float32] | None:
    mask = np.zeros_like(picture)
    hull = cv2.convexHull(face.points[:, :2].astype(np.int32))
    cv2.fillConvexPoly(mask, hull, 255)
    corners = cv2.goodFeaturesToTrack(picture, 150, 0.005, 5, mask=mask)
    return None if corners is None else np.asarray(corners, np.float32)


def _tracked(pictures: Sequence[Grey], start: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return where points began and ended that were found again on the way back of every step."""
    origin = points = start
    for before, after in pairwise(pictures):
        if not len(points):
            break
        moved, there = _step(before, after, points)
        returned, back = _step(after, before, moved)
        kept = there & back & (np.linalg.norm(returned - points, axis=2).ravel() < 1)
        origin, points = origin[kept], moved[kept]
    return origin.reshape(-1, 2), points.reshape(-1, 2)


def _step(before: Grey, after: Grey, points: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Track points (n, 1, 2) by Lucas and Kanade's pyramids; return where they went and which were found."""
    moved, found, _ = cv2.calcOpticalFlowPyrLK(
        before, after, points, np.empty_like(points), winSize=(21, 21), maxLevel=3
    )
    return np.asarray(moved, np.float32), (found == 1).ravel()
