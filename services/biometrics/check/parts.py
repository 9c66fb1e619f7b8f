"""What is captured, and what is judged as one: a selfie, a clip, and a document of one side or two."""

from collections.abc import Collection, Mapping
from typing import Final, Literal

from libs.common.contracts.http.biometrics import CapturePart

Part = CapturePart
FACE: Final[tuple[Part, ...]] = ("selfie", "clip")
CARD: Final[tuple[Part, ...]] = ("document-front", "document-back")
"""An identity card: portrait and print on one side, the machine-readable zone on the other."""
PAGE: Final[tuple[Part, ...]] = ("document-page",)
"""A passport: one page holds everything."""
PARTS: Final[tuple[Part, ...]] = (*FACE, *CARD, *PAGE)
Source = Literal["selfie", "clip", "document"]
SOURCES: Final[tuple[Source, ...]] = ("selfie", "clip", "document")
"""What is analysed on its own and shows a face; both sides of a card are one document."""


def source_of(part: Part) -> Source:
    """Return the source that a part belongs to."""
    return part if part in ("selfie", "clip") else "document"


def document_of(captures: Collection[Part]) -> tuple[Part, ...]:
    """Return the parts that make up the document: a passport's page if it is there, else both sides of a card."""
    return PAGE if set(PAGE) <= set(captures) else CARD


def complete(captures: Collection[Part]) -> bool:
    """Return whether nothing more is to be captured."""
    return {*FACE, *document_of(captures)} <= set(captures)


def kept_beside(captures: Mapping[Part, str], part: Part) -> dict[Part, str]:
    """Return the captures that stay when `part` comes: a page replaces the sides of a card, and they replace a page."""
    other = CARD if part in PAGE else PAGE if part in CARD else ()
    return {each: place for each, place in captures.items() if each not in other}
