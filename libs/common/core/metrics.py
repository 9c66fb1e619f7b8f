"""Every metric of a service, with its type and its meaning: the one list that dashboards and alerts are made from.

Units are base units (seconds). Labels are closed sets: topics, steps, outcomes, route templates, timer and aggregate
names, never an identifier of anybody or anything. Each service has a registry of its own, so that several may run in
one process.
"""

from datetime import datetime
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, GCCollector, Histogram, Info, ProcessCollector

from libs.common.core.values import Clock, utc_now

# From a message handled in memory to a face analysis.
_HANDLING_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
# From one service to the next on a quiet day, to a day's queue after an outage.
_LATENCY_S: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0, 1800.0, 7200.0, 86400.0)
_HTTP_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """The metrics of one service. Attributes are named as the metrics are, without the prefix ``onboarding_``.

    Args:
        service: the service's name; ``onboarding_service_info`` carries it.
        registry: where they are registered; a new one unless given.
        clock: the time that step latency is reckoned by.
    """

    def __init__(self, service: str, registry: CollectorRegistry | None = None, clock: Clock = utc_now) -> None:
        self.service: Final = service
        self._clock = clock
        self.registry: Final = registry or CollectorRegistry()
        Info("onboarding_service", "Which service this is", registry=self.registry).info({"service": service})
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self._messages()
        self._delivery()
        self._journeys()
        self._http()
        self._models()
        self._faces()
        self._ledger()
        self._authority()
        self.event_loop_lag_seconds = self._gauge(
            "event_loop_lag_seconds", "How late the event loop came back to a task that asked for a moment's sleep"
        )

    def handled(self, topic: str, outcome: str, seconds: float, came_to_be: datetime | None) -> None:
        """Count one message that came to its end.

        Args:
            topic: a declared topic, or ``unknown``.
            outcome: ``handled``, ``retried`` or ``dead_lettered``.
            seconds: how long it took.
            came_to_be: the fact's ``ce_time``, if that was readable.
        """
        self.messages.labels(topic, outcome).inc()
        self.handling_seconds.labels(topic).observe(seconds)
        if came_to_be is not None:
            latency = (self._clock() - came_to_be).total_seconds()
            self.step_latency_seconds.labels(topic).observe(max(0.0, latency))

    def _messages(self) -> None:
        self.messages = self._counter("messages", "Messages, by what became of them", "topic", "outcome")
        self.messages_forged = self._counter(
            "messages_forged", "Messages that the producer of their topic did not sign; never handled", "topic"
        )
        self.handling_seconds = self._histogram(
            "handling_seconds", "Time to handle one message, tries in place included", _HANDLING_S, "topic"
        )
        self.step_latency_seconds = self._histogram(
            "step_latency_seconds",
            "From the moment a fact came to be (ce_time) until it was handled",
            _LATENCY_S,
            "topic",
        )
        self.circuit_open = self._gauge(
            "circuit_open", "1 while consuming is stopped, because everything would be dead-lettered"
        )
        self.messages_held = self._gauge(
            "messages_held", "Messages that wait in memory because the store, the broker or the circuit holds them up"
        )
        self.consumer_lag = self._gauge("consumer_lag", "Messages on the topic that are not handled yet", "topic")

    def _delivery(self) -> None:
        self.outbox_published = self._counter("outbox_published", "Events published from the outbox")
        self.outbox_oldest_seconds = self._gauge(
            "outbox_oldest_seconds", "Age of the oldest event that waits to be published; 0 if none waits", "aggregate"
        )
        self.duplicates = self._counter(
            "duplicates", "Messages that their aggregate had taken in before, and were not decided again", "aggregate"
        )
        self.lost_races = self._counter(
            "lost_races", "Writes that found a newer version of their aggregate, and began anew", "aggregate"
        )
        self.timers_fired = self._counter("timers_fired", "Timers that were claimed and delivered", "aggregate")
        self.timers_overdue_seconds = self._gauge(
            "timers_overdue_seconds",
            "How long ago the oldest timer that nobody has claimed was due; 0 if none is",
            "aggregate",
        )

    def _journeys(self) -> None:
        self.journeys_started = self._counter("journeys_started", "Journeys and applications begun", "saga")
        """Labels: saga (``eds`` or ``kandas``)."""
        self.journeys_closed = self._counter("journeys_closed", "Journeys and applications ended", "saga", "outcome")

    def _http(self) -> None:
        self.http_requests = self._counter("http_requests", "HTTP requests answered", "method", "route", "status")
        """Labels: method, route (template, or ``unmatched``), status (class, as in ``2xx``)."""
        self.http_seconds = self._histogram(
            "http_seconds", "Time to answer an HTTP request", _HTTP_S, "method", "route"
        )

    def _models(self) -> None:
        self.models = self._gauge(
            "models", "1 for the model that serves a role, `not_configured` where none does", "role", "model"
        )

    def _faces(self) -> None:
        self.face_analyses = self._counter("face_analyses", "Analyses of a citizen's captures, by outcome", "outcome")
        """Labels: outcome (``match``, ``review``, ``no_match``; ``broken``: there was no result)."""
        self.face_reviews = self._counter("face_reviews", "Face checks that clerks had, by how they left", "outcome")
        """Labels: outcome (``matched``, ``rejected``; ``overdue``: nobody decided in time)."""
        self.face_checks_waiting = self._gauge(
            "face_checks_waiting", "Face checks that wait, in the whole installation", "whom"
        )
        """Labels: whom they wait for (``worker``, ``clerk``)."""

    def _ledger(self) -> None:
        self.ledger_check_age_seconds = self._gauge(
            "ledger_check_age_seconds",
            "How long ago the newest check of the authority's ledger began that was finished",
        )
        self.ledger_check_errors = self._gauge("ledger_check_errors", "Errors that this check found")
        self.ledger_uncovered_seconds = self._gauge(
            "ledger_uncovered_seconds", "Age of the oldest act in the ledger that no checkpoint covers; 0 if all are"
        )

    def _authority(self) -> None:
        self.valid_until_seconds = self._gauge(
            "valid_until_seconds", "When what the authority rests on ends (Unix time); 0 if it is not there", "what"
        )
        """Labels: what (root, root_list, issuing_ec, issuing_rsa, seal, tsa, lists, responders)."""
        self.clock_doubtful = self._gauge("clock_doubtful", "1 while no time is signed, because the clock jumped")

    def _counter(self, name: str, meaning: str, *labels: str) -> Counter:
        return Counter(f"onboarding_{name}", meaning, labels, registry=self.registry)

    def _gauge(self, name: str, meaning: str, *labels: str) -> Gauge:
        return Gauge(f"onboarding_{name}", meaning, labels, registry=self.registry)

    def _histogram(self, name: str, meaning: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(f"onboarding_{name}", meaning, labels, buckets=buckets, registry=self.registry)
