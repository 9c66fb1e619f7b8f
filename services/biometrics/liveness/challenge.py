"""What a person did in a clip, and whether it is what the challenge asked for, in its order and as long as it asked.

The server issues random movements; a clip recorded before, for others, does not fit. Everything here is arithmetic on
what was measured in each frame.
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Final, Literal, cast, get_args

import numpy as np

from services.biometrics.media.decode import GuidanceKey

Kind = Literal["left", "right", "blink", "closer"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
Action = Literal["left", "right", "blink", "closer", "left_held", "right_held"]
"""What may be asked for: a turn is there and straight back, or held."""
ACTIONS: Final[tuple[Action, ...]] = get_args(Action)
_HELD: Final = "_held"


def kind_of(action: Action) -> Kind:
    """Return which movement it is, held or not."""
    return cast("Kind", action.removesuffix(_HELD))


def actions_of(challenge: Sequence[str]) -> tuple[Action, ...]:
    """Read a challenge: different movements, a turn among them, without which a flat picture passes for a head.

    Raises:
        ValueError: it is no such thing.
    """
    kinds = [action.removesuffix(_HELD) for action in challenge]
    known = set(challenge) <= set(ACTIONS) and len(set(kinds)) == len(kinds)
    if not known or not {"left", "right"} & set(kinds):
        raise ValueError(f"A challenge is different actions of {ACTIONS} with a turn, not {tuple(challenge)!r}.")
    return cast("tuple[Action, ...]", tuple(challenge))


def _steady() -> Iterator[tuple[Action, ...]]:
    for kinds in (("left", "right"), ("left", "right", "closer")):
        for order in permutations(kinds):
            for held in (None, "left", "right"):
                yield actions_of([f"{kind}{_HELD}" if kind == held else kind for kind in order])


STEADY: Final = tuple(_steady())
"""Both turns, one of them held or none, with or without coming closer, in any order. Nobody does that unasked."""


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
        reached: Seconds from its beginning within which a movement is furthest; what is held longer shows no more.
        held: Seconds from which on a turn is held. There and straight back takes half of that; who is to hold it is
            asked for three.
    """

    opening: int = 4
    turned: float = 15
    centred: float = 8
    blink: float = 0.85
    closer: float = 1.25
    retreated: float = 1.12
    reached: float = 1.5
    held: float = 2.0


CHALLENGE: Final = ChallengeProfile()


@dataclass(frozen=True, slots=True)
class Sample:
    """One frame: seconds, yaw (degrees, left positive), eye openness, eye distance (pixels)."""

    time: float
    yaw: float
    openness: float
    eye_distance: float


@dataclass(frozen=True, slots=True)
class Movement:
    """A movement that was seen, from sample `start` to `end`, furthest at `peak` (indices, inclusive), so long."""

    kind: Kind
    start: int
    end: int
    peak: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Motion:
    """The samples of a clip against the person's own neutral: seconds, yaw in degrees, the others as ratios."""

    time: tuple[float, ...]
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
        tuple(sample.time for sample in samples),
        tuple(sample.yaw - yaw for sample in samples),
        tuple(sample.openness / openness for sample in samples),
        tuple(sample.eye_distance / distance for sample in samples),
        yaw,
    )


def movements(seen: Motion, profile: ChallengeProfile = CHALLENGE) -> list[Movement]:
    """Return the movements in the order of their beginnings."""
    facing = [abs(yaw) < profile.centred for yaw in seen.yaw]
    closeness = [value if ok else 0.0 for value, ok in zip(seen.closeness, facing, strict=True)]
    shut = [1 - value if ok else 0.0 for value, ok in zip(seen.openness, facing, strict=True)]
    found = [
        *_seen(seen, "left", seen.yaw, profile.turned, profile.centred),
        *_seen(seen, "right", [-yaw for yaw in seen.yaw], profile.turned, profile.centred),
        *_seen(seen, "blink", shut, 1 - profile.blink, 1 - profile.blink),
        *_seen(seen, "closer", _held(closeness, facing), profile.closer, profile.retreated),
    ]
    return sorted(found, key=lambda movement: movement.start)


def _seen(seen: Motion, kind: Kind, values: Sequence[float], enter: float, leave: float) -> Iterator[Movement]:
    for start, end in _runs(values, enter, leave):
        soon = bisect_right(seen.time, seen.time[start] + CHALLENGE.reached, start + 1, end + 1)
        peak = start + int(np.argmax(values[start:soon]))
        yield Movement(kind, start, end, peak, seen.time[end] - seen.time[start])


def _held(values: Sequence[float], known: Sequence[bool]) -> list[float]:
    """Repeat the last known value where it cannot be measured: a turned face looks smaller, not further."""
    held: list[float] = []
    for value, ok in zip(values, known, strict=True):
        held.append(value if ok or not held else held[-1])
    return held


def _runs(values: Sequence[float], enter: float, leave: float) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of each stretch that rises above `enter`, until it falls below `leave`."""
    start: int | None = None
    for i, value in enumerate([*values, -np.inf]):
        if start is None and value > enter:
            start = i
        elif start is not None and value <= leave:
            yield start, i - 1
            start = i if value > enter else None


def compare(
    challenge: Sequence[Action], seen: Sequence[Movement], profile: ChallengeProfile = CHALLENGE
) -> list[GuidanceKey]:
    """Return what differs between the challenge and what was done; nothing when it was met.

    Turns and coming closer have to be exactly those asked for, in their order, and turns held where that is asked. For
    how long somebody stays closer does not matter. People blink of themselves, so a blink only has to be there between
    the steps it was asked between.
    """
    asked = [kind_of(action) for action in challenge]
    if missing := [kind for kind in asked if all(movement.kind != kind for movement in seen)]:
        return [GuidanceKey(f"clip.no_{kind}") for kind in missing]
    steady = [movement for movement in seen if movement.kind != "blink"]
    if [movement.kind for movement in steady] != [kind for kind in asked if kind != "blink"]:
        return [GuidanceKey("clip.wrong_order")]
    if "blink" in asked and not _blinked_in_place(asked.index("blink"), steady, seen):
        return [GuidanceKey("clip.wrong_order")]
    turns = [movement for movement in steady if movement.kind != "closer"]
    return _wrongly_held({kind_of(action): action.endswith(_HELD) for action in challenge}, turns, profile.held)


def _blinked_in_place(place: int, steady: Sequence[Movement], seen: Sequence[Movement]) -> bool:
    after = steady[place - 1].peak if place else -1
    before = steady[place].start if place < len(steady) else seen[-1].end + 1
    return any(movement.kind == "blink" and after < movement.start < before for movement in seen)


def _wrongly_held(asked: Mapping[Kind, bool], turns: Sequence[Movement], held: float) -> list[GuidanceKey]:
    if any(asked[turn.kind] and turn.seconds < held for turn in turns):
        return [GuidanceKey("clip.hold_longer")]
    if any(not asked[turn.kind] and turn.seconds >= held for turn in turns):
        return [GuidanceKey("clip.held_too_long")]
    return []


def longest_pause(samples: Sequence[Sample], seen: Sequence[Movement]) -> float:
    """Return the most seconds that passed without a movement, before the first one or between two."""
    starts = [samples[movement.start].time for movement in seen]
    ends = [samples[0].time, *(samples[movement.end].time for movement in seen)]
    return max((start - end for start, end in zip(starts, ends, strict=False)), default=0.0)
