"""What is kept of face checks for those who must account for them: measures, model ids and hashes, never a picture."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Final

from libs.common.contracts.http.biometrics import Band
from libs.common.core.model import Model, evolve
from libs.common.core.sealing import Personal, Sealed
from services.biometrics.check.decision import FaceVerdict
from services.biometrics.check.parts import Part, Source
from services.biometrics.check.templates import Template
from services.biometrics.liveness.pad_result import PadResult
from services.biometrics.models.limits import Limit

TRIES_KEPT: Final = 20
"""Of one face check: five tries, and those that overdue reviews gave back."""
VIEWS_KEPT: Final = 200


class Remark(Personal):
    """A clerk's reason for a decision; it may speak of anybody."""

    audience: ClassVar[str] = "biometrics"

    text: str


class ClerkDecision(Model):
    """A clerk's decision on a face check."""

    clerk: str
    matched: bool
    at: datetime
    remark: Sealed[Remark]


class PictureViews(Model):
    """A clerk's views of one capture: so many between the first and the last."""

    clerk: str
    part: Part
    first: datetime
    last: datetime
    times: int = 1


class Examined(Model):
    """How the captures of one source were judged: by which thresholds and model, and what was measured.

    Attributes:
        limits: the thresholds of ``profile``, by measure.
        doubts: text keys of what a clerk was to judge.
        pad: of a clip: the answer of the presentation-attack detector, or that there is none.
    """

    profile: str
    model: str
    measures: Mapping[str, float]
    limits: Mapping[str, Limit] = {}
    guidance: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    pad: PadResult | None = None


class Try(Model):
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
class AnalysisOutcome:
    """The outcome of analysing captures.

    Attributes:
        captures: those that were analysed.
        record: what is kept of it.
        templates: of what passed; the next try need not analyse that again.
    """

    captures: Mapping[Part, str]
    verdict: FaceVerdict
    record: Try
    templates: Mapping[Source, Sealed[Template]] = field(default_factory=dict)


def add_view(views: tuple[PictureViews, ...], clerk: str, part: Part, at: datetime) -> tuple[PictureViews, ...]:
    """Add a view. One clerk's views of one capture are one entry; the oldest entries beyond `VIEWS_KEPT` go."""
    before = next((each for each in views if (each.clerk, each.part) == (clerk, part)), None)
    if before is None:
        return (*views, PictureViews(clerk=clerk, part=part, first=at, last=at))[-VIEWS_KEPT:]
    again = evolve(before, PictureViews, last=at, times=before.times + 1)
    return tuple(again if each is before else each for each in views)
