"""The curve of both errors (DET), on normal deviate axes as ISO/IEC 19795-1 draws it."""

from io import BytesIO
from typing import Final

import numpy as np
from matplotlib.figure import Figure
from scipy.stats import norm  # type: ignore[import-untyped] # the package ships no types

from services.biometrics.evaluation.statistics import Comparisons, Floats, OperatingPoint, det

_TICKS: Final = np.array([1e-4, 1e-3, 1e-2, 0.05, 0.2, 0.5, 0.8])


def det_png(comparisons: Comparisons, points: tuple[OperatingPoint, ...], model: str) -> bytes:
    """Draw the curve; rates below what the sample can show are cut at one error in the sample."""
    figure = Figure(figsize=(6, 6), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    false_match, false_non_match = det(comparisons)
    genuine = sum(each.size for each in comparisons.genuine)
    fewest = 1 / comparisons.impostor.size, 1 / genuine
    axes.step(_deviate(false_match, fewest[0]), _deviate(false_non_match, fewest[1]), where="post", label=model)
    for point in points:
        if point.fnmr is not None:
            x, y = _deviate(np.array([point.target]), fewest[0]), _deviate(np.array([point.fnmr.value]), fewest[1])
            axes.plot(x, y, "o", label=f"FMR {point.target:g}: distance {point.threshold:.3f}")
    for ticks, labels in ((axes.set_xticks, axes.set_xticklabels), (axes.set_yticks, axes.set_yticklabels)):
        ticks(norm.ppf(_TICKS))
        labels([f"{100 * tick:g}" for tick in _TICKS])
    axes.set_xlim(norm.ppf(5e-5), norm.ppf(0.9))
    axes.set_ylim(norm.ppf(5e-5), norm.ppf(0.9))
    axes.set_xlabel("false match rate, %")
    axes.set_ylabel("false non-match rate, %")
    axes.set_title(f"{genuine} genuine, {comparisons.impostor.size} impostor comparisons", fontsize=10)
    axes.grid(visible=True, linewidth=0.4)
    axes.legend(loc="upper right", fontsize=9)
    buffer = BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _deviate(rates: Floats, fewest: float) -> Floats:
    """Return the normal deviate, which knows neither 0 nor 1."""
    deviates: Floats = norm.ppf(np.clip(rates, fewest / 2, 1 - fewest / 2))
    return deviates
