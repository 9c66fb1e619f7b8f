"""Is the clip of a live person who does, now, what was asked: the challenge's order, one face, a solid head.

Frames are looked at as they are decoded and let go; what is kept of each is its mesh, a grey picture for
tracking and, where the face looks straight ahead, the aligned chip for its embedding.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

import cv2
import numpy as np

from services.biometrics.challenge import (
    Action,
    Motion,
    Movement,
    Sample,
    compare,
    motion,
    movements,
)
from services.biometrics.decode import Frame, GuidanceKey, Picture
from services.biometrics.embedding import Embedder, Embedding
from services.biometrics.face import Face, FaceFinder
from services.biometrics.planarity import FEWEST_TRACKED, Grey, flow_residual, landmark_residual
from services.biometrics.quality import Measures


@dataclass(frozen=True, slots=True)
class LivenessProfile:
    """Limits for a clip.

    Attributes:
        version: Changes whenever a limit or a measure does.
        fewest: Least frames with a face.
        lost: Largest share of frames without a face.
        crowded: Largest share of frames with more than one.
        gap: Most seconds between two frames with the face.
        jump: Most the face moves between two frames, in eye distances.
        frozen: Largest share of frames that repeat the one before.
        straight: Degrees of yaw up to which a face is embedded, and the clip may begin.
        landmark_residual: Least LandmarkResidual of a turn, percent of eye distance.
        flow_residual: Least FlowResidual of a turn, percent of eye distance.
        embedded: Most frames that are embedded.
        certain: Least certainty of the mesh that there is a face.
    """

    version: str = "clip-1"
    fewest: int = 10
    lost: float = 0.10
    crowded: float = 0.05
    gap: float = 0.7
    jump: float = 1.5
    frozen: float = 0.5
    straight: float = 15
    landmark_residual: float = 4.0
    flow_residual: float = 1.5
    embedded: int = 5
    certain: float = 0.5


LIVENESS = LivenessProfile()


@dataclass(frozen=True, slots=True, eq=False)
class Observation:
    """What is kept of a frame: seconds, how many faces, and of a single face the mesh, grey picture, chip."""

    time: float
    faces: int
    grey: Grey
    face: Face | None = None
    chip: Picture | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Verdict:
    """What is wrong with a clip (nothing: it passed), every measure, and the embedding of its frontal frames."""

    guidance: list[GuidanceKey]
    measures: Measures
    embedding: Embedding | None


def observe(
    frames: Iterable[Frame], finder: FaceFinder, embedder: Embedder, profile: LivenessProfile = LIVENESS
) -> Iterator[Observation]:
    """Look at each frame once."""
    for frame in frames:
        grey = np.asarray(cv2.cvtColor(frame.picture, cv2.COLOR_RGB2GRAY), np.uint8)
        detections = finder.detect(frame.picture)
        if len(detections) != 1:
            yield Observation(frame.time, len(detections), grey)
            continue
        face = finder.mesh(frame.picture, detections[0])
        if face.presence < profile.certain:
            yield Observation(frame.time, 0, grey)
            continue
        straight = abs(face.pose.yaw) <= profile.straight
        chip = embedder.align(frame.picture, face) if straight else None
        yield Observation(frame.time, 1, grey, face, chip)


def examine(
    observations: Sequence[Observation],
    challenge: Sequence[Action],
    embedder: Embedder,
    profile: LivenessProfile = LIVENESS,
) -> Verdict:
    """Judge a clip. Guidance names the first kind of trouble only: later checks rest on the earlier ones."""
    measures = _continuity(observations)
    guidance = _broken(measures, profile)
    if guidance:
        return Verdict(guidance, measures, None)
    seen = [(item, item.face) for item in observations if item.face is not None]
    moved = motion([_sample(item.time, face) for item, face in seen])
    done = movements(moved)
    measures |= _movement_measures(moved, done)
    if abs(moved.opening_yaw) > profile.straight:
        return Verdict([GuidanceKey("clip.start_facing_camera")], measures, None)
    guidance = compare(challenge, done)
    if guidance:
        return Verdict(guidance, measures, None)
    measures |= _solidity(seen, moved, done)
    embedding, spread = _identity([item for item, _ in seen], embedder, profile)
    measures["IdentitySpread"] = spread
    return Verdict(_doubts(measures, embedder.card.match, profile), measures, embedding)


def _sample(time: float, face: Face) -> Sample:
    return Sample(time, face.pose.yaw, face.eye_openness, face.eye_distance)


def _continuity(observations: Sequence[Observation]) -> Measures:
    """Measure whether one face is there throughout, without cuts."""
    total = max(len(observations), 1)
    present = [(item, item.face) for item in observations if item.face is not None]
    steps = list(pairwise(present))
    gaps = [after.time - before.time for (before, _), (after, _) in steps]
    jumps = [float(np.linalg.norm(b.at(168) - a.at(168)) / a.eye_distance) for (_, a), (_, b) in steps]
    return {
        "Duration": observations[-1].time if observations else 0.0,
        "Frames": float(len(observations)),
        "FramesWithFace": float(len(present)),
        "ShareWithoutFace": sum(item.faces == 0 for item in observations) / total,
        "ShareWithSeveralFaces": sum(item.faces > 1 for item in observations) / total,
        "LargestGap": max(gaps, default=0.0),
        "LargestJump": max(jumps, default=0.0),
        "ShareFrozen": sum(_same(a.grey, b.grey) for a, b in pairwise(observations)) / total,
    }


def _same(before: Grey, after: Grey) -> bool:
    return before.shape == after.shape and not np.any(cv2.absdiff(before, after) > 1)


def _broken(measures: Measures, profile: LivenessProfile) -> list[GuidanceKey]:
    if measures["ShareWithSeveralFaces"] > profile.crowded:
        return [GuidanceKey("clip.one_person_only")]
    if measures["FramesWithFace"] < profile.fewest or measures["ShareWithoutFace"] > profile.lost:
        return [GuidanceKey("clip.face_lost")]
    if measures["LargestGap"] > profile.gap or measures["LargestJump"] > profile.jump:
        return [GuidanceKey("clip.interrupted")]
    if measures["ShareFrozen"] > profile.frozen:
        return [GuidanceKey("clip.frozen")]
    return []


def _movement_measures(moved: Motion, done: Sequence[Movement]) -> Measures:
    return {
        "OpeningYaw": moved.opening_yaw,
        "YawFurthestLeft": max(moved.yaw),
        "YawFurthestRight": min(moved.yaw),
        "EyeOpennessLeast": min(moved.openness),
        "ClosestApproach": max(moved.closeness),
        "Blinks": float(sum(movement.action == "blink" for movement in done)),
    }


def _solidity(seen: Sequence[tuple[Observation, Face]], moved: Motion, done: Sequence[Movement]) -> Measures:
    """Measure every turn from the last frame that faced the camera; the flattest turn counts."""
    landmark, flow, tracked = [], [], []
    for turn in (movement for movement in done if movement.action in {"left", "right"}):
        facing = max((i for i in range(turn.start) if abs(moved.yaw[i]) < 8), default=0)  # noqa: PLR2004
        face = seen[facing][1]
        landmark.append(landmark_residual(face, seen[turn.peak][1]))
        texture = flow_residual([item.grey for item, _ in seen[facing : turn.peak + 1]], face)
        flow.append(texture.residual)
        tracked.append(texture.points)
    return {
        "LandmarkResidual": min(landmark, default=0.0),
        "FlowResidual": min(flow, default=0.0),
        "FlowPoints": float(min(tracked, default=0)),
    }


def _identity(
    seen: Sequence[Observation], embedder: Embedder, profile: LivenessProfile
) -> tuple[Embedding | None, float]:
    """Embed straight frames spread over the clip: their mean, and the largest distance between two of them."""
    chips = [item.chip for item in seen if item.chip is not None]
    if not chips:
        return None, 0.0
    picked = np.unique(np.linspace(0, len(chips) - 1, profile.embedded).round().astype(int))
    embeddings = embedder.embed([chips[i] for i in picked])
    spread = max((embedder.card.distance(a, b) for a, b in combinations(embeddings, 2)), default=0.0)
    return embeddings.mean(axis=0), spread


def _doubts(measures: Measures, same_person: float, profile: LivenessProfile) -> list[GuidanceKey]:
    if measures["IdentitySpread"] > same_person:
        return [GuidanceKey("clip.one_person_only")]
    if measures["LandmarkResidual"] < profile.landmark_residual:
        return [GuidanceKey("clip.looks_flat")]
    if measures["FlowPoints"] < FEWEST_TRACKED:
        return [GuidanceKey("clip.move_slowly")]
    if measures["FlowResidual"] < profile.flow_residual:
        return [GuidanceKey("clip.looks_flat")]
    return []
