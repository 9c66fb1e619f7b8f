"""Print on a rectified card, with the light evened out."""

from dataclasses import dataclass
from typing import Final, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from services.biometrics.document.glyphs import HEIGHT, TALL, WIDTH, Grey, Patches
from services.biometrics.media.decode import Picture

_COARSE: Final = 8
"""Paper is found on a picture so many times smaller: light changes slowly."""


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """One side of a document: as it was seen, and its print.

    Attributes:
        picture: Rectified, RGB.
        grey: Its brightness.
        print: Its brightness in parts of the paper's around it: paper is 255, ink is dark.
    """

    picture: Picture
    grey: Grey
    print: Grey

    @classmethod
    def of(cls, picture: Picture) -> Self:
        """Even out the light of a rectified side."""
        grey = np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.uint8)
        return cls(picture, grey, even(grey))

    def turned(self) -> Self:
        """Return the side upside down."""
        around = (cv2.rotate(each, cv2.ROTATE_180) for each in (self.picture, self.grey, self.print))
        return type(self)(*(np.asarray(each, np.uint8) for each in around))


def even(grey: Grey) -> Grey:
    """Divide uneven light away."""
    height, width = grey.shape
    small = cv2.resize(grey, (width // _COARSE, height // _COARSE), interpolation=cv2.INTER_AREA)
    paper = cv2.medianBlur(cv2.dilate(small, np.ones((3, 3), np.uint8)), 7)
    full = cv2.resize(paper, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.divide(grey, full, scale=255), np.uint8)


def dark(ink: Grey) -> NDArray[np.bool_]:
    """Separate ink from paper by Otsu's threshold."""
    _, mask = cv2.threshold(ink, 0, 255, cv2.THRESH_BINARY_INV | cv2.THRESH_OTSU)
    return np.asarray(mask > 0)


def row_of_patches(ink: Grey, matrix: NDArray[np.float64], count: int) -> Patches:
    """Cut `count` patches that lie side by side; `matrix` (2 × 3) maps their common picture to that of `ink`."""  # noqa: RUF002 - a product of sizes
    shrinking = float(max(abs(matrix[0, 0]), abs(matrix[1, 1])))
    if shrinking > 1.2:  # noqa: PLR2004 - below, nothing is skipped
        ink = np.asarray(cv2.GaussianBlur(ink, (0, 0), 0.4 * shrinking), np.uint8)
    size = (count * WIDTH, HEIGHT)
    row = cv2.warpAffine(
        ink, matrix, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(row.reshape(HEIGHT, count, WIDTH).swapaxes(0, 1), np.float32)


def upright(left: float, middle: float, pitch: float, tall: float, slope: float = 0.0) -> NDArray[np.float64]:
    """Return the matrix for `row_of_patches`.

    Args:
        left: Where the first patch begins, pixels.
        middle: The print's middle line there, pixels.
        pitch: How wide each patch is there, pixels.
        tall: How tall a capital letter or a digit is there, pixels.
        slope: How far the line falls for each pixel across.
    """
    across, down = pitch / WIDTH, tall / TALL
    return np.array([[across, 0, left], [slope * across, down, middle - down * HEIGHT / 2]])
