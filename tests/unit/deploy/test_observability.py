"""What the dashboard and the alerts ask for: it parses, and the gateway counts it."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections import Counter

import pytest

from service.observability.metrics import Metrics
from tests.support.deploy import promql

PREFIXES = ("red_", "nv_", "envoy_")


def test_every_expression_is_promql_and_names_a_metric_of_somebody() -> None:
    names = promql.metrics()
    assert len(names) > 25
    assert {name for name in names if not name.startswith(PREFIXES)} == {"up"}


def test_the_gateways_metrics_are_all_on_the_dashboard() -> None:
    counted = {
        line.split()[2]
        for line in Metrics().text().decode().splitlines()
        if line.startswith("# TYPE") and not line.split()[2].endswith("_created")
    }
    asked = {promql.SUFFIX.sub("", name) for name in promql.metrics()}
    assert counted - asked == set()


def test_no_panel_lies_upon_another_and_each_has_its_words() -> None:
    panels = promql.dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    covered: Counter[tuple[int, int]] = Counter()
    for panel in panels:
        assert panel["title"]
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        covered.update(
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        )
        assert panel["type"] == "row" or panel["fieldConfig"]["defaults"]["unit"]
    assert max(covered.values()) == 1


def test_every_alert_says_what_is_and_what_to_do() -> None:
    rules = promql.rules("alert")
    assert len({rule["alert"] for rule in rules}) == len(rules)
    for rule in rules:
        assert set(rule) == {"alert", "expr", "for", "labels", "annotations"}
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert set(rule["annotations"]) == {"summary", "action"}


def test_promtool_takes_the_alerts() -> None:
    tool = shutil.which("promtool")
    if tool is None:
        pytest.skip("no promtool here; Prometheus brings it")
    ended = subprocess.run(
        [tool, "check", "rules", str(promql.FILES / "rules.yml")], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_the_dashboard_is_kept_as_grafana_writes_it() -> None:
    text = (promql.FILES / "dashboard.json").read_text()
    assert json.dumps(json.loads(text), indent=1, ensure_ascii=False) + "\n" == text
