"""The manifest of the guide against the image, the settings and the ports that there are."""

from __future__ import annotations

import re
from typing import Any

import yaml

from service.config.settings import Settings
from tests.support.reader import ROOT

Manifest = dict[str, Any]


def manifests() -> list[Manifest]:
    match = re.search(r"^```yaml\n(.*?)^```", (ROOT / "docs/guides/kubernetes.md").read_text(), re.M | re.S)
    assert match
    return list(yaml.safe_load_all(match[1]))


def gateway() -> tuple[Manifest, Manifest]:
    """The pod, and its one container."""
    pod = manifests()[0]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    return pod, container


def image() -> str:
    """The Dockerfile's stage that the pod runs, with what comes before it."""
    text = (ROOT / "Dockerfile").read_text()
    return text.split("FROM base AS export")[0]


def test_it_has_a_deployment_and_a_service_of_the_same_pods() -> None:
    deployment, service = manifests()
    assert (deployment["kind"], service["kind"]) == ("Deployment", "Service")
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert deployment["spec"]["selector"]["matchLabels"] == labels == service["spec"]["selector"]


def test_every_variable_is_a_setting() -> None:
    _, container = gateway()
    names = [variable["name"] for variable in container["env"]]
    assert "RED_API_KEYS_FILE" in names
    assert [name for name in names if name.removeprefix("RED_").lower() not in Settings.model_fields] == []


def test_ports_and_probes_are_those_of_the_image() -> None:
    _, container = gateway()
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert "EXPOSE " + " ".join(map(str, ports.values())) in image()
    assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "http"}
    assert container["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "http"}
    service = {port["targetPort"]: port["port"] for port in manifests()[1]["spec"]["ports"]}
    assert service == ports


def test_the_pod_runs_as_the_image_s_user_and_may_write_where_it_must() -> None:
    pod, container = gateway()
    assert f"USER {pod['securityContext']['runAsUser']}" in image()
    mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
    assert set(mounts.values()) == {volume["name"] for volume in pod["volumes"]}
    folder = next(v["value"] for v in container["env"] if v["name"] == "RED_TEMP_DIR")
    # A volume belongs to root: the gateway wants a folder that it made itself.
    assert any(folder.startswith(f"{path}/") for path in mounts)


def test_the_pod_has_the_time_that_uploads_get() -> None:
    pod, _ = gateway()
    assert pod["terminationGracePeriodSeconds"] > Settings.model_fields["grace_s"].default
