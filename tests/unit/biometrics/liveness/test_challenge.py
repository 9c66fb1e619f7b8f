from collections import Counter
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.biometrics.check.challenges import random_challenge
from services.biometrics.liveness.challenge import (
    ACTIONS,
    KINDS,
    STEADY,
    Action,
    Kind,
    Sample,
    actions_of,
    compare,
    kind_of,
    motion,
    movements,
)
from tests.fixtures.media.puppet import Attitude, script

orders = st.sampled_from([order for count in (1, 2, 3, 4) for order in permutations(KINDS, count)])
challenges = st.sampled_from(
    [
        order
        for count in (1, 2, 3, 4)
        for order in permutations(ACTIONS, count)
        if len({kind_of(action) for action in order}) == count
    ]
)


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


def done(order: Sequence[Action]) -> list[Kind]:
    return [movement.kind for movement in movements(motion(seen(list(script(order)))))]


def compared(asked: Sequence[Action], acted: Sequence[Action]) -> list[str]:
    return list(compare(asked, movements(motion(seen(list(script(acted)))))))


def drawable() -> Iterator[tuple[tuple[Action, ...], Fraction]]:
    """Every challenge that may be drawn, and how likely it is."""
    for steady in STEADY:
        likely = Fraction(1, len(STEADY))
        places = [(*steady[:place], "blink", *steady[place:]) for place in range(len(steady) + 1)]
        if len(steady) == 3:
            yield steady, likely / 2
            likely /= 2
        for place in places:
            yield actions_of(place), likely / len(places)


def test_every_challenge_that_is_drawn_proves_a_head_and_all_108_of_them_come_as_often_as_they_should() -> None:
    drawn = [random_challenge() for _ in range(10_000)]
    expected = dict(drawable())
    assert (len(expected), sum(expected.values())) == (108, 1)
    found = Counter(actions_of(each.actions) for each in drawn)
    assert set(found) == set(expected)
    steady = Counter(tuple(action for action in each.actions if action != "blink") for each in drawn)
    assert set(steady) == set(STEADY)
    assert max(steady.values()) < 2 * 10_000 / len(STEADY), "417 are expected, and 20 more or less"
    assert len({each.nonce for each in drawn}) == len(drawn)
    assert min(len(each.nonce) for each in drawn) >= 22, "128 bits"


def test_the_luckiest_clip_played_again_meets_one_challenge_in_twenty_four() -> None:
    """Its person blinks whenever a blink might be asked for."""
    chances = []
    for steady in STEADY:
        blinking = [each for action in steady for each in ("blink", action)]
        acted = [attitude for action in blinking for attitude in script((action,))] + list(script(("blink",)))
        replayed = movements(motion(seen(acted)))
        chances.append(sum(likely for asked, likely in drawable() if not compare(asked, replayed)))
    assert set(chances) == {Fraction(1, 24)}


@given(orders)
def test_what_is_done_is_what_is_seen_in_its_order(order: tuple[Kind, ...]) -> None:
    assert done(order) == list(order)


@given(challenges, challenges)
def test_a_challenge_is_met_by_its_own_movements_and_no_others(
    asked: tuple[Action, ...], acted: tuple[Action, ...]
) -> None:
    unasked_blink = tuple(action for action in acted if action != "blink") == asked
    assert (compared(asked, acted) == []) == (asked == acted or unasked_blink)


@pytest.mark.parametrize("rate", [4, 5, 6, 8, 12])
@pytest.mark.parametrize(("seconds", "held"), [(0.4, False), (1.0, False), (1.5, False), (2.4, True), (4.0, True)])
def test_a_turn_is_held_or_not_however_often_it_is_looked_at(rate: int, seconds: float, held: bool) -> None:
    """So long the head is beyond the angle that counts; a frame more or less decides nothing."""
    shown = [Attitude()] * 12 + [Attitude(yaw=25)] * round(12 * seconds) + [Attitude()] * 12
    samples = seen(shown)[:: round(12 / rate)] if rate < 12 else seen(shown)
    asked: Action = "left_held" if held else "left"
    wrong: Action = "left" if held else "left_held"
    assert compare((asked,), movements(motion(samples))) == []
    assert compare((wrong,), movements(motion(samples))) == [f"clip.{'held_too_long' if held else 'hold_longer'}"]


def test_whoever_stays_closer_than_asked_has_come_closer_all_the_same() -> None:
    attitudes = [*script(("left", "right")), *[Attitude(closer=1.5)] * 60]
    assert compare(("left", "right", "closer"), movements(motion(seen(attitudes)))) == []


def test_a_held_turn_is_furthest_soon_after_it_began() -> None:
    slipping = [Attitude(yaw=27 + i / 10) for i in range(36)]
    (turn,) = movements(motion(seen([Attitude()] * 12 + slipping + [Attitude()] * 6)))
    assert (turn.end - turn.start, turn.peak - turn.start) == (35, 18)


def test_what_was_not_done_is_named() -> None:
    assert compared(("left", "blink", "right"), ("left",)) == [
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
    assert [movement.kind for movement in movements(motion(seen(attitudes)))] == ["left", "right"]
