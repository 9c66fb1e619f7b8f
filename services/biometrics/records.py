"""What is kept of face checks for those who must account for them: measures, model ids and hashes, never a picture."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Final

from pydantic import BaseModel, ConfigDict

from libs.common.core.sealing import Personal, Sealed
from services.biometrics.face.templates import Source, Template
from services.biometrics.limits import Limit
from services.biometrics.liveness.pad_result import PadResult
from services.biometrics.verdicts import Band, Part, Verdict

TRIES_KEPT: Final = 20
"""Of one face check: five tries, and those that reviews nobody made gave back."""
LOOKS_KEPT: Final = 200


class Record(BaseModel):
    """Base of what is kept."""

    model_config = ConfigDict(frozen=True)


class Remark(Personal):
    """What a clerk wrote to a decision; it may speak of anybody."""

    audience: ClassVar[str] = "biometrics"

    text: str


class Review(Record):
    """A clerk's decision."""

    clerk: str
    matched: bool
    at: datetime
    remark: Sealed[Remark]


class Look(Record):
    """A clerk looked at a capture, so often between the first time and the last."""

    clerk: str
    part: Part
    first: datetime
    last: datetime
    times: int = 1


class Examined(Record):
    """How the captures of one kind were judged: by which thresholds and model, and what was measured.

    Attributes:
        limits: the thresholds of ``profile``, by measure.
        doubts: what was for a clerk to judge.
        pad: of a clip: what the presentation-attack detector said, or that there was none.
    """

    profile: str
    model: str
    measures: Mapping[str, float]
    limits: Mapping[str, Limit] = {}
    guidance: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    pad: PadResult | None = None


class Try(Record):
    """One try, as it was judged.

    Attributes:
        hashes: SHA-256 of what was captured, hexadecimal.
        examined: by ``selfie``, ``clip`` and ``document``; what had passed in an earlier try is not examined again.
        distances: between the faces, in the measure of ``model``.
        bands: what each distance means for that model.
        signals: text keys of what a clerk was to judge.
    """

    at: datetime
    band: Band
    reasons: tuple[str, ...] = ()
    model: str = ""
    hashes: Mapping[Part, str] = {}
    examined: Mapping[str, Examined] = {}
    distances: Mapping[str, float] = {}
    bands: Mapping[str, Band] = {}
    signals: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of looking at captures.

    Attributes:
        captures: those that were looked at.
        record: what is kept of it.
        templates: of what passed; a next try need not look at that again.
    """

    captures: Mapping[Part, str]
    verdict: Verdict
    record: Try
    templates: Mapping[Source, Sealed[Template]] = field(default_factory=dict)


def looked(looks: tuple[Look, ...], clerk: str, part: Part, at: datetime) -> tuple[Look, ...]:
    """Add a look. One clerk's looks at one capture are one entry."""
    before = next((each for each in looks if (each.clerk, each.part) == (clerk, part)), None)
    if before is None:
        return (*looks, Look(clerk=clerk, part=part, first=at, last=at))[-LOOKS_KEPT:]
    again = before.model_copy(update={"last": at, "times": before.times + 1})
    return tuple(again if each is before else each for each in looks)
