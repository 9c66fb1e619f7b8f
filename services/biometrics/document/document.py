"""An identity document from its photographs: where the card lies, the portrait on it, its machine-readable zone.

A side is recognised by what is on it, never by its name: one picture of each side, one picture that shows
both sides, or one picture of a passport page are all read in the same way. A picture in which no card's edge
is seen is taken to be the card itself (a scan, or a file cut to size).

Portrait and zone belong together only if the IIN printed beside the portrait is the zone's: a front with the back of
another card is refused. So is print that contradicts the zone anywhere. Nothing here tells a forged card from a
genuine one: neither holograms nor microprint are seen in a photograph of this size.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from services.biometrics.document.binarise import Side
from services.biometrics.document.card_detection import find_cards, rectified
from services.biometrics.document.glyphs import Grey
from services.biometrics.document.mrz import Mrz
from services.biometrics.document.mrz_reader import MrzReader
from services.biometrics.document.print_reader import Print, PrintReader, contradicts
from services.biometrics.face.embedding import Embedder, Embedding
from services.biometrics.face.face import Face, FaceFinder
from services.biometrics.media.decode import GuidanceKey, Picture
from services.biometrics.models.limits import Limit, Limits, Measures


@dataclass(frozen=True, slots=True)
class DocumentProfile:
    """Limits for a document.

    Attributes:
        version: Changes whenever a limit or a measure does.
        portrait_part: How much of the card's width, from the left, may hold the portrait.
        eye_distance: Least distance between the portrait's eyes on the rectified card, pixels.
        sharpness: Least variance of the Laplacian over a rectified side.
        glare: Largest share of a side that is burnt out.
    """

    version: str = "document-3"
    portrait_part: float = 0.45
    eye_distance: float = 32
    sharpness: float = 25
    glare: float = 0.12

    @property
    def limits(self) -> Limits:
        """The limits by their measures' names; blur and glare count where something could not be read."""
        return {
            "PortraitInterEyeDistance": Limit(at_least=self.eye_distance),
            "Sharpness": Limit(at_least=self.sharpness),
            "Glare": Limit(at_most=self.glare),
        }


DOCUMENT: Final = DocumentProfile()
_BURNT_OUT: Final = 250


@dataclass(frozen=True, slots=True, eq=False)
class Portrait:
    """The face on a card: the upright side it was found on, and its mesh there."""

    side: Side
    face: Face


@dataclass(frozen=True, slots=True, eq=False)
class ReadDocument:
    """What is wrong with the pictures (nothing: all was read), every measure, and what was read."""

    guidance: list[GuidanceKey]
    measures: Measures
    embedding: Embedding | None = None
    portrait: Picture | None = None
    mrz: Mrz | None = None


class DocumentReader:
    """Reads documents. Holds interpreters: for one thread only."""

    def __init__(self, finder: FaceFinder, embedder: Embedder) -> None:
        self._finder = finder
        self._embedder = embedder
        self._zone = MrzReader()
        self._print = PrintReader()

    def read(self, pictures: Sequence[Picture], profile: DocumentProfile = DOCUMENT) -> ReadDocument:
        """Find a portrait and a machine-readable zone on every side that `pictures` show."""
        sides = [(side, side.turned()) for picture in pictures for side in _sides(picture)]
        # The zone most often stands on the side photographed last, and the portrait of a card on the other.
        zone = self._zone.read(side for both in reversed(sides) for side in both)
        back = zone and zone[1]
        portrait = self._portrait([both for both in sides if back not in both], profile) or self._portrait(
            [both for both in sides if back in both], profile
        )
        measures = _measures([side for side, _ in sides], portrait)
        guidance = _missing(portrait, zone and zone[0], measures, profile)
        if portrait is None:
            return ReadDocument(guidance, measures, mrz=zone and zone[0])
        if zone is not None:
            guidance += self._compared(portrait.side, *zone, measures)
        chip = self._embedder.align(portrait.side.picture, portrait.face)
        return ReadDocument(guidance, measures, self._embedder.embed([chip])[0], _cut(portrait), zone and zone[0])

    def _portrait(self, sides: Sequence[tuple[Side, Side]], profile: DocumentProfile) -> Portrait | None:
        found = [portrait for both in sides for portrait in self._portraits(both, profile)]
        return max(found, key=lambda each: each.face.eye_distance, default=None)

    def _portraits(self, both: tuple[Side, Side], profile: DocumentProfile) -> Iterator[Portrait]:
        """Search the left of the side and, if there is no face, on the left of the side turned around."""
        for side in both:
            left = side.picture[:, : round(side.picture.shape[1] * profile.portrait_part)]
            if faces := self._finder.faces(left):
                yield Portrait(side, faces[0])
                return

    def _compared(self, front: Side, zone: Mrz, back: Side, measures: Measures) -> list[GuidanceKey]:
        """Hold what is printed against the zone; add what was found to `measures`."""
        beside_portrait = self._print.read(front.print, has_zone=front is back)
        beside_zone = None if front is back else self._print.read(back.print, has_zone=True)
        measures |= _agreement(zone, beside_portrait)
        if contradicts(zone, beside_portrait, beside_zone):
            return [GuidanceKey("document.print_differs")]
        if not beside_portrait.iins:
            return [GuidanceKey("document.print_unreadable")]
        return []


def _sides(picture: Picture) -> list[Side]:
    return [Side.of(rectified(picture, card)) for card in find_cards(picture)]


def _agreement(zone: Mrz, front: Print) -> Measures:
    return {
        "PrintedIinAgrees": float(zone.iin in front.iins),
        "PrintedBirthDateAgrees": float(zone.birth_date in front.dates),
    }


def _cut(portrait: Portrait) -> Picture:
    """Cut the portrait out: the face with a good part of its surroundings."""
    left, top, right, bottom = portrait.face.bounds
    margin = 0.45 * (bottom - top)
    low = np.maximum([left - margin, top - margin], 0).astype(int)
    high = np.array([right + margin, bottom + margin]).astype(int)
    return np.ascontiguousarray(portrait.side.picture[low[1] : high[1], low[0] : high[0]])


def _measures(sides: Sequence[Side], portrait: Portrait | None) -> Measures:
    return {
        "Sides": float(len(sides)),
        "Sharpness": min((_sharpness(side.grey) for side in sides), default=0.0),
        "Glare": max((float((side.grey >= _BURNT_OUT).mean()) for side in sides), default=0.0),
        "PortraitInterEyeDistance": portrait.face.eye_distance if portrait else 0.0,
    }


def _sharpness(grey: Grey) -> float:
    _, deviation = cv2.meanStdDev(cv2.Laplacian(grey, cv2.CV_16S))
    return float(deviation[0, 0] ** 2)


def _missing(
    portrait: Portrait | None, mrz: Mrz | None, measures: Measures, profile: DocumentProfile
) -> list[GuidanceKey]:
    """Return what to change; a cause (blur, glare) is named only where something could not be read."""
    found = []
    if portrait is None:
        found.append("document.no_portrait")
    elif measures["PortraitInterEyeDistance"] < profile.eye_distance:
        found.append("document.come_closer")
    if mrz is None:
        found.append("document.mrz_unreadable")
    elif mrz.iin is None:
        found.append("document.no_iin")
    if found and measures["Sharpness"] < profile.sharpness:
        found.append("document.blurred")
    if found and measures["Glare"] > profile.glare:
        found.append("document.glare")
    return [GuidanceKey(key) for key in found]
