"""Is the clip of a live person who does, now, what was asked: the challenge's order, one face, a solid head."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations, pairwise
from typing import Final

import numpy as np

from services.biometrics.face.embedding import Embedder, Embedding
from services.biometrics.face.face import Face
from services.biometrics.liveness.challenge import (
    CHALLENGE,
    Action,
    Kind,
    Motion,
    Movement,
    Sample,
    compare,
    longest_pause,
    motion,
    movements,
)
from services.biometrics.liveness.observation import STRAIGHT, Observation
from services.biometrics.liveness.pad import PadModel
from services.biometrics.liveness.pad_result import PadResult
from services.biometrics.liveness.planarity import FEWEST_TRACKED, flow_residual, landmark_residual
from services.biometrics.liveness.repetition import longest_repeat, longest_stillness
from services.biometrics.media.decode import GuidanceKey
from services.biometrics.models.limits import Limit, Limits, Measures, beyond

Seen = Sequence[tuple[Observation, Face]]


@dataclass(frozen=True, slots=True)
class LivenessProfile:
    """What a clip has to keep to; values measured on animated heads and on turned photographs.

    Attributes:
        version: Changes whenever a limit or a measure does.
        limits: Of the measures that are judged. IdentitySpread is judged by the card of the embedding's model.
        embedded: Most frames that are embedded.
    """

    version: str = "clip-4"
    limits: Limits = field(default_factory=lambda: dict(_LIMITS))
    embedded: int = 4


_LIMITS: Limits = {
    "FramesWithFace": Limit(at_least=8),
    "ShareWithoutFace": Limit(at_most=0.10),
    "ShareWithSeveralFaces": Limit(at_most=0.05),
    "LargestGap": Limit(at_most=0.7),  # seconds between two frames with the face
    "LargestJump": Limit(at_most=1.5),  # eye distances from one frame to the next
    "ShareFrozen": Limit(at_most=0.5),  # of frames that repeat the one before
    "LongestFrozen": Limit(at_most=1.5),  # seconds
    "LongestRepeat": Limit(at_most=1.0),  # seconds of movement that comes twice
    "OpeningYaw": Limit(at_least=-STRAIGHT, at_most=STRAIGHT),  # degrees
    "LongestPause": Limit(at_most=8.0),  # seconds before or between movements
    "LandmarkResidual": Limit(at_least=4.0),  # percent of the eye distance
    "FlowPoints": Limit(at_least=FEWEST_TRACKED),
    "FlowResidual": Limit(at_least=1.5),  # percent of the eye distance
}
_CONTINUITY: Final = {
    "ShareWithSeveralFaces": "clip.one_person_only",
    "FramesWithFace": "clip.face_lost",
    "ShareWithoutFace": "clip.face_lost",
    "LargestGap": "clip.interrupted",
    "LargestJump": "clip.interrupted",
    "ShareFrozen": "clip.frozen",
    "LongestFrozen": "clip.frozen",
    "LongestRepeat": "clip.looped",
}
_SOLIDITY: Final = {
    "LandmarkResidual": "clip.looks_flat",
    "FlowPoints": "clip.move_slowly",
    "FlowResidual": "clip.looks_flat",
}
LIVENESS: Final = LivenessProfile()


@dataclass(frozen=True, slots=True, eq=False)
class ClipVerdict:
    """What is wrong with a clip (nothing: it passed), every measure, the embedding of its straight frames.

    `doubts` neither pass nor fail: they are for a clerk. `pad` is what the detector said, if there is one.
    """

    guidance: list[GuidanceKey]
    measures: Measures
    embedding: Embedding | None = None
    pad: PadResult = field(default_factory=PadResult)

    @property
    def doubts(self) -> tuple[GuidanceKey, ...]:
        """What a clerk has to judge."""
        return (GuidanceKey("clip.pad_doubt"),) if self.pad.state == "doubt" else ()


def examine(
    observations: Sequence[Observation],
    challenge: Sequence[Action],
    embedder: Embedder,
    pad: PadModel | None = None,
    profile: LivenessProfile = LIVENESS,
) -> ClipVerdict:
    """Judge a clip. Guidance names the first kind of trouble only: later checks rest on the earlier ones."""
    seen = [(item, item.face) for item in observations if item.face is not None]
    measures = _continuity(observations, seen)
    if guidance := _first(_CONTINUITY, measures, profile):
        return ClipVerdict(guidance, measures)
    samples = [_sample(item.time, face) for item, face in seen]
    moved = motion(samples)
    done = movements(moved)
    measures |= _movement_measures(samples, moved, done)
    if guidance := _first({"OpeningYaw": "clip.start_facing_camera"}, measures, profile):
        return ClipVerdict(guidance, measures)
    guidance = compare(challenge, done) or _first({"LongestPause": "clip.too_slow"}, measures, profile)
    if guidance:
        return ClipVerdict(guidance, measures)
    turns = _turns(moved, done)
    measures |= _solidity(seen, turns)
    picked = _picked([item for item, _ in seen], [facing for facing, _ in turns], profile.embedded)
    embedding, measures["IdentitySpread"] = _identity(picked, embedder)
    if measures["IdentitySpread"] > embedder.card.match:
        return ClipVerdict([GuidanceKey("clip.one_person_only")], measures, embedding)
    if guidance := _first(_SOLIDITY, measures, profile):
        return ClipVerdict(guidance, measures, embedding)
    result = _presented(picked, pad)
    return ClipVerdict([], measures, embedding, result)


def _first(texts: Mapping[str, str], measures: Measures, profile: LivenessProfile) -> list[GuidanceKey]:
    name = beyond(profile.limits, measures, texts)
    return [] if name is None else [GuidanceKey(texts[name])]


def _sample(time: float, face: Face) -> Sample:
    return Sample(time, face.pose.yaw, face.eye_openness, face.eye_distance)


def _continuity(observations: Sequence[Observation], seen: Seen) -> Measures:
    """Measure whether one face is there throughout: no cuts, nothing that stands still or comes again."""
    total = max(len(observations), 1)
    steps = list(pairwise(seen))
    gaps = [after.time - before.time for (before, _), (after, _) in steps]
    jumps = [float(np.linalg.norm(b.at(168) - a.at(168)) / a.eye_distance) for (_, a), (_, b) in steps]
    still, frozen = longest_stillness([item.time for item in observations], [item.grey for item in observations])
    return {
        "Duration": observations[-1].time if observations else 0.0,
        "Frames": float(len(observations)),
        "FramesWithFace": float(len(seen)),
        "ShareWithoutFace": sum(item.faces == 0 for item in observations) / total,
        "ShareWithSeveralFaces": sum(item.faces > 1 for item in observations) / total,
        "LargestGap": max(gaps, default=0.0),
        "LargestJump": max(jumps, default=0.0),
        "ShareFrozen": frozen,
        "LongestFrozen": still,
        "LongestRepeat": longest_repeat([item.time for item, _ in seen], [face for _, face in seen]),
    }


def _movement_measures(samples: Sequence[Sample], moved: Motion, done: Sequence[Movement]) -> Measures:
    return {
        "OpeningYaw": moved.opening_yaw,
        "YawFurthestLeft": max(moved.yaw),
        "YawFurthestRight": min(moved.yaw),
        "EyeOpennessLeast": min(moved.openness),
        "ClosestApproach": max(moved.closeness),
        "Blinks": float(sum(movement.kind == "blink" for movement in done)),
        "LeftSeconds": _seconds(done, "left"),
        "RightSeconds": _seconds(done, "right"),
        "LongestPause": longest_pause(samples, done),
    }


def _seconds(done: Sequence[Movement], kind: Kind) -> float:
    return max((movement.seconds for movement in done if movement.kind == kind), default=0.0)


def _turns(moved: Motion, done: Sequence[Movement]) -> list[tuple[int, int]]:
    """Return of every turn the last frame that faced the camera before it, and the frame furthest turned."""
    turns = [movement for movement in done if movement.kind in {"left", "right"}]
    facing = [i for i, yaw in enumerate(moved.yaw) if abs(yaw) < CHALLENGE.centred]
    return [(max((i for i in facing if i < turn.start), default=0), turn.peak) for turn in turns]


def _solidity(seen: Seen, turns: Sequence[tuple[int, int]]) -> Measures:
    """Measure every turn; the flattest one counts."""
    landmark, flow, tracked = [], [], []
    for facing, peak in turns:
        faces = [face for _, face in seen[facing : peak + 1]]
        landmark.append(landmark_residual(faces[0], faces[-1]))
        texture = flow_residual([item.grey for item, _ in seen[facing : peak + 1]], faces)
        flow.append(texture.residual)
        tracked.append(texture.points)
    return {
        "LandmarkResidual": min(landmark, default=0.0),
        "FlowResidual": min(flow, default=0.0),
        "FlowPoints": float(min(tracked, default=0)),
    }


def _picked(seen: Sequence[Observation], facing: Sequence[int], most: int) -> list[Observation]:
    """Pick straight frames: those from which each turn began, the first and the last, and such as lie between.

    The face that is embedded is thereby the one whose turns were found solid.
    """
    straight = [i for i, item in enumerate(seen) if item.chip is not None]
    if not straight:
        return []
    wanted = [*facing, straight[0], straight[-1], straight[len(straight) // 2]]
    near = [min(straight, key=lambda i: abs(i - place)) for place in wanted]
    return [seen[i] for i in sorted(list(dict.fromkeys(near))[:most])]


def _identity(picked: Sequence[Observation], embedder: Embedder) -> tuple[Embedding | None, float]:
    """Embed the frames: their mean, and the largest distance between two of them."""
    chips = [item.chip for item in picked if item.chip is not None]
    if not chips:
        return None, 0.0
    embeddings = embedder.embed(chips)
    spread = max((embedder.card.distance(a, b) for a, b in combinations(embeddings, 2)), default=0.0)
    return embeddings.mean(axis=0), spread


def _presented(picked: Sequence[Observation], pad: PadModel | None) -> PadResult:
    chips = [item.pad_chip for item in picked if item.pad_chip is not None]
    return PadResult() if pad is None else pad.judge(chips)
