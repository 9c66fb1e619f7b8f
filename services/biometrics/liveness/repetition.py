"""Does a clip repeat itself: the same picture over and over, or a stretch of movement that comes twice.

A camera adds its own noise to every picture, and nobody moves twice along the same path, in the same place, at the
same pace. A recording that is played in a loop does all of that. A loop in which nobody moves cannot be told from
somebody who keeps still; it shows none of the movements that were asked for, either.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from services.biometrics.face.face import Face
from services.biometrics.liveness.planarity import Grey

Track = NDArray[np.float32]
Times = NDArray[np.float64]

# Points that follow every movement of the head: eye corners, nose tip and bridge, mouth corners, chin, forehead.
_POINTS: Final = [33, 263, 4, 168, 61, 291, 152, 10]
_SHORTEST_LAG, _LAG_STEP = 0.7, 0.04
# Root mean square over the points, in eye distances: how near counts as the same place, how far as a movement.
_ALIKE, _MOVEMENT = 0.04, 0.20
_NOISE, _CHANGED = 2, 0.001


def same_picture(before: Grey, after: Grey) -> bool:
    """Return whether `after` is `before` again, as a codec renders it: all but a thousandth of the pixels equal."""
    if before.shape != after.shape:
        return False
    most = _CHANGED * before.size
    # A sixteenth of the rows most often has more than that already.
    return all(_changed(before[::step], after[::step]) < most for step in (16, 1))


def _changed(before: Grey, after: Grey) -> int:
    _, changed = cv2.threshold(cv2.absdiff(before, after), _NOISE, 1, cv2.THRESH_BINARY)
    return cv2.countNonZero(changed)


def longest_stillness(times: Sequence[float], pictures: Sequence[Grey]) -> tuple[float, float]:
    """Return the seconds for which one picture stood longest, and the share of pictures that repeat the one before."""
    same = [same_picture(*pair) for pair in pairwise(pictures)]
    runs = _runs(np.array(same, np.bool_))
    longest = max((times[end] - times[start] for start, end in runs), default=0.0)
    return longest, sum(same) / max(len(pictures), 1)


def longest_repeat(times: Sequence[float], faces: Sequence[Face]) -> float:
    """Return the seconds of the longest stretch of movement that comes twice (0: none).

    The track of the face is laid over itself, ever later; between samples it is interpolated, because a loop
    knows nothing of when frames are sampled.
    """
    if len(faces) < 3:  # noqa: PLR2004 - two stretches need three samples
        return 0.0
    scale = float(np.median([face.eye_distance for face in faces]))
    track = np.stack([face.points[_POINTS, :2].ravel() / scale for face in faces]).astype(np.float32)
    at = np.asarray(times, np.float64)
    lags = np.arange(_SHORTEST_LAG, at[-1] - at[0] - _SHORTEST_LAG, _LAG_STEP)
    stretches = (run for alike in _alike(at, track, lags) for run in _runs(alike))
    return max((float(at[end - 1] - at[start]) for start, end in stretches if _moved(track[start:end])), default=0.0)


def _moved(stretch: Track) -> bool:
    """Separate a movement from somebody who keeps still, which is always alike."""
    return bool(_distances(stretch, stretch[:1]).max() > _MOVEMENT)


def _alike(at: Times, track: Track, lags: Times) -> NDArray[np.bool_]:
    """Return for each lag (rows) and sample (columns) whether the face is in the same place so much later again."""
    later = at[None] + lags[:, None]
    after = np.clip(np.searchsorted(at, later), 1, len(at) - 1)
    share = ((later - at[after - 1]) / np.maximum(at[after] - at[after - 1], 1e-6)).astype(np.float32)[..., None]
    shifted = track[after - 1] * (1 - share) + track[after] * share
    return np.asarray((_distances(track[None], shifted) < _ALIKE) & (later <= at[-1]))


def _distances(ones: Track, others: Track) -> Track:
    distances: Track = np.sqrt(((ones - others) ** 2).sum(axis=-1) / len(_POINTS))
    return distances


def _runs(flags: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of each stretch of set flags, `end` being one beyond its last."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    yield from zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
