"""What an analysis means: good captures of the registered person's own card and face, or not. Pure."""

from collections.abc import Collection, Mapping
from datetime import date
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict

from libs.common.contracts.people import Person

Part = Literal["selfie", "clip", "document-front", "document-back", "document-page"]
FACE: Final[tuple[Part, ...]] = ("selfie", "clip")
CARD: Final[tuple[Part, ...]] = ("document-front", "document-back")
"""An identity card: portrait and print on one side, the machine-readable zone on the other."""
PAGE: Final[tuple[Part, ...]] = ("document-page",)
"""A passport: one page holds everything."""
PARTS: Final[tuple[Part, ...]] = (*FACE, *CARD, *PAGE)
Band = Literal["match", "review", "no_match"]
Reviewed = Literal["none", "unregistered", "all"]
"""Which documents clerks confirm: those that the register does not name, or all, for it gives no portrait."""


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True)


def document_of(captures: Collection[Part]) -> tuple[Part, ...]:
    """Give the parts that make up the document of these captures: a passport's page, or else both sides of a card."""
    return PAGE if set(PAGE) <= set(captures) else CARD


def complete(captures: Collection[Part]) -> bool:
    """Tell whether there is nothing more to capture."""
    return {*FACE, *document_of(captures)} <= set(captures)


def beside(captures: Mapping[Part, str], part: Part) -> dict[Part, str]:
    """Give the captures that stay when `part` comes: a page takes the place of a card's sides, and they of a page."""
    other = CARD if part in PAGE else PAGE if part in CARD else ()
    return {each: blob for each, blob in captures.items() if each not in other}


class DocumentFacts(_Value):
    """What the document's machine-readable zone says, as far as the decision needs it."""

    iin: str | None
    document_number: str
    birth_date: date
    expiry_date: date


class Findings(_Value):
    """What the analysis of one try found.

    Attributes:
        faults: guidance keys by the part that must be sent again.
        parts: those that make up the document.
        signals: text keys of what neither passes nor fails, and is for a clerk to judge.
    """

    faults: Mapping[Part, tuple[str, ...]] = {}
    parts: tuple[Part, ...] = CARD
    document: DocumentFacts | None = None
    band: Band | None = None
    model: str = ""
    signals: tuple[str, ...] = ()


class Verdict(_Value):
    """What findings by ``model`` mean. ``again`` are the parts to be sent once more, for ``reasons``."""

    band: Band
    reasons: tuple[str, ...] = ()
    again: tuple[Part, ...] = ()
    model: str = ""


def unconfirmed(person: Person, reviewed: Reviewed) -> tuple[str, ...]:
    """Give what a clerk is to confirm of a document, though all that could be compared agreed.

    Whoever forges a front with their own portrait and another's numbers is found out by a look into the register alone.
    """
    if reviewed == "all":
        return ("document.portrait_unconfirmed",)
    if reviewed == "unregistered" and person.document_number is None:
        return ("document.not_in_register",)
    return ()


def judge(findings: Findings, person: Person, today: date) -> Verdict:
    """Turn findings into a verdict: quality first, then whose document it is, then whose face.

    A wrong card is to be sent anew from both sides, or its portrait would stay for a zone of another card.
    """
    faults = dict(findings.faults)
    if document_faults := _document_faults(findings.document, person, today):
        faults |= {side: (*faults.get(side, ()), *document_faults) for side in findings.parts}
    if not faults and findings.document is None:
        faults = {findings.parts[-1]: ("document.mrz_unreadable",)}
    if faults:
        reasons = tuple(dict.fromkeys(key for keys in faults.values() for key in keys))
        again = tuple(part for part in PARTS if part in faults)
        return Verdict(band="no_match", reasons=reasons, again=again, model=findings.model)
    if findings.band is None or findings.band == "no_match":
        return Verdict(
            band="no_match", reasons=("face.not_the_same_person",), again=(*FACE, *findings.parts), model=findings.model
        )
    doubtful = findings.band == "match" and findings.signals
    return Verdict(band="review" if doubtful else findings.band, model=findings.model)


def _document_faults(document: DocumentFacts | None, person: Person, today: date) -> list[str]:
    if document is None:
        return []
    faults = []
    if document.iin != person.iin or person.birth_date not in {None, document.birth_date}:
        faults.append("document.of_another_person")
    registered = (person.document_number, document.document_number), (person.document_expires, document.expiry_date)
    if any(known not in {None, shown} for known, shown in registered):
        faults.append("document.not_the_registered_one")
    if document.expiry_date < today:
        faults.append("document.expired")
    return faults
