"""What biometrics measures of face checks."""

from libs.common.core.metrics import Metrics


class FaceMetrics:
    """Analyses, reviews, what waits, and which models serve."""

    def __init__(self, metrics: Metrics) -> None:
        self.models = metrics.gauge(
            "models", "1 for the model that serves a role, `not_configured` where none does", "role", "model"
        )
        self.face_analyses = metrics.counter("face_analyses", "Analyses of a citizen's captures, by outcome", "outcome")
        """Labels: outcome (``match``, ``review``, ``no_match``; ``broken``: there was no result)."""
        self.face_reviews = metrics.counter("face_reviews", "Face checks that clerks had, by how they left", "outcome")
        """Labels: outcome (``matched``, ``rejected``; ``overdue``: nobody decided in time)."""
        self.face_checks_waiting = metrics.gauge(
            "face_checks_waiting", "Face checks that wait, in the whole installation", "whom"
        )
        """Labels: whom they wait for (``worker``, ``clerk``)."""
