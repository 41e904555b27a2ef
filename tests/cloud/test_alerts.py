"""Rules and dashboard ask for metrics that the service tells, and alert when the arithmetic says so."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry

from sensorium_cloud._app.metrics import Metrics
from sensorium_cloud.quality import Budget, Objective, Quality, Targets

DEPLOY = Path(__file__).parents[2] / "cloud" / "deploy"
GROUPS = yaml.safe_load((DEPLOY / "prometheus" / "rules.yaml").read_text())["groups"]
RULES: list[dict[str, Any]] = [rule for group in GROUPS for rule in group["rules"]]
BOARD = json.loads((DEPLOY / "grafana" / "sensorium.json").read_text())
WORDS = {"and", "or", "unless", "by", "without", "on", "ignoring", "offset", "bool"}
HOURS = {"m": 1 / 60, "h": 1.0, "d": 24.0}
MONTH_H = 30 * 24.0


def told() -> set[str]:
    """The names of all samples that the service's metrics have."""
    Metrics(registry := CollectorRegistry())
    suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}
    return {family.name + suffix for family in registry.collect() for suffix in suffixes[family.type]}


def asked(promql: str) -> set[str]:
    """The metric names in an expression."""
    bare = re.sub(r'"[^"]*"|\{[^}]*\}|\[[^\]]*\]|\b(?:by|without|on|ignoring)\s*\([^)]*\)', " ", promql)
    return {name for name, call in re.findall(r"([a-zA-Z_:][\w:]*)\s*(\(?)", bare) if not call} - WORDS


def expressions() -> Iterator[str]:
    yield from (rule["expr"] for rule in RULES)
    yield from (target["expr"] for panel in BOARD["panels"] for target in panel["targets"])


@pytest.mark.parametrize("promql", list(expressions()))
def test_only_metrics_that_there_are_are_asked_for(promql: str) -> None:
    recorded = {rule["record"] for rule in RULES if "record" in rule}

    assert asked(promql)
    assert asked(promql) <= told() | recorded
    assert promql.count("(") == promql.count(")")


def test_every_metric_is_told_of_and_looked_at() -> None:
    Metrics(registry := CollectorRegistry())
    names = {f.name + ("_total" if f.type == "counter" else "") for f in registry.collect()}
    handbook = (DEPLOY.parents[1] / "docs" / "operate.md").read_text()
    looked_at = {re.sub(r"_(bucket|sum|count)$", "", name) for promql in expressions() for name in asked(promql)}

    assert {name for name in names if f"`{name}`" not in handbook} == set()
    assert names - looked_at == {"multimodal_sla_burn_rate"}  # the rules know it of longer times, from the counts


def test_no_label_grows_with_who_comes() -> None:
    Metrics(registry := CollectorRegistry())
    labels = {name for collector in registry._collector_to_names for name in getattr(collector, "_labelnames", ())}

    words = "answer cache met objective outcome period processing_stage stream_type where"
    assert labels == set(words.split())


@pytest.mark.skipif(shutil.which("promtool") is None, reason="Prometheus tries its own rules where promtool is")
def test_prometheus_takes_the_rules_and_rings_when_they_say_so() -> None:
    folder = DEPLOY / "prometheus"
    for command in (["check", "rules", folder / "rules.yaml"], ["test", "rules", folder / "rules_test.yaml"]):
        done = subprocess.run(["promtool", *command], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_tried_or_is_a_budgets() -> None:
    alerts = {rule["alert"] for rule in RULES if "alert" in rule}
    tried = {
        one["alertname"]
        for group in yaml.safe_load((DEPLOY / "prometheus" / "rules_test.yaml").read_text())["tests"]
        for one in group["alert_rule_test"]
    }

    assert tried <= alerts
    assert all(alert.startswith("SensoriumBudgetBurns") for alert in alerts - tried)


def test_names_are_found_in_an_expression() -> None:
    promql = 'sum by (le) (rate(a_total{met="x y"}[5m])) / b:c > 0.5 and absent(d)'

    assert asked(promql) == {"a_total", "b:c", "d"}


def test_every_rule_says_what_it_is() -> None:
    for rule in RULES:
        assert ("record" in rule) != ("alert" in rule)
        if "alert" in rule:
            assert rule["annotations"]["summary"]
            assert rule["labels"]["severity"] in ("page", "ticket")


# --- burn rates ------------------------------------------------------------------------


def hours(window: str) -> float:
    return float(window[:-1]) * HOURS[window[-1]]


def burn_alerts() -> list[tuple[float, float, float]]:
    """Long window and short one in hours, and the rate both must be above."""
    pattern = r"^multimodal:sla_burn:(\w+) > ([\d.]+) and multimodal:sla_burn:(\w+) > \2$"
    found = [re.match(pattern, rule["expr"]) for rule in RULES if rule.get("alert", "").startswith("SensoriumBudget")]
    return [(hours(m[1]), hours(m[3]), float(m[2])) for m in found if m]


def test_each_alert_says_how_much_of_the_months_budget_is_gone() -> None:
    """Table 5-8 of the Workbook: the share spent over the long window, and a short one of a twelfth."""
    spent = [round(long * rate / MONTH_H, 3) for long, _, rate in burn_alerts()]

    assert spent == [0.02, 0.05, 0.1, 0.1]
    assert all(long == pytest.approx(12 * short) for long, short, _ in burn_alerts())


def test_recorded_burn_rates_are_of_the_budget_the_service_has() -> None:
    burns = [rule for rule in RULES if rule.get("record", "").startswith("multimodal:sla_burn:")]
    for rule in burns:
        assert float(rule["expr"].rpartition("/")[2]) == pytest.approx(1 - Targets().share)
        assert set(re.findall(r"\[(\w+)\]", rule["expr"])) == {rule["record"].rpartition(":")[2]}

    windows = {hours(rule["record"].rpartition(":")[2]) for rule in burns}
    assert {h for long, short, _ in burn_alerts() for h in (long, short)} == windows


def burnt(bad_share: float, minutes: int, quiet_minutes: int = 0) -> list[bool]:
    """Which of the page alerts ring after so long with so many slow symbols, and then none."""
    budget, now_s = Budget(), 0.0
    for minute in range(6 * 60 + minutes + quiet_minutes):
        slow = 6 * 60 <= minute < 6 * 60 + minutes
        for n in range(100):
            now_s = minute * 60 + n * 0.6
            budget.observe(Quality(200.0 if slow and n < 100 * bad_share else 20.0, None, None), now_s)
    return [
        all(budget.burn(3600 * h, now_s)[Objective.LATENCY] > rate for h in (long, short))
        for long, short, rate in burn_alerts()[:2]
    ]


@pytest.mark.parametrize(
    ("bad_share", "minutes", "quiet_minutes", "ring"),
    [
        (1.0, 5, 0, [False, False]),  # 8 % of an hour's symbols: not yet worth the waking
        (1.0, 10, 0, [True, False]),
        (1.0, 10, 6, [False, False]),  # over, and soon silent
        (0.1, 60, 0, [False, False]),
        (0.1, 240, 0, [False, True]),
        (0.01, 300, 0, [False, False]),  # just what there is to spend
    ],
)
def test_pages_ring_when_the_budget_burns_and_end_when_it_does_not(
    bad_share: float, minutes: int, quiet_minutes: int, ring: list[bool]
) -> None:
    assert burnt(bad_share, minutes, quiet_minutes) == ring
