"""What an analysis means: good captures of the registered person's own card and face, or not. Pure."""

from collections.abc import Mapping
from datetime import date
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict

from libs.common.contracts.people import Person

Part = Literal["selfie", "clip", "document-front", "document-back"]
PARTS: Final[tuple[Part, ...]] = ("selfie", "clip", "document-front", "document-back")
CARD: Final[tuple[Part, ...]] = ("document-front", "document-back")
Band = Literal["match", "review", "no_match"]


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True)


class DocumentFacts(_Value):
    """What the document's machine-readable zone says, as far as the decision needs it."""

    iin: str | None
    document_number: str
    expiry_date: date


class Findings(_Value):
    """What the analysis of one try found. ``faults`` holds guidance keys by the part that must be sent again."""

    faults: Mapping[Part, tuple[str, ...]] = {}
    document: DocumentFacts | None = None
    band: Band | None = None
    model: str = ""


class Verdict(_Value):
    """What findings by ``model`` mean. ``again`` are the parts to be sent once more, for ``reasons``."""

    band: Band
    reasons: tuple[str, ...] = ()
    again: tuple[Part, ...] = ()
    model: str = ""


def judge(findings: Findings, person: Person, today: date) -> Verdict:
    """Turn findings into a verdict: quality first, then whose document it is, then whose face.

    A wrong card is to be sent anew from both sides, or its portrait would stay for a zone of another card.
    """
    faults = dict(findings.faults)
    if document_faults := _document_faults(findings.document, person, today):
        faults |= {side: (*faults.get(side, ()), *document_faults) for side in CARD}
    if not faults and findings.document is None:
        faults = {"document-back": ("document.mrz_unreadable",)}
    if faults:
        reasons = tuple(dict.fromkeys(key for keys in faults.values() for key in keys))
        again = tuple(part for part in PARTS if part in faults)
        return Verdict(band="no_match", reasons=reasons, again=again, model=findings.model)
    if findings.band is None or findings.band == "no_match":
        return Verdict(band="no_match", reasons=("face.not_the_same_person",), again=PARTS, model=findings.model)
    return Verdict(band=findings.band, model=findings.model)


def _document_faults(document: DocumentFacts | None, person: Person, today: date) -> list[str]:
    if document is None:
        return []
    faults = []
    if document.iin != person.iin:
        faults.append("document.of_another_person")
    if person.document_number is not None and document.document_number != person.document_number:
        faults.append("document.not_the_registered_one")
    if document.expiry_date < today:
        faults.append("document.expired")
    return faults
