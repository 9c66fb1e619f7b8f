"""What an evaluation says to people (Markdown) and to machines (JSON): each figure with how far it can be trusted."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final

import orjson

from services.biometrics.evaluation.measure import Acquired, Presentations
from services.biometrics.evaluation.statistics import (
    Comparisons,
    OperatingPoint,
    Rate,
    fmr,
    fnmr,
    operating_point,
    proportion,
)
from services.biometrics.liveness.pad_result import NOT_CONFIGURED
from services.biometrics.models.model_card import ModelCard
from services.biometrics.settings import ANALYSIS_S

TARGETS: Final = (1e-3, 1e-4)
FEW: Final = 30
"""Below so many presentations of a kind an interval is too wide to compare systems by."""

_LIMITS: Final = """\
## What this report is not
It is no evaluation by ISO/IEC 19795 or 30107-3: those ask for a test plan, an independent laboratory and people chosen
for the purpose. It speaks of these pictures, this model and these thresholds alone. Groups of people for whom the model
is weaker do not show unless they are well represented in the folder.
"""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """All that was found."""

    card: ModelCard
    acquired: Acquired
    comparisons: Comparisons | None
    presentations: tuple[Presentations, ...]
    any_quality: bool = False
    """Whether pictures were taken that the service would have refused."""
    detector: str = NOT_CONFIGURED
    """The detector of presentation attacks that was shown the clips."""
    look_s: float = ANALYSIS_S
    """Seconds that an analysis might take."""

    @property
    def points(self) -> tuple[OperatingPoint, ...]:
        """The operating points that are customary for identity checks."""
        if self.comparisons is None:
            return ()
        return tuple(operating_point(self.comparisons, target) for target in TARGETS)


def markdown(found: Evaluation) -> str:
    """Write the report that people read."""
    parts = [f"# Evaluation of `{found.card.id}`\n", _bound(found.look_s)]
    if found.acquired.pictures:
        parts.append(_faces(found))
    if found.presentations:
        parts.append(_clips(found.presentations, found.detector))
    return "\n".join([*parts, _LIMITS])


def json(found: Evaluation) -> bytes:
    """Write the same for machines. It holds no names and no embeddings."""
    faces = found.comparisons
    document = {
        "model": found.card.id,
        "any_quality": found.any_quality,
        "look_s": found.look_s,
        "pictures": found.acquired.pictures,
        "refused": found.acquired.refused,
        "people": len(found.acquired.people),
        "pairs_of_people": 0 if faces is None else faces.pairs,
        "bands": {} if faces is None else {name: _rates(faces, limit) for name, limit in _bands(found.card)},
        "operating_points": [asdict(point) for point in found.points],
        "detector": found.detector,
        "presentations": [_rate_text(each) for each in found.presentations],
    }
    return orjson.dumps(document, option=orjson.OPT_INDENT_2)


def _bound(look_s: float) -> str:
    usual = "as in a service with the default limit" if look_s == ANALYSIS_S else f"not the usual {ANALYSIS_S:g} s"
    return f"An analysis might take {look_s:g} s, {usual}. What takes longer is `….takes_too_long`.\n"


def _faces(found: Evaluation) -> str:
    acquired, faces = found.acquired, found.comparisons
    refused = proportion(acquired.refused.total(), acquired.pictures)
    lines = [
        "## Faces",
        f"{acquired.pictures} pictures; {len(acquired.people)} people with a usable one.\n",
        f"Failure to acquire ({_rule(found)}): {_shown(refused)}{_reasons(acquired.refused)}\n",
    ]
    if faces is None or not faces.genuine:
        return "\n".join([*lines, "No error rates: that takes two people, and two usable pictures of one of them.\n"])
    genuine = sum(each.size for each in faces.genuine)
    lines += [
        f"{genuine} genuine comparisons of {len(faces.genuine)} people.",
        f"{faces.impostor.size} impostor comparisons of {faces.pairs} pairs of people.",
        "Intervals are for 95 % confidence, over people and pairs of people.\n",
        "### At the thresholds of the model's card\n",
        "| limit | distance | false match rate | false non-match rate |",
        "|---|---|---|---|",
    ]
    for name, limit in _bands(found.card):
        lines.append(f"| {name} | {limit:.3f} | {_shown(fmr(faces, limit))} | {_shown(fnmr(faces.genuine, limit))} |")
    lines += ["\n### Thresholds that these data suggest\n", *map(_suggestion, found.points)]
    return "\n".join([*lines, "\nThe curve of both errors: `det.png`.\n"])


def _rule(found: Evaluation) -> str:
    if found.any_quality:
        return "no single face; pictures that the service would refuse for quality were taken"
    return "refused as the service refuses"


def _suggestion(point: OperatingPoint) -> str:
    if point.threshold is None or point.fnmr is None:
        return (
            f"- False match rate {point.target:g}: **no claim**. {point.pairs_needed:,} pairs of people carry one, a "
            "tenth of that an indication."
        )
    caution = "" if point.carries == "yes" else f" An indication only: {point.pairs_needed:,} pairs carry a claim."
    return (
        f"- False match rate {point.target:g}: distance {point.threshold:.3f}, false non-match rate "
        f"{_shown(point.fnmr)}.{caution}"
    )


def _clips(presentations: Sequence[Presentations], detector: str) -> str:
    lines = [
        "## Liveness\n",
        f"Detector of presentation attacks: `{detector}`. What it doubts goes to a clerk.\n",
        "APCER: share of attacks that passed without a doubt. BPCER: share of live people who did not.",
        "What could not be analysed is no answer: it is left out of an APCER, and a failure in a BPCER.\n",
        "| kind | clips | to a clerk | not analysed | error | rate, 95 % interval | reasons of refusal |",
        "|---|---|---|---|---|---|---|",
        *map(_row, presentations),
    ]
    attacks = [error for each in presentations if each.attack and (error := _error(each))]
    if attacks:
        worst = max(attacks, key=lambda rate: rate.value)
        lines.append(f"\nThe worst kind decides: APCER {_shown(worst)}.\n")
    return "\n".join(lines)


def _row(each: Presentations) -> str:
    error, few = _error(each), " (too few to compare by)" if each.total < FEW else ""
    rate = "**no claim**: none could be analysed" if error is None else f"{_shown(error)}{few}"
    cells = (
        each.kind,
        each.total,
        each.doubted,
        each.unanswered.total(),
        "APCER" if each.attack else "BPCER",
        rate,
        _reasons(each.refused + each.unanswered)[2:-1],
    )
    return f"| {' | '.join(map(str, cells))} |"


def _error(each: Presentations) -> Rate | None:
    """Return the share of errors among the attacks that were judged, or among all live people; None without any."""
    if each.attack:
        return proportion(each.passed, each.answered) if each.answered else None
    return proportion(each.total - each.passed, each.total)


def _rate_text(each: Presentations) -> dict[str, object]:
    error = _error(each)
    return {
        "kind": each.kind,
        "attack": each.attack,
        "total": each.total,
        "passed": each.passed,
        "doubted": each.doubted,
        "refused": each.refused,
        "unanswered": each.unanswered,
        "error": None if error is None else asdict(error),
    }


def _bands(card: ModelCard) -> tuple[tuple[str, float], ...]:
    return ("match", card.match), ("review", card.review)


def _rates(faces: Comparisons, limit: float) -> dict[str, object]:
    return {
        "distance": limit,
        "fmr": asdict(fmr(faces, limit)),
        "fnmr": asdict(fnmr(faces.genuine, limit)) if faces.genuine else None,
    }


def _shown(rate: Rate) -> str:
    below = "" if rate.value else f"none seen in {rate.trials:,}, "
    return f"{100 * rate.value:.2f} % ({below}{100 * rate.low:.2f} to {100 * rate.high:.2f})"


def _reasons(refused: Counter[str]) -> str:
    return ": " + ", ".join(f"`{key}` {count}" for key, count in refused.most_common()) + "." if refused else "."
