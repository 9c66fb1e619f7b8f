"""What a person did in a clip, and whether it is what the challenge asked for, in its order.

The server issues a random order of actions; a clip recorded before, for another order, does not fit. Everything
here is arithmetic on what was measured in each frame.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, cast, get_args

import numpy as np

from services.biometrics.media.decode import GuidanceKey

Action = Literal["left", "right", "blink", "closer"]
ACTIONS: tuple[Action, ...] = get_args(Action)


def actions_of(challenge: Sequence[str]) -> tuple[Action, ...]:
    """Read a challenge: different actions, a turn among them, without which a flat picture passes for a head.

    Raises:
        ValueError: it is no such thing.
    """
    known = set(challenge) <= set(ACTIONS) and len(set(challenge)) == len(challenge)
    if not known or not {"left", "right"} & set(challenge):
        raise ValueError(f"A challenge is different actions of {ACTIONS} with a turn, not {tuple(challenge)!r}.")
    return cast("tuple[Action, ...]", tuple(challenge))


@dataclass(frozen=True, slots=True)
class ChallengeProfile:
    """From when on a movement counts; values measured on heads and on turned photographs.

    Attributes:
        opening: Frames at the start that show the person's own neutral pose and distance.
        turned: Degrees of yaw, from neutral, that count as a turn.
        centred: Degrees within which the head faces the camera again.
        blink: Eye openness, over the person's own median, below which eyes are closed.
        closer: Eye distance, over neutral, from which the face has come closer.
        retreated: Eye distance, over neutral, below which it has gone back again.
    """

    opening: int = 4
    turned: float = 15
    centred: float = 8
    blink: float = 0.85
    closer: float = 1.25
    retreated: float = 1.12


CHALLENGE = ChallengeProfile()


@dataclass(frozen=True, slots=True)
class Sample:
    """One frame: seconds, yaw (degrees, left positive), eye openness, eye distance (pixels)."""

    time: float
    yaw: float
    openness: float
    eye_distance: float


@dataclass(frozen=True, slots=True)
class Movement:
    """An action that was seen, from sample `start` to `end`, furthest at `peak` (indices, inclusive)."""

    action: Action
    start: int
    end: int
    peak: int


@dataclass(frozen=True, slots=True)
class Motion:
    """The samples of a clip against the person's own neutral: yaw in degrees, the others as ratios."""

    yaw: tuple[float, ...]
    openness: tuple[float, ...]
    closeness: tuple[float, ...]
    opening_yaw: float


def motion(samples: Sequence[Sample], profile: ChallengeProfile = CHALLENGE) -> Motion:
    """Relate at least one sample to the opening ones, openness to the median of all that face the camera."""
    opening = samples[: profile.opening]
    yaw = float(np.median([sample.yaw for sample in opening]))
    distance = float(np.median([sample.eye_distance for sample in opening]))
    facing = [sample.openness for sample in samples if abs(sample.yaw - yaw) < profile.centred]
    openness = float(np.median(facing or [sample.openness for sample in samples]))
    return Motion(
        tuple(sample.yaw - yaw for sample in samples),
        tuple(sample.openness / openness for sample in samples),
        tuple(sample.eye_distance / distance for sample in samples),
        yaw,
    )


def movements(seen: Motion, profile: ChallengeProfile = CHALLENGE) -> list[Movement]:
    """Return the actions in the order of their beginnings."""
    left = _runs(seen.yaw, profile.turned, profile.centred)
    right = _runs([-yaw for yaw in seen.yaw], profile.turned, profile.centred)
    facing = [abs(yaw) < profile.centred for yaw in seen.yaw]
    closeness = [value if ok else 0.0 for value, ok in zip(seen.closeness, facing, strict=True)]
    closer = _runs(_held(closeness, facing), profile.closer, profile.retreated)
    shut = [1 - value if ok else 0.0 for value, ok in zip(seen.openness, facing, strict=True)]
    blink = _runs(shut, 1 - profile.blink, 1 - profile.blink)
    named = zip(ACTIONS, (left, right, blink, closer), strict=True)
    found = [Movement(action, *run) for action, runs in named for run in runs]
    return sorted(found, key=lambda movement: movement.start)


def _held(values: Sequence[float], known: Sequence[bool]) -> list[float]:
    """Repeat the last known value where it cannot be measured: a turned face looks smaller, not further."""
    held: list[float] = []
    for value, ok in zip(values, known, strict=True):
        held.append(value if ok or not held else held[-1])
    return held


def _runs(values: Sequence[float], enter: float, leave: float) -> Iterator[tuple[int, int, int]]:
    """Yield (start, end, peak) of each stretch that rises above `enter`, until it falls below `leave`."""
    start: int | None = None
    for i, value in enumerate([*values, -np.inf]):
        if start is None and value > enter:
            start = i
        elif start is not None and value <= leave:
            yield start, i - 1, start + int(np.argmax(values[start:i]))
            start = i if value > enter else None


def compare(challenge: Sequence[Action], seen: Sequence[Movement]) -> list[GuidanceKey]:
    """Return what differs between the challenge and what was done; nothing when it was met.

    Turns and coming closer have to be exactly those asked for, in their order. People blink of themselves, so
    a blink only has to be there between the steps it was asked between.
    """
    missing = [action for action in challenge if all(movement.action != action for movement in seen)]
    if missing:
        return [GuidanceKey(f"clip.no_{action}") for action in missing]
    steady = [movement for movement in seen if movement.action != "blink"]
    if [movement.action for movement in steady] != [action for action in challenge if action != "blink"]:
        return [GuidanceKey("clip.wrong_order")]
    if "blink" in challenge and not _blinked_in_place(challenge, steady, seen):
        return [GuidanceKey("clip.wrong_order")]
    return []


def _blinked_in_place(challenge: Sequence[Action], steady: Sequence[Movement], seen: Sequence[Movement]) -> bool:
    place = challenge.index("blink")
    after = steady[place - 1].peak if place else -1
    before = steady[place].start if place < len(steady) else seen[-1].end + 1
    return any(movement.action == "blink" and after < movement.start < before for movement in seen)


def longest_pause(samples: Sequence[Sample], seen: Sequence[Movement]) -> float:
    """Return the most seconds that passed without a movement, before the first one or between two."""
    starts = [samples[movement.start].time for movement in seen]
    ends = [samples[0].time, *(samples[movement.end].time for movement in seen)]
    return max((start - end for start, end in zip(starts, ends, strict=False)), default=0.0)
