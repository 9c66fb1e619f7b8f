"""Parts of pictures: what is cut out of a part is what would be cut out of the whole."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from services.biometrics.document.binarise import Side
from services.biometrics.document.print_reader import PrintReader
from services.biometrics.face.face import patch
from services.biometrics.media.decode import Picture
from tests.fixtures.media import card
from tests.unit.biometrics.conftest import HOLDER

SIZE = (96, 80)


def blurred_noise(seed: int) -> Picture:
    noise = np.random.default_rng(seed).integers(0, 256, (240, 320, 3), np.uint8)
    soft = cv2.GaussianBlur(noise, (0, 0), 3)
    return np.asarray(cv2.normalize(soft, np.zeros_like(noise), 0, 255, cv2.NORM_MINMAX), np.uint8)


PICTURE = blurred_noise(1)


def of_the_whole(matrix: NDArray[np.float64]) -> Picture:
    """The same, with nothing left out of the picture beforehand."""
    picture, matrix = PICTURE, matrix.copy()
    while np.hypot(matrix[0, 0], matrix[1, 0]) >= 2:
        picture = np.asarray(cv2.pyrDown(picture), np.uint8)
        matrix /= 2
    return np.asarray(cv2.warpAffine(picture, matrix, SIZE, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP), np.uint8)


@settings(max_examples=60, deadline=None)
@given(
    scale=st.floats(0.2, 7),
    angle=st.floats(-np.pi, np.pi),
    across=st.floats(-300, 600),
    down=st.floats(-300, 500),
)
def test_a_patch_is_the_same_wherever_it_lies_and_black_outside_the_picture(
    scale: float, angle: float, across: float, down: float
) -> None:
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = np.column_stack([turn, [across, down]])
    off = np.abs(patch(PICTURE, matrix, SIZE).astype(int) - of_the_whole(matrix))
    assert off.max() <= 3
    assert off.mean() < 0.05


@pytest.mark.parametrize("margin", [0, 6])
def test_digits_are_read_within_a_closed_frame_too(margin: int) -> None:
    """A dark rim around the whole side, or a frame that a card's design has: print in it is print."""
    back = card.back(HOLDER)
    plain = PrintReader().read(Side.of(back).print, has_zone=False)
    framed = np.array(back)
    height, width = framed.shape[:2]
    cv2.rectangle(framed, (margin, margin), (width - 1 - margin, height - 1 - margin), (20, 20, 20), 3)
    assert plain.dates
    assert PrintReader().read(Side.of(framed).print, has_zone=False) == plain
