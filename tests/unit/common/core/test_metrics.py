"""What a service says about itself in numbers."""

from datetime import UTC, datetime, timedelta

from prometheus_client import CollectorRegistry, generate_latest

from libs.common.core.metrics import Metrics

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"onboarding_{name}", labels)


def test_a_handled_message_is_counted_by_topic_and_outcome_with_its_duration_and_latency() -> None:
    metrics = Metrics("ca", clock=lambda: NOON)
    metrics.handled("otp.verified", "handled", 0.004, NOON - timedelta(seconds=3))
    metrics.handled("otp.verified", "dead_lettered", 0.002, None)
    assert value(metrics, "messages_total", topic="otp.verified", outcome="handled") == 1
    assert value(metrics, "messages_total", topic="otp.verified", outcome="dead_lettered") == 1
    assert value(metrics, "handling_seconds_count", topic="otp.verified") == 2
    assert value(metrics, "step_latency_seconds_count", topic="otp.verified") == 1
    assert value(metrics, "step_latency_seconds_sum", topic="otp.verified") == 3


def test_a_fact_from_a_clock_ahead_of_ours_has_no_negative_latency() -> None:
    metrics = Metrics("ca", clock=lambda: NOON)
    metrics.handled("otp.verified", "handled", 0.004, NOON + timedelta(seconds=3))
    assert value(metrics, "step_latency_seconds_sum", topic="otp.verified") == 0


def test_services_in_one_process_count_apart_and_say_who_they_are() -> None:
    first, second = Metrics("ca"), Metrics("otp")
    first.outbox_published.inc(5)
    assert value(second, "outbox_published_total") == 0
    assert value(first, "service_info", service="ca") == value(second, "service_info", service="otp") == 1


def test_the_registry_can_be_given() -> None:
    registry = CollectorRegistry()
    Metrics("ca", registry).outbox_oldest_seconds.labels("enrolments").set(7)
    assert b'onboarding_outbox_oldest_seconds{aggregate="enrolments"} 7.0' in generate_latest(registry)


def test_every_metric_of_ours_says_what_it_means() -> None:
    ours = [metric for metric in Metrics("ca").registry.collect() if metric.name.startswith("onboarding_")]
    assert len(ours) > 15
    assert not [metric.name for metric in ours if len(metric.documentation) < 15]
