"""What an analysis means: good captures of the registered person's own card and face, or not. Pure."""

from collections.abc import Mapping
from datetime import date
from typing import Literal

from libs.common.contracts.http.biometrics import Band
from libs.common.contracts.people import Person
from libs.common.core.model import Model
from services.biometrics.check.parts import CARD, FACE, PARTS, Part

Reviewed = Literal["none", "unregistered", "all"]
"""Which documents clerks confirm: those that the register does not name, or all, for it gives no portrait."""


class DocumentFacts(Model):
    """The fields of the document's machine-readable zone that the decision needs; a birth date need not be there."""

    iin: str | None
    document_number: str
    birth_date: date | None
    expiry_date: date


class Findings(Model):
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


class FaceVerdict(Model):
    """What findings by ``model`` mean. ``again`` are the parts to be sent once more, for ``reasons``."""

    band: Band
    reasons: tuple[str, ...] = ()
    again: tuple[Part, ...] = ()
    model: str = ""


def unconfirmed(person: Person, reviewed: Reviewed) -> tuple[str, ...]:
    """Return what a clerk is to confirm of a document, though all that could be compared agreed.

    A forged front, with the forger's portrait and another's numbers, is found by comparing with the register alone.
    """
    if reviewed == "all":
        return ("document.portrait_unconfirmed",)
    if reviewed == "unregistered" and person.document_number is None:
        return ("document.not_in_register",)
    return ()


def judge(findings: Findings, person: Person, today: date) -> FaceVerdict:
    """Turn findings into a verdict: quality first, then whose document it is, then whose face.

    Both sides of a wrong card are to be sent again, or its portrait would stay for a zone of another card.
    """
    faults = dict(findings.faults)
    if document_faults := _document_faults(findings.document, person, today):
        faults |= {side: (*faults.get(side, ()), *document_faults) for side in findings.parts}
    if not faults and findings.document is None:
        faults = {findings.parts[-1]: ("document.mrz_unreadable",)}
    if faults:
        reasons = tuple(dict.fromkeys(key for keys in faults.values() for key in keys))
        again = tuple(part for part in PARTS if part in faults)
        return FaceVerdict(band="no_match", reasons=reasons, again=again, model=findings.model)
    if findings.band is None or findings.band == "no_match":
        again = (*FACE, *findings.parts)
        return FaceVerdict(band="no_match", reasons=("face.not_the_same_person",), again=again, model=findings.model)
    doubtful = findings.band == "match" and findings.signals
    return FaceVerdict(band="review" if doubtful else findings.band, model=findings.model)


def _document_faults(document: DocumentFacts | None, person: Person, today: date) -> list[str]:
    if document is None:
        return []
    faults = []
    born = {document.birth_date, person.birth_date} - {None}
    if document.iin != person.iin or len(born) > 1:
        faults.append("document.of_another_person")
    registered = (person.document_number, document.document_number), (person.document_expires, document.expiry_date)
    if any(known not in {None, shown} for known, shown in registered):
        faults.append("document.not_the_registered_one")
    if document.expiry_date < today:
        faults.append("document.expired")
    return faults
