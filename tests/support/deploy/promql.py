"""Which metrics the dashboard and the alerts ask for, by Prometheus's own grammar."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import yaml

FILES = Path(__file__).parents[3] / "deploy" / "helm" / "red-align" / "files"
SUFFIX = re.compile(r"_(bucket|sum|count)$")
"""Of the series that a histogram has."""


def dashboard() -> dict[str, Any]:
    """Grafana's dashboard."""
    found: dict[str, Any] = json.loads((FILES / "dashboard.json").read_text())
    return found


def rules(kind: str) -> list[dict[str, Any]]:
    """All rules of a kind: ``alert`` or ``record``."""
    groups = yaml.safe_load((FILES / "rules.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"] if kind in rule]


def expressions() -> list[str]:
    """All of the dashboard and the alerts, with Grafana's variable filled in."""
    panels = [target["expr"] for panel in dashboard()["panels"] for target in panel.get("targets", [])]
    return [
        text.replace("$__rate_interval", "1m")
        for text in panels + [r["expr"] for kind in ("alert", "record") for r in rules(kind)]
    ]


def metrics() -> set[str]:
    """Names of the metrics that are asked for; raises ValueError for an expression that does not parse."""
    return {name for text in expressions() for name in _names(promql_parser.parse(text))}


def _names(node: Any) -> Iterator[str]:
    if isinstance(node, promql_parser.VectorSelector):
        yield str(node.name)
    for part in ("expr", "lhs", "rhs", "vector_selector", "param"):
        if (child := getattr(node, part, None)) is not None:
            yield from _names(child)
    for child in getattr(node, "args", None) or ():
        yield from _names(child)
