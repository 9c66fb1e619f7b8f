from collections.abc import Sequence
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.media.puppet import Attitude, script
from services.biometrics.app import random_challenge
from services.biometrics.liveness.challenge import ACTIONS, Action, Sample, actions_of, compare, motion, movements

orders = st.sampled_from([order for count in (1, 2, 3, 4) for order in permutations(ACTIONS, count)])


def seen(attitudes: Sequence[Attitude]) -> list[Sample]:
    """What a perfect face finder measures of a person who moves like that: own yaw of 4 degrees, eyes 0.2 open."""
    return [
        Sample(
            time=i / 12,
            yaw=4 + attitude.yaw,
            openness=0.2 * (1 - 0.4 * attitude.shut),
            eye_distance=60 * attitude.closer * (1 - abs(attitude.yaw) / 150),
        )
        for i, attitude in enumerate(attitudes)
    ]


def done(order: Sequence[Action]) -> list[Action]:
    return [movement.action for movement in movements(motion(seen(list(script(order)))))]


def test_every_challenge_that_is_drawn_proves_a_head_and_all_twelve_of_them_come() -> None:
    drawn = [random_challenge() for _ in range(1_000)]
    assert {actions_of(each.actions) for each in drawn} == {
        order
        for third in ("blink", "closer")
        for order in permutations(ACTIONS, 3)
        if set(order) == {"left", "right", third}
    }
    assert len({each.nonce for each in drawn}) == len(drawn)
    assert min(len(each.nonce) for each in drawn) >= 22, "128 bits"


@given(orders)
def test_what_is_done_is_what_is_seen_in_its_order(order: tuple[Action, ...]) -> None:
    assert done(order) == list(order)


@given(orders, orders)
def test_a_challenge_is_met_by_its_own_order_and_no_other(asked: tuple[Action, ...], acted: tuple[Action, ...]) -> None:
    guidance = compare(asked, movements(motion(seen(list(script(acted))))))
    unasked_blink = [action for action in acted if action != "blink"] == list(asked)
    assert (guidance == []) == (asked == acted or unasked_blink)


def test_what_was_not_done_is_named() -> None:
    assert compare(("left", "blink", "right"), movements(motion(seen(list(script(("left",))))))) == [
        "clip.no_blink",
        "clip.no_right",
    ]


def test_doing_everything_in_another_order_is_called_so() -> None:
    assert compare(("left", "right"), movements(motion(seen(list(script(("right", "left"))))))) == ["clip.wrong_order"]


def test_a_turn_too_many_is_not_the_challenge() -> None:
    twice = [*script(("left",)), *script(("right",)), *script(("left",))]
    assert compare(("left", "right"), movements(motion(seen(twice)))) == ["clip.wrong_order"]


@given(st.integers(0, 60), st.sampled_from([("left", "right"), ("right", "closer", "left")]))
def test_a_blink_of_ones_own_never_fails_a_challenge(moment: int, order: tuple[Action, ...]) -> None:
    attitudes = list(script(order))
    place = moment % len(attitudes)
    attitudes[place] = Attitude(attitudes[place].yaw, 1.0, attitudes[place].closer)
    assert compare(order, movements(motion(seen(attitudes)))) == []


def test_a_blink_between_the_wrong_steps_is_the_wrong_order() -> None:
    assert compare(("left", "blink", "right"), movements(motion(seen(list(script(("blink", "left", "right"))))))) == [
        "clip.wrong_order"
    ]


@pytest.mark.parametrize("yaw", [12.0, -12.0])
def test_a_slight_turn_is_no_turn(yaw: float) -> None:
    attitudes = [Attitude()] * 6 + [Attitude(yaw=yaw)] * 6 + [Attitude()] * 6
    assert movements(motion(seen(attitudes))) == []


def test_turning_from_one_side_straight_to_the_other_is_two_turns() -> None:
    attitudes = [Attitude()] * 6 + [Attitude(yaw=25)] * 3 + [Attitude(yaw=-25)] * 3 + [Attitude()] * 6
    assert [movement.action for movement in movements(motion(seen(attitudes)))] == ["left", "right"]
