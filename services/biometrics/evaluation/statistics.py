"""Error rates and how far they can be trusted. Pure: distances and counts in, figures out.

Terms are those of ISO/IEC 2382-37 and 19795-1. Comparisons of the same two people are not independent, so a figure's
sample size is counted in people and in pairs of people, and its interval is drawn over people.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest  # type: ignore[import-untyped] # the package ships no types

CONFIDENCE: Final = 0.95
RULE_OF_THREE: Final = 3
"""With n trials and no error, the rate is below 3/n with 95 % confidence (ISO/IEC 19795-1, rule of 3)."""
RULE_OF_THIRTY: Final = 30
"""Thirty errors put the true rate within 30 % of the observed one, with 90 % confidence (rule of 30)."""
RESAMPLES: Final = 1000

Floats = NDArray[np.float64]
Carries = Literal["yes", "indication", "no"]
"""Whether data carry a claim: ``indication`` is between the rule of 3 and the rule of 30."""


@dataclass(frozen=True, slots=True)
class Rate:
    """A share of trials that went wrong, with its 95 % interval. ``trials`` are independent ones."""

    value: float
    low: float
    high: float
    trials: int


@dataclass(frozen=True, slots=True)
class Comparisons:
    """Distances, smaller for more alike faces.

    Attributes:
        genuine: of two pictures of one person, by person.
        impostor: of pictures of different people, all of them.
        pairs: how many different pairs of people the impostor distances come from.
    """

    genuine: tuple[Floats, ...]
    impostor: Floats
    pairs: int


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """What a threshold that keeps the false match rate at a target costs in false non-matches.

    Attributes:
        target: the false match rate asked for.
        threshold: the largest distance that still counts as a match; None if the data refuse the claim.
        fnmr: the false non-match rate at that threshold; None with it.
        pairs_needed: how many pairs of people the claim takes (rule of 30).
    """

    target: float
    carries: Carries
    threshold: float | None
    fnmr: Rate | None
    pairs_needed: int


def proportion(errors: int, trials: int) -> Rate:
    """Return a share with its exact (Clopper-Pearson) interval."""
    if trials == 0:
        raise ValueError("a rate needs trials")
    interval = binomtest(errors, trials).proportion_ci(CONFIDENCE, method="exact")
    return Rate(errors / trials, float(interval.low), float(interval.high), trials)


def fnmr(genuine: Sequence[Floats], threshold: float, seed: int = 0) -> Rate:
    """Return the share of genuine comparisons beyond ``threshold``; each person counts alike.

    The interval is that of a bootstrap over people. Where no person ever failed, or all did, resampling cannot see
    beyond the sample: there the exact interval over people stands.
    """
    misses = np.array([float(np.mean(distances > threshold)) for distances in genuine])
    people, value = len(misses), float(misses.mean())
    if misses.min() == misses.max():
        exact = proportion(round(value * people), people)
        return Rate(value, min(exact.low, value), max(exact.high, value), people)
    drawn = np.random.default_rng(seed).integers(people, size=(RESAMPLES, people))
    low, high = np.quantile(misses[drawn].mean(axis=1), [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Rate(value, min(float(low), value), max(float(high), value), people)


def fmr(comparisons: Comparisons, threshold: float) -> Rate:
    """Return the share of impostor comparisons within ``threshold``, with an interval over pairs of people."""
    value = float(np.mean(comparisons.impostor <= threshold))
    exact = proportion(round(value * comparisons.pairs), comparisons.pairs)
    return Rate(value, min(exact.low, value), max(exact.high, value), comparisons.pairs)


def carries(target: float, trials: int) -> Carries:
    """Return whether so many independent trials carry a claim about a rate of ``target``."""
    if trials * target >= RULE_OF_THIRTY:
        return "yes"
    return "indication" if trials * target >= RULE_OF_THREE else "no"


def operating_point(comparisons: Comparisons, target: float) -> OperatingPoint:
    """Find the threshold for a false match rate of ``target``, or refuse."""
    verdict = carries(target, comparisons.pairs)
    needed = int(np.ceil(RULE_OF_THIRTY / target))
    if verdict == "no" or not comparisons.genuine:
        return OperatingPoint(target, "no", None, None, needed)
    threshold = _threshold(comparisons.impostor, target)
    return OperatingPoint(target, verdict, threshold, fnmr(comparisons.genuine, threshold), needed)


def det(comparisons: Comparisons) -> tuple[Floats, Floats]:
    """Return the curve of both error rates (false match, false non-match) over all thresholds the data know."""
    genuine = np.sort(np.concatenate(comparisons.genuine))
    impostor = np.sort(comparisons.impostor)
    thresholds = np.unique(np.concatenate([genuine, impostor]))
    false_match = np.searchsorted(impostor, thresholds, side="right") / impostor.size
    false_non_match = 1 - np.searchsorted(genuine, thresholds, side="right") / genuine.size
    return false_match, false_non_match


def _threshold(impostor: Floats, target: float) -> float:
    """Return the largest distance at which no more than ``target`` of the impostors match."""
    allowed = int(np.floor(target * impostor.size))
    return float(np.nextafter(np.sort(impostor)[allowed], -np.inf))
