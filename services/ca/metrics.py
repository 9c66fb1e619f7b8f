"""What the authority measures of its ledger, and of what it rests on."""

from libs.common.core.metrics import Metrics


class AuthorityMetrics:
    """The ledger's check and checkpoints, and when what the authority rests on ends."""

    def __init__(self, metrics: Metrics) -> None:
        self.ledger_check_age_seconds = metrics.gauge(
            "ledger_check_age_seconds",
            "How long ago the newest check of the authority's ledger began that was finished",
        )
        self.ledger_check_errors = metrics.gauge("ledger_check_errors", "Errors that this check found")
        self.ledger_uncovered_seconds = metrics.gauge(
            "ledger_uncovered_seconds", "Age of the oldest act in the ledger that no checkpoint covers; 0 if all are"
        )
        self.valid_until_seconds = metrics.gauge(
            "valid_until_seconds", "When what the authority rests on ends (Unix time); 0 if it is not there", "what"
        )
        """Labels: what (root, root_list, issuing_ec, issuing_rsa, seal, tsa, lists, responders)."""
        self.clock_doubtful = metrics.gauge("clock_doubtful", "1 while no time is signed, because the clock jumped")
