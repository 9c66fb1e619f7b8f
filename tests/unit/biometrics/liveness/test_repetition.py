"""Clips that play something again, as files that a browser could have sent; and movements that only resemble it."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pytest

from services.biometrics.analysis.analyses import analyse_clip
from services.biometrics.analysis.reports import ClipReport
from services.biometrics.liveness.challenge import Action
from services.biometrics.media.decode import Picture
from tests.fixtures.media.photos import Who
from tests.fixtures.media.puppet import Attitude, Puppet, script, write_frames

pytestmark = pytest.mark.usefixtures("loaded")


def recorded(folder: Path, pictures: Iterable[Picture], challenge: Sequence[Action], noise: float = 1.0) -> ClipReport:
    write_frames(folder / "clip.webm", pictures, noise=noise)
    return analyse_clip((folder / "clip.webm").read_bytes(), tuple(challenge))


def still(puppet: Puppet, frames: int, phase: float) -> list[Picture]:
    return [puppet.render(Attitude(yaw=float(np.sin(phase + i / 3)))) for i in range(frames)]


def turn(puppet: Puppet, furthest: float, frames: int) -> list[Picture]:
    return [puppet.render(Attitude(yaw=float(furthest * np.sin(np.pi * i / frames)))) for i in range(frames + 1)]


@pytest.mark.parametrize("length", [20, 25])
def test_a_recording_played_in_a_loop_is_noticed_whatever_its_length(
    puppets: dict[Who, Puppet], tmp_path: Path, length: int
) -> None:
    """Noise and compression differ from one time to the next, and so do the moments at which it is looked at."""
    loop = [*turn(puppets["a"], 28, 14), *still(puppets["a"], length - 15, 0)]
    report = recorded(tmp_path, [*still(puppets["a"], 12, 1), *loop, *loop, *loop], ("left",))
    assert report.guidance == ("clip.looped",)
    assert report.measures["LongestRepeat"] > 1.2


def test_turning_twice_is_no_loop_but_one_turn_too_many(puppets: dict[Who, Puppet], tmp_path: Path) -> None:
    """People do a thing twice, but not in the same place at the same pace."""
    puppet = puppets["a"]
    twice = [*turn(puppet, 28, 14), *still(puppet, 9, 0), *turn(puppet, 25, 18), *still(puppet, 9, 2)]
    report = recorded(tmp_path, [*still(puppet, 12, 1), *twice], ("left",))
    assert report.guidance == ("clip.wrong_order",)
    assert report.measures["LongestRepeat"] < 0.5


@pytest.mark.parametrize(
    "order", [("left", "blink", "right"), ("closer", "right", "left_held"), ("right_held", "left", "blink")]
)
def test_no_challenge_looks_like_a_loop(puppets: dict[Who, Puppet], tmp_path: Path, order: tuple[Action, ...]) -> None:
    report = recorded(tmp_path, (puppets["b"].render(attitude) for attitude in script(order)), order)
    assert report.guidance == ()
    assert report.measures["LongestRepeat"] < 0.5


def test_one_picture_encoded_again_and_again_is_frozen(puppets: dict[Who, Puppet], tmp_path: Path) -> None:
    picture = puppets["a"].render(Attitude())
    report = recorded(tmp_path, [picture] * 30, ("left",), noise=0)
    assert report.guidance == ("clip.frozen",)
    assert report.measures["ShareFrozen"] > 0.8
