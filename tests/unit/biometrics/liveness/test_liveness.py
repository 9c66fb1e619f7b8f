"""Puppets before the camera: what they do, what a turned picture of them does, and what a swap of persons does."""

from collections.abc import Callable, Iterable, Sequence

import cv2
import numpy as np
import pytest

from services.biometrics.liveness.challenge import Action
from services.biometrics.liveness.clip import ClipVerdict, examine
from services.biometrics.liveness.observation import Observation, observe
from services.biometrics.liveness.planarity import flow_residual, landmark_residual
from services.biometrics.media.decode import Picture
from services.biometrics.media.video import VideoFrame
from tests.fixtures.media.photos import Who
from tests.fixtures.media.puppet import RATE, Attitude, Puppet, script
from tests.unit.biometrics.conftest import Tools

ORDER: tuple[Action, ...] = ("left", "right")


def filmed(pictures: Iterable[Picture]) -> list[VideoFrame]:
    """Frames as a camera gives them: each with its own noise."""
    sensor = np.random.default_rng(5)
    frames = []
    for i, picture in enumerate(pictures):
        grain = sensor.normal(0, 2, picture.shape)
        frames.append(VideoFrame(i / RATE, np.clip(picture + grain, 0, 255).astype(np.uint8)))
    return frames


def judged(frames: Sequence[VideoFrame], tools: Tools, order: tuple[Action, ...] = ORDER) -> ClipVerdict:
    observations: list[Observation] = list(observe(frames, tools.finder, tools.embedder))
    return examine(observations, order, tools.embedder)


@pytest.fixture(scope="module")
def acted(puppets: dict[Who, Puppet]) -> dict[Who, list[Picture]]:
    return {who: [puppet.render(attitude) for attitude in script(ORDER)] for who, puppet in puppets.items()}


def turned_print(picture: Picture) -> Callable[[float], Picture]:
    """A printed photograph held before the camera and turned about its upright axis, as strongly as asked."""
    height, width = picture.shape[:2]
    middle = np.array([width / 2, height / 2])
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * middle

    def at(yaw: float) -> Picture:
        cos, sin, far = np.cos(np.radians(yaw)), np.sin(np.radians(yaw)), 2.2 * width
        scale = far / (far + corners[:, :1] * sin)
        there = corners * [cos, 1] * scale * 0.9 + middle
        view = cv2.getPerspectiveTransform((corners + middle).astype(np.float32), there.astype(np.float32))
        seen = cv2.warpPerspective(picture, view, (width, height), borderValue=(90, 95, 100))
        return np.asarray(seen, np.uint8)

    return at


@pytest.mark.parametrize("who", ["a", "b"])
def test_a_puppet_that_does_what_was_asked_passes(acted: dict[Who, list[Picture]], tools: Tools, who: Who) -> None:
    verdict = judged(filmed(acted[who]), tools)
    assert verdict.guidance == []
    assert verdict.embedding is not None
    assert verdict.measures["LandmarkResidual"] > 8
    assert verdict.measures["FlowResidual"] > 3
    assert verdict.measures["IdentitySpread"] < 0.3


def test_the_same_clip_fails_another_order(acted: dict[Who, list[Picture]], tools: Tools) -> None:
    assert judged(filmed(acted["a"]), tools, ("right", "left")).guidance == ["clip.wrong_order"]


@pytest.mark.parametrize("who", ["a", "b"])
def test_a_turn_that_is_held_tells_as_much_as_one_that_is_not_and_is_no_answer_to_the_other(
    puppets: dict[Who, Puppet], tools: Tools, who: Who
) -> None:
    order: tuple[Action, ...] = ("right_held", "closer", "left")
    verdict = judged(filmed(puppets[who].render(attitude) for attitude in script(order))[::2], tools, order)
    assert verdict.guidance == []
    assert verdict.measures["LandmarkResidual"] > 8
    assert verdict.measures["FlowResidual"] > 3
    assert verdict.measures["FlowPoints"] > 30
    assert verdict.measures["LeftSeconds"] < 1.5
    assert verdict.measures["RightSeconds"] > 2.4


def test_a_photograph_that_is_turned_and_held_is_flat_all_the_same(scenes: dict[Who, Picture], tools: Tools) -> None:
    at = turned_print(scenes["a"])
    turned = [*np.linspace(0, 35, 6), *([35.0] * 36), *np.linspace(35, 0, 6), *([0.0] * 12)]
    pictures = [at(0.0)] * 12 + [at(yaw + np.sin(i / 3)) for i, yaw in enumerate(turned)]
    assert judged(filmed(pictures), tools, ("left_held",)).guidance in (["clip.no_left"], ["clip.looks_flat"])


@pytest.mark.parametrize("poses", [3, 4, 8])
@pytest.mark.parametrize("who", ["a", "b"])
def test_a_turned_photograph_is_seen_to_be_flat_however_often_it_is_looked_at(
    scenes: dict[Who, Picture], tools: Tools, who: Who, poses: int
) -> None:
    at = turned_print(scenes[who])
    turn = [frame.picture for frame in filmed([at(yaw) for yaw in np.linspace(0, 35, poses)])]
    faces = [tools.finder.faces(picture)[0] for picture in turn]
    greys = [np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.uint8) for picture in turn]
    flow = flow_residual(greys, faces)
    assert landmark_residual(faces[0], faces[-1]) < 4
    assert flow.points > 30
    assert flow.residual < 1.1


@pytest.mark.parametrize("poses", [3, 4, 8])
@pytest.mark.parametrize("who", ["a", "b"])
def test_a_turned_head_is_seen_to_be_solid_however_often_it_is_looked_at(
    puppets: dict[Who, Puppet], tools: Tools, who: Who, poses: int
) -> None:
    turn = filmed([puppets[who].render(Attitude(yaw=yaw)) for yaw in np.linspace(0, 27, poses)])
    faces = [tools.finder.faces(frame.picture)[0] for frame in turn]
    greys = [np.asarray(cv2.cvtColor(frame.picture, cv2.COLOR_RGB2GRAY), np.uint8) for frame in turn]
    flow = flow_residual(greys, faces)
    assert landmark_residual(faces[0], faces[-1]) > 9
    assert flow.points > 40
    assert flow.residual > 3.5


@pytest.mark.parametrize("strength", [30, 55])
def test_a_turned_photograph_does_not_meet_a_challenge(
    scenes: dict[Who, Picture], tools: Tools, strength: float
) -> None:
    at = turned_print(scenes["a"])
    pictures = [at(attitude.yaw * strength / 27) for attitude in script(ORDER)]
    guidance = judged(filmed(pictures), tools).guidance
    assert guidance
    # A flat picture looks the same whichever way it is turned: as if one turn came twice.
    flat = {"clip.no_left", "clip.no_right", "clip.looks_flat", "clip.wrong_order", "clip.face_lost", "clip.looped"}
    assert set(guidance) <= flat


def test_another_person_taking_over_is_noticed(acted: dict[Who, list[Picture]], tools: Tools) -> None:
    half = len(acted["a"]) // 2
    verdict = judged(filmed([*acted["a"][:half], *acted["b"][half:]]), tools)
    assert verdict.guidance == ["clip.one_person_only"]
    assert verdict.embedding is None or verdict.measures["IdentitySpread"] > 0.5


def test_two_people_before_the_camera_are_noticed(acted: dict[Who, list[Picture]], tools: Tools) -> None:
    pairs = zip(acted["a"], acted["b"], strict=True)
    both = [np.hstack([a[:, 120:520], b[:, 120:520]]) for a, b in pairs]
    assert judged(filmed(both), tools).guidance == ["clip.one_person_only"]


def test_a_still_picture_is_frozen(scenes: dict[Who, Picture], tools: Tools) -> None:
    frames = [VideoFrame(i / RATE, scenes["a"]) for i in range(30)]
    assert judged(frames, tools).guidance == ["clip.frozen"]


def test_a_picture_that_stands_still_for_a_while_is_frozen(acted: dict[Who, list[Picture]], tools: Tools) -> None:
    frames = filmed(acted["a"])
    stuck = [VideoFrame(frames[-1].time + (i + 1) / RATE, frames[-1].picture) for i in range(20)]
    verdict = judged([*frames, *stuck], tools)
    assert verdict.guidance == ["clip.frozen"]
    assert verdict.measures["LongestFrozen"] == pytest.approx(20 / RATE, abs=0.01)
    assert verdict.measures["ShareFrozen"] < 0.5


def test_frames_that_a_camera_gives_twice_are_nothing_to_complain_of(
    acted: dict[Who, list[Picture]], tools: Tools
) -> None:
    frames = filmed(acted["a"])
    doubled = [
        VideoFrame((2 * i + again) / RATE / 2, frame.picture) for i, frame in enumerate(frames) for again in (0, 1)
    ]
    analysed_at = [frame for i, frame in enumerate(doubled) if i % 3 == 0]  # eight a second out of 24
    assert judged(analysed_at, tools).guidance == []


def pausing(puppet: Puppet, seconds: int) -> list[Picture]:
    breathing = [puppet.render(Attitude(yaw=1.5 * np.sin(i / 2.3))) for i in range(14)]
    acted = [[puppet.render(attitude) for attitude in script((side,))] for side in ORDER]
    return [*acted[0], *(breathing[i % 14] for i in range(seconds * RATE)), *acted[1]]


def test_a_long_pause_between_movements_is_not_the_challenge(puppets: dict[Who, Puppet], tools: Tools) -> None:
    frames = filmed(pausing(puppets["a"], 9))
    assert judged(frames[::2], tools).guidance == ["clip.too_slow"]


def test_leaving_the_picture_is_noticed(acted: dict[Who, list[Picture]], tools: Tools) -> None:
    pictures = list(acted["a"])
    empty = np.full_like(pictures[0], 120)
    pictures[10:20] = [empty] * 10
    assert judged(filmed(pictures), tools).guidance == ["clip.face_lost"]


def test_a_cut_is_noticed(acted: dict[Who, list[Picture]], tools: Tools) -> None:
    frames = filmed(acted["a"])
    cut = [frame if i < 20 else VideoFrame(frame.time + 2, frame.picture) for i, frame in enumerate(frames)]
    assert judged(cut, tools).guidance == ["clip.interrupted"]


def test_beginning_with_the_head_turned_is_noticed(puppets: dict[Who, Puppet], tools: Tools) -> None:
    turned = [puppets["a"].render(Attitude(yaw=27 + i / 10)) for i in range(14)]
    assert judged(filmed(turned), tools).guidance == ["clip.start_facing_camera"]


def test_no_frames_at_all_is_an_answer_too(tools: Tools) -> None:
    assert judged([], tools).guidance == ["clip.face_lost"]
