"""Faces in the frames of a clip, each seen once as it is decoded, and what is kept of them.

Searching a whole picture is costly, and so is a second pass over a face. A face that was found is followed
from frame to frame; the picture is searched again twice a second, because somebody else may have come, and at once
when the face is lost.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

import cv2
import numpy as np

from services.biometrics.face.embedding import Embedder
from services.biometrics.face.face import Detection, Face, FaceFinder
from services.biometrics.liveness.pad import PadModel
from services.biometrics.liveness.planarity import Grey
from services.biometrics.media.decode import Picture
from services.biometrics.media.video import VideoFrame

STRAIGHT: Final = 15.0
"""Degrees of yaw up to which a face is embedded: beyond, embeddings of one person drift apart."""
CERTAIN: Final = 0.5
"""Least certainty of the mesh that there is a face."""
SEARCH_EVERY: Final = 0.5
"""Seconds between two searches of the whole picture."""
_BUNCH: Final = 8


@dataclass(frozen=True, slots=True, eq=False)
class Observation:
    """What is kept of a frame.

    Attributes:
        time: Seconds from the clip's start.
        faces: How many were seen.
        grey: The picture, for tracking.
        face: The mesh of a single face.
        chip: What is embedded of a straight one.
        pad_chip: What a presentation-attack detector is shown of a straight one, if there is a detector.
    """

    time: float
    faces: int
    grey: Grey
    face: Face | None = None
    chip: Picture | None = None
    pad_chip: Picture | None = None


def observe(
    frames: Iterable[VideoFrame], finder: FaceFinder, embedder: Embedder, pad: PadModel | None = None
) -> Iterator[Observation]:
    """Find the face in each frame, once."""
    tracker = _FaceTracker(finder)
    for frame in _bunched(frames):
        count, face = tracker.find(frame)
        grey = np.asarray(cv2.cvtColor(frame.picture, cv2.COLOR_RGB2GRAY), np.uint8)
        if face is None or abs(face.pose.yaw) > STRAIGHT:
            yield Observation(frame.time, count, grey, face)
            continue
        pad_chip = None if pad is None else pad.cut(frame.picture, face)
        yield Observation(frame.time, count, grey, face, embedder.align(frame.picture, face), pad_chip)


def _bunched(frames: Iterable[VideoFrame]) -> Iterator[VideoFrame]:
    """Take some frames at once: a network runs faster while its weights stay in the processor's cache."""
    rest = iter(frames)
    while bunch := list(islice(rest, _BUNCH)):
        yield from bunch


class _FaceTracker:
    """Follows the face of a clip from frame to frame."""

    def __init__(self, finder: FaceFinder) -> None:
        self._finder = finder
        self._followed: Face | None = None
        self._search_at = 0.0

    def find(self, frame: VideoFrame) -> tuple[int, Face | None]:
        """Return how many faces the frame shows and, if it is one, its mesh."""
        count, face = 1, None
        if self._followed is not None and frame.time < self._search_at:
            face = self._certain(self._finder.follow(frame.picture, self._followed))
        if face is None:
            count, face = self._searched(frame)
        self._followed = face
        return count, face

    def _searched(self, frame: VideoFrame) -> tuple[int, Face | None]:
        self._search_at = frame.time + SEARCH_EVERY
        found = self._finder.detect(frame.picture)
        if len(found) != 1:
            return len(found), None
        face = self._certain(self._meshed(frame.picture, found[0]))
        return int(face is not None), face

    def _meshed(self, picture: Picture, found: Detection) -> Face:
        """Go on following the face that is found where it is followed anyway."""
        if self._followed is not None and _inside(self._followed, found):
            return self._finder.follow(picture, self._followed)
        return self._finder.mesh(picture, found)

    def _certain(self, face: Face) -> Face | None:
        return face if face.presence >= CERTAIN else None


def _inside(face: Face, found: Detection) -> bool:
    """Return whether the middle of what was found lies in the middle half of the face."""
    bounds = face.bounds.reshape(2, 2)
    off = np.abs(found.box.reshape(2, 2).mean(axis=0) - bounds.mean(axis=0))
    return bool((off < (bounds[1] - bounds[0]) / 4).all())
