"""Limits of measures, as data: they are kept on record beside what was measured."""

from collections.abc import Iterable, Mapping

from pydantic import ConfigDict

from libs.common.core.model import Model

Measures = dict[str, float]


class Limit(Model):
    """The least and the most that a measure may be."""

    model_config = ConfigDict(extra="forbid")

    at_least: float | None = None
    at_most: float | None = None

    def holds(self, value: float) -> bool:
        """Return whether `value` keeps to it; what is no number never does."""
        high_enough = self.at_least is None or value >= self.at_least
        return high_enough and (self.at_most is None or value <= self.at_most)


Limits = Mapping[str, Limit]
"""By the name of the measure."""


def beyond(limits: Limits, measures: Measures, names: Iterable[str]) -> str | None:
    """Return the first of the measures `names` that does not keep to its limit."""
    return next((name for name in names if not limits[name].holds(measures[name])), None)
