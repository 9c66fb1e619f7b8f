"""Alerts and dashboard ask for metrics that services declare and feed, by labels that those have."""

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from libs.common.core.metrics import Metrics
from services.biometrics.metrics import FaceMetrics
from services.ca.metrics import AuthorityMetrics
from services.identity.metrics import JourneyMetrics

ROOT: Final = Path(__file__).parents[3]
PREFIX: Final = "onboarding_"
ENDINGS: Final[Mapping[str, tuple[str, ...]]] = {
    "counter": ("_total",),
    "gauge": ("",),
    "histogram": ("_bucket", "_sum", "_count"),
    "info": ("_info",),
}
OWN: Final = (JourneyMetrics, FaceMetrics, AuthorityMetrics)
SCRAPED: Final = frozenset({"service", "instance", "job", "le"})
"""Labels that any series has, from deploy/alerts/prometheus.yaml, and the one of buckets."""


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((ROOT / "deploy" / "alerts" / "onboarding.yaml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    board = json.loads((ROOT / "deploy" / "dashboards" / "onboarding.json").read_text())
    return list(board["panels"])


def expressions() -> list[str]:
    shown = [target["expr"] for panel in panels() for target in panel.get("targets", ())]
    return [rule["expr"] for rule in rules()] + shown


def names_in(expression: str) -> set[str]:
    return set(re.findall(r"\b(?:onboarding|process|python)_[a-z_]+\b", expression))


def every_metric() -> Metrics:
    """Declare what all services have, and what each has of its own."""
    metrics = Metrics("any")
    for own in OWN:
        own(metrics)
    return metrics


def declared() -> Iterator[tuple[str, str]]:
    """Give the name of each series that a service exposes, with its metric's name."""
    for family in every_metric().registry.collect():
        for ending in ENDINGS[family.type]:
            yield family.name + ending, family.name


@cache
def sources() -> str:
    return "".join(file.read_text() for folder in ("libs", "services") for file in (ROOT / folder).rglob("*.py"))


def fed(metric: str) -> bool:
    """Tell whether the code of the services, or the declaring class on their behalf, sets this metric."""
    attribute = metric.removeprefix(PREFIX)
    return bool(re.search(rf"metrics\.{attribute}\b|self\.{attribute}\.(labels|inc|set|observe)", sources()))


@pytest.mark.parametrize("expression", expressions())
def test_an_expression_asks_for_series_that_exist_and_are_fed(expression: str) -> None:
    series = dict(declared())
    names = names_in(expression)
    assert names <= set(series)
    own = {series[name] for name in names if name.startswith(PREFIX)} - {"onboarding_service"}
    assert [metric for metric in own if not fed(metric)] == []


@pytest.mark.parametrize("expression", expressions())
def test_an_expression_asks_by_labels_that_its_metrics_have(expression: str) -> None:
    asked = {label.strip() for group in re.findall(r"\bby \(([^)]*)\)", expression) for label in group.split(",")}
    asked |= set(re.findall(r"[{,]\s*([a-z_]+)\s*[=!]", expression))
    metrics = Metrics("any")
    holders = (metrics, *(own(metrics) for own in OWN))
    for name in names_in(expression):
        attribute = re.sub(r"_(total|bucket|sum|count)$", "", name).removeprefix(PREFIX)
        asked -= {label for each in holders for label in getattr(getattr(each, attribute, None), "_labelnames", ())}
    assert asked <= SCRAPED


def test_the_check_would_notice_a_metric_nobody_feeds() -> None:
    assert fed("onboarding_messages")
    assert not fed("onboarding_messages_that_nobody_counts")


def test_every_alert_says_what_happened_how_bad_it_is_and_where_to_read_on() -> None:
    headings = re.findall(r"^#+ (.+)$", (ROOT / "docs" / "operations.md").read_text(), re.MULTILINE)
    anchors = {re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    for rule in rules():
        page, _, anchor = rule["annotations"]["runbook"].partition("#")
        assert rule["annotations"]["summary"], rule["alert"]
        assert rule["labels"]["severity"] in {"page", "ticket"}, rule["alert"]
        assert page == "docs/operations.md", rule["alert"]
        assert anchor in anchors, rule["alert"]


def test_alerts_and_panels_have_names_of_their_own() -> None:
    names = [rule["alert"] for rule in rules()]
    assert len(set(names)) == len(names)
    ids = [panel["id"] for panel in panels()]
    assert len(set(ids)) == len(ids)
