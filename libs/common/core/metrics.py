"""The metrics that every service has, with type and meaning; a service declares its own in its ``metrics.py``.

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
        self._http()
        self.event_loop_lag_seconds = self.gauge(
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
        self.messages = self.counter("messages", "Messages, by what became of them", "topic", "outcome")
        self.messages_forged = self.counter(
            "messages_forged", "Messages that the producer of their topic did not sign; never handled", "topic"
        )
        self.handling_seconds = self.histogram(
            "handling_seconds", "Time to handle one message, tries in place included", _HANDLING_S, "topic"
        )
        self.step_latency_seconds = self.histogram(
            "step_latency_seconds",
            "From the moment a fact came to be (ce_time) until it was handled",
            _LATENCY_S,
            "topic",
        )
        self.circuit_open = self.gauge(
            "circuit_open", "1 while consuming is stopped, because everything would be dead-lettered"
        )
        self.messages_held = self.gauge(
            "messages_held", "Messages that wait in memory because the store, the broker or the circuit holds them up"
        )
        self.fetch_failures = self.counter(
            "fetch_failures",
            "Times a partition could not be read; of no topic: a fetch failed",
            "topic",
            "partition",
        )
        self.partition_blocked = self.gauge(
            "partition_blocked", "1 while a partition cannot be read: the others go on", "topic", "partition"
        )
        self.consumer_lag = self.gauge("consumer_lag", "Messages on the topic that are not handled yet", "topic")

    def _delivery(self) -> None:
        self.outbox_published = self.counter("outbox_published", "Events published from the outbox")
        self.outbox_oldest_seconds = self.gauge(
            "outbox_oldest_seconds", "Age of the oldest event that waits to be published; 0 if none waits", "aggregate"
        )
        self.duplicates = self.counter(
            "duplicates", "Messages that their aggregate had taken in before, and were not decided again", "aggregate"
        )
        self.lost_races = self.counter(
            "lost_races", "Writes that found a newer version of their aggregate, and began anew", "aggregate"
        )
        self.timers_fired = self.counter("timers_fired", "Timers that were claimed and delivered", "aggregate")
        self.timers_overdue_seconds = self.gauge(
            "timers_overdue_seconds",
            "How long ago the oldest timer that nobody has claimed was due; 0 if none is",
            "aggregate",
        )

    def _http(self) -> None:
        self.http_requests = self.counter("http_requests", "HTTP requests answered", "method", "route", "status")
        """Labels: method, route (template, or ``unmatched``), status (class, as in ``2xx``)."""
        self.http_seconds = self.histogram("http_seconds", "Time to answer an HTTP request", _HTTP_S, "method", "route")

    def counter(self, name: str, meaning: str, *labels: str) -> Counter:
        """Declare a counter; its name on the wire begins with ``onboarding_``."""
        return Counter(f"onboarding_{name}", meaning, labels, registry=self.registry)

    def gauge(self, name: str, meaning: str, *labels: str) -> Gauge:
        """Declare a gauge."""
        return Gauge(f"onboarding_{name}", meaning, labels, registry=self.registry)

    def histogram(self, name: str, meaning: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        """Declare a histogram with these upper bounds of its buckets."""
        return Histogram(f"onboarding_{name}", meaning, labels, buckets=buckets, registry=self.registry)
