"""What identity measures of journeys."""

from libs.common.core.metrics import Metrics


class JourneyMetrics:
    """Journeys begun and ended."""

    def __init__(self, metrics: Metrics) -> None:
        self.journeys_started = metrics.counter("journeys_started", "Journeys and applications begun", "saga")
        """Labels: saga (``eds``)."""
        self.journeys_closed = metrics.counter("journeys_closed", "Journeys and applications ended", "saga", "outcome")
