"""The Helm chart as Helm renders it, for each of its files of values."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

CHART = Path(__file__).parents[3] / "deploy" / "helm" / "red-align"
VALUES = {"values": CHART / "values.yaml"} | {path.stem: path for path in sorted((CHART / "ci").glob("*.yaml"))}
RELEASE, NAMESPACE = "faces", "vision"
Object = dict[str, Any]
PODS = ("Deployment", "StatefulSet")


def render(values: dict[str, Any] | None = None) -> list[Object]:
    """All objects for values over the chart's own; raises HelmError for what the schema or a template refuses."""
    helm = pytest.importorskip("helm_python", reason="Helm as a library is for Linux on x86-64 alone")
    with helm.Chart.load(CHART) as chart:
        merged = chart.merge_values(values or {})
        chart.validate_schema(merged)
        # Without merged values they would be blank.
        files = chart.render(merged, name=RELEASE, namespace=NAMESPACE)
    texts = [text for name, text in files.items() if name.endswith(".yaml")]
    return [found for text in texts for found in yaml.safe_load_all(text) if found]


@cache
def _rendered(name: str) -> list[Object]:
    return render(yaml.safe_load(VALUES[name].read_text()))


def objects(name: str, *kinds: str) -> list[Object]:
    """Objects for a file of values, of these kinds or all."""
    return [copy.deepcopy(found) for found in _rendered(name) if not kinds or found["kind"] in kinds]


def workload(name: str, part: str) -> Object:
    """The Deployment or StatefulSet of a part: gateway, envoy or triton."""
    (found,) = [one for one in objects(name, *PODS) if one["metadata"]["name"] == f"{RELEASE}-{part}"]
    return found


def pod(found: Object) -> Object:
    """A workload's pod."""
    made: Object = found["spec"]["template"]["spec"]
    return made


def containers(found: Object) -> list[Object]:
    """All containers of a workload, those that run first among them."""
    return [*pod(found).get("initContainers", []), *pod(found)["containers"]]


def leaves(node: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every value with its path."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from leaves(value, f"{path}.{key}")
    elif isinstance(node, list):
        for at, value in enumerate(node):
            yield from leaves(value, f"{path}[{at}]")
    else:
        yield path, node
