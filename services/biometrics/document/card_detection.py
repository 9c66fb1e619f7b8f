"""Cards in a picture: the four corners of each, and the card seen straight from above."""

from collections.abc import Iterator
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from services.biometrics.media.decode import Picture

Quad = NDArray[np.float32]
"""Four corners (x, y), clockwise from the upper left of a card that lies wide."""

# ISO/IEC 7810: ID-1 is 85.60 by 53.98 mm, ID-3 (a passport's page) 125 by 88 mm.
_FORMATS: Final = ((85.60, 53.98), (125.0, 88.0))
_ASPECTS: Final = tuple(width / height for width, height in _FORMATS)
_FINENESS: Final = 12
"""Pixels a millimetre: OCR-B's characters, 2.54 mm apart, come out 30 pixels apart in both formats."""
_SMALL, _COARSE = 800, 400
_FILLED, _MIDDLE = 0.9, 0.34
_LEAST_AREA, _MOST_AREA = 0.08, 0.97
_WORST_ASPECT: Final = 0.35
_SMALL_PART, _CUT_ASPECT = 0.35, 0.04


def find_cards(picture: Picture, most: int = 2) -> list[Quad]:
    """Return up to `most` cards that do not overlap, best first; the whole picture where there is none.

    A file cut to the card has the card's shape itself, which no camera's picture has; a small quadrilateral in it is
    the portrait's frame.
    """
    found: list[tuple[float, Quad]] = sorted(_candidates(picture), key=lambda candidate: -candidate[0])
    cards: list[Quad] = []
    for _, quad in found:
        if len(cards) < most and not any(_overlap(quad, card) for card in cards):
            cards.append(quad)
    height, width = picture.shape[:2]
    small = all(cv2.contourArea(card) < _SMALL_PART * width * height for card in cards)
    cut = min(abs(width / height - standard) for standard in _ASPECTS) < _CUT_ASPECT
    if cards and not (small and cut):
        return cards
    return [_ordered(np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32))]


def rectified(picture: Picture, quad: Quad) -> Picture:
    """Return the card as seen straight from above, 12 pixels a millimetre, in the nearest standard format."""
    width, height = min(_FORMATS, key=lambda standard: abs(standard[0] / standard[1] - _aspect(quad)))
    size = (round(width * _FINENESS), round(height * _FINENESS))
    right, bottom = size
    flat = np.array([[0, 0], [right, 0], [right, bottom], [0, bottom]], np.float32)
    view = cv2.getPerspectiveTransform(quad, flat)
    return np.asarray(cv2.warpPerspective(picture, view, size, flags=cv2.INTER_LINEAR), np.uint8)


def frame_around(picture: Picture, points: NDArray[np.float64]) -> Quad | None:
    """Return the outermost edge of a print, a screen or a card that these points of a face lie in, or nothing.

    All four of its sides are seen, wholly inside the picture and filled: behind a living person, shoulders break the
    edge of a window or of a door.

    Args:
        picture: RGB.
        points: n × 2, pixels.
    """  # noqa: RUF002 - a product of sizes
    corners = np.array([points.min(axis=0), points.max(axis=0)], np.float32)
    frames = [
        quad
        for _, quad in _candidates(picture, _COARSE, _FILLED)
        if all(cv2.pointPolygonTest(quad, (float(x), float(y)), measureDist=False) > 0 for x, y in corners)
        and not _touches(quad, picture.shape)
    ]
    return max(frames, key=cv2.contourArea, default=None)


def is_document(quad: Quad, points: NDArray[np.float64]) -> bool:
    """Return whether a frame is a card or a page: their portrait stands at one end, a person in the middle."""
    along = quad[1] - quad[0]
    place = float((points.mean(axis=0) - quad[0]) @ along / (along @ along))
    return not _MIDDLE <= place <= 1 - _MIDDLE


def _touches(quad: Quad, size: tuple[int, ...]) -> bool:
    low, high = quad.min(), (np.array([size[1], size[0]]) - quad).min()
    return bool(min(low, high) < 0.01 * max(size))


def _candidates(picture: Picture, longest: int = _SMALL, filled: float = 0.0) -> Iterator[tuple[float, Quad]]:
    """Yield quadrilaterals of about a card's shape with a score: large, rectangular, of the right aspect.

    Args:
        picture: RGB.
        longest: Its longer side is scaled down to so many pixels.
        filled: How much of a quadrilateral its outline encloses at least.
    """
    small = _small(picture, longest)
    scale = max(small.shape[:2]) / max(picture.shape[:2])
    area = small.shape[0] * small.shape[1]
    for channel in cv2.split(cv2.cvtColor(small, cv2.COLOR_RGB2YCrCb)):
        for mask in _masks(np.asarray(cv2.GaussianBlur(channel, (5, 5), 0), np.uint8)):
            contours, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
            for contour in contours:
                _, _, wide, tall = cv2.boundingRect(contour)
                if wide * tall < _LEAST_AREA * area:
                    continue  # most contours are specks
                hull = cv2.convexHull(contour)
                size = cv2.contourArea(hull)
                if not _LEAST_AREA * area < size < _MOST_AREA * area or cv2.contourArea(contour) < filled * size:
                    continue
                corners = cv2.approxPolyDP(hull, 0.03 * cv2.arcLength(hull, closed=True), closed=True)
                if len(corners) != 4:  # noqa: PLR2004 - a quadrilateral
                    continue
                quad = _ordered(corners.reshape(4, 2).astype(np.float32))
                if _leaves(quad, small.shape):
                    continue
                off = min(abs(_aspect(quad) - standard) for standard in _ASPECTS)
                if off < _WORST_ASPECT:
                    yield cv2.contourArea(quad) / (1 + 5 * off), quad / np.float32(scale)


def _small(picture: Picture, longest: int) -> Picture:
    """Scale down to `longest` a side: halves are averaged, which is quick, and the rest of the way is interpolated."""
    while max(picture.shape[:2]) >= 2 * longest:
        picture = np.asarray(cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.uint8)
    scale = min(1.0, longest / max(picture.shape[:2]))
    return np.asarray(cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR), np.uint8)


def _masks(channel: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    """Yield what is edge, and what is bright: the outlines of dark things are among those of holes in it."""
    edges = cv2.Canny(channel, 30, 90)
    yield np.asarray(cv2.dilate(edges, np.ones((3, 3), np.uint8)), np.uint8)
    _, bright = cv2.threshold(channel, 0, 255, cv2.THRESH_OTSU)
    yield np.asarray(bright, np.uint8)


def _leaves(quad: Quad, size: tuple[int, ...]) -> bool:
    """Return whether two corners or more lie on the picture's edge: that is the table, not a card."""
    low, high = quad.min(axis=1), (np.array([size[1], size[0]]) - quad).min(axis=1)
    return int((np.minimum(low, high) < 4).sum()) >= 2  # noqa: PLR2004 - pixels; corners


def _ordered(corners: Quad) -> Quad:
    """Return the corners clockwise, beginning so that the first side is a long one at the top."""
    centre = corners.mean(axis=0)
    angles = np.arctan2(corners[:, 1] - centre[1], corners[:, 0] - centre[0])
    clockwise = corners[np.argsort(angles)]
    if _aspect(clockwise) < 1:
        clockwise = np.roll(clockwise, -1, axis=0)
    return np.asarray(clockwise, np.float32)


def _aspect(quad: Quad) -> float:
    sides = np.linalg.norm(np.roll(quad, -1, axis=0) - quad, axis=1)
    return float((sides[0] + sides[2]) / (sides[1] + sides[3]))


def _overlap(one: Quad, other: Quad) -> bool:
    common, _ = cv2.intersectConvexConvex(one, other)
    return bool(common > 0.1 * min(cv2.contourArea(one), cv2.contourArea(other)))
