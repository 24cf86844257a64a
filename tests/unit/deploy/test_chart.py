"""The Helm chart, rendered for each of its files of values: Kubernetes takes it, and its parts fit each other."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from export.command_line import make_parser
from export.repository import plans
from service.config.settings import Settings
from tests.support.deploy.charts import (
    CHART,
    NAMESPACE,
    PODS,
    RELEASE,
    VALUES,
    containers,
    leaves,
    objects,
    pod,
    render,
    workload,
)
from tests.support.deploy.envoy import check

validator = pytest.importorskip("kubernetes_validate")
# Kinds that operators bring: their definitions are not Kubernetes's own.
CUSTOM = {"ScaledObject", "PodMonitor", "PrometheusRule"}
every = pytest.mark.parametrize("name", VALUES)
on_triton = pytest.mark.parametrize("name", [name for name in VALUES if name not in ("embedded", "kserve")])


@every
@pytest.mark.parametrize("version", ["1.30", "1.37"])
def test_kubernetes_takes_every_object(name: str, version: str) -> None:
    found = objects(name)
    assert len(found) > 8
    for one in found:
        if one["kind"] not in CUSTOM:
            validator.validate(one, version, strict=True)


@every
def test_nothing_is_blank_and_no_two_objects_have_one_name(name: str) -> None:
    found = objects(name)
    for one in found:
        blank = [path for path, value in leaves(one) if value is None or "<no value>" in str(value)]
        assert blank == [], one["kind"]
    names = [(one["kind"], one["metadata"]["name"]) for one in found]
    assert len(set(names)) == len(names)
    for one in objects(name, *PODS):
        assert one["spec"].get("replicas", 1) >= 1
        for container in containers(one):
            repository, tag = container["image"].rsplit(":", 1)
            assert repository
            assert tag


@every
def test_every_pod_runs_without_rights_and_within_bounds(name: str) -> None:
    for one in objects(name, *PODS):
        about = pod(one)
        assert about["automountServiceAccountToken"] is False
        assert about["securityContext"]["runAsNonRoot"] is True
        assert about["securityContext"]["runAsUser"] > 0
        assert about["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in containers(one):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert {"cpu", "memory"} <= set(container["resources"]["requests"])
            assert "memory" in container["resources"]["limits"]


@every
def test_what_is_named_is_there(name: str) -> None:
    kept = {one["metadata"]["name"] for one in objects(name, "ConfigMap")}
    for one in objects(name, *PODS):
        about = pod(one)
        volumes = {volume["name"]: volume for volume in about.get("volumes", [])}
        volumes |= {claim["metadata"]["name"]: claim for claim in one["spec"].get("volumeClaimTemplates", [])}
        assert {v["configMap"]["name"] for v in volumes.values() if "configMap" in v} <= kept
        mounted = {mount["name"] for container in containers(one) for mount in container["volumeMounts"]}
        assert mounted == set(volumes)
        labels = one["spec"]["template"]["metadata"]["labels"]
        assert one["spec"]["selector"]["matchLabels"].items() <= labels.items()


@every
def test_services_and_policies_name_ports_of_the_pods_that_they_choose(name: str) -> None:
    pods = [
        (
            one["spec"]["template"]["metadata"]["labels"],
            {p["name"] for c in containers(one) for p in c.get("ports", [])},
        )
        for one in objects(name, *PODS)
    ]

    def ports(selector: dict[str, str]) -> set[str]:
        (chosen,) = [ports for labels, ports in pods if selector.items() <= labels.items()]
        return chosen

    for service in objects(name, "Service"):
        assert {p["targetPort"] for p in service["spec"]["ports"]} <= ports(service["spec"]["selector"])
    for policy in objects(name, "NetworkPolicy"):
        own = ports(policy["spec"]["podSelector"]["matchLabels"])
        for rule in policy["spec"]["ingress"]:
            assert {p["port"] for p in rule["ports"]} <= own
        for rule in policy["spec"]["egress"]:
            for peer in rule.get("to", []):
                if "podSelector" in peer:
                    assert {p["port"] for p in rule["ports"]} <= ports(peer["podSelector"]["matchLabels"])
    for budget in objects(name, "PodDisruptionBudget"):
        assert ports(budget["spec"]["selector"]["matchLabels"])
    assert len(objects(name, "NetworkPolicy")) == len(pods)


@every
def test_the_gateways_settings_exist_and_are_valid(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (gateway,) = containers(workload(name, "gateway"))
    given = {one["name"]: one for one in gateway["env"]}
    assert len(given) == len(gateway["env"])
    assert set(given) <= {f"RED_{field.upper()}" for field in Settings.model_fields}
    for variable, one in given.items():
        # Files and secrets are those of the cluster.
        if "value" in one and not variable.endswith("_FILE"):
            monkeypatch.setenv(variable, one["value"])
    settings = Settings()  # RED_HOST is the image's
    assert settings.engine == ("embedded" if name == "embedded" else "triton")
    # emptyDir is a folder that others may write to; uploads need one of the process's own.
    (uploads,) = [mount["mountPath"] for mount in gateway["volumeMounts"] if mount["name"] == "uploads"]
    assert settings.temp_dir.parent == Path(uploads)
    grace = pod(workload(name, "gateway"))["terminationGracePeriodSeconds"]
    assert grace > settings.grace_s, "the kubelet would end the drain"
    asked = {"RED_API_KEYS_FILE", "RED_JWT_JWKS_FILE", "RED_ALLOW_ANONYMOUS"} & set(given)
    assert len(asked) == 1
    assert given["RED_TOKEN_KEYS"]["valueFrom"]["secretKeyRef"]["key"] == "token-keys"
    files = {
        item["path"] for v in pod(workload(name, "gateway"))["volumes"] for item in v.get("secret", {}).get("items", [])
    }
    assert {Path(one["value"]).name for key, one in given.items() if key.endswith("_FILE")} == files


@on_triton
def test_gateways_know_every_triton_by_its_own_name(name: str) -> None:
    triton = workload(name, "triton")
    (service,) = [s for s in objects(name, "Service") if s["metadata"]["name"] == triton["spec"]["serviceName"]]
    assert service["spec"]["clusterIP"] == "None"
    (gateway,) = containers(workload(name, "gateway"))
    (url,) = [one["value"] for one in gateway["env"] if one["name"] == "RED_TRITON_URL"]
    wanted = [
        f"{RELEASE}-triton-{number}.{RELEASE}-triton.{NAMESPACE}.svc:8001"
        for number in range(triton["spec"]["replicas"])
    ]
    assert url.split(",") == wanted


@on_triton
def test_triton_serves_what_its_first_containers_export_and_build(name: str) -> None:
    triton = workload(name, "triton")
    first = {container["name"]: container for container in pod(triton)["initContainers"]}
    (server,) = pod(triton)["containers"]
    options = make_parser().parse_args(first["repository"]["args"])
    (mount,) = [m for m in server["volumeMounts"] if m["name"] == "models"]
    assert str(options.repository) == mount["mountPath"]
    assert mount["readOnly"] is True
    assert f"--model-repository={options.repository}" in server["args"]
    values = yaml.safe_load(VALUES[name].read_text())["triton"]
    gpu = values.get("gpu", True)
    assert options.backend == ("tensorrt" if gpu else "onnxruntime")
    assert ("plans" in first) == (options.backend == "tensorrt")
    assert options.gpu is (None if options.backend == "tensorrt" else gpu)
    if "plans" in first:
        assert list(first) == ["repository", "plans"]
        assert first["plans"]["command"] == ["sh", f"{options.repository}/{plans.SCRIPT}"]
        assert first["plans"]["image"] == server["image"], "only its own trtexec builds what it loads"
    for container in [server, *(first[n] for n in first if n == "plans")]:
        assert container["resources"]["limits"].get("nvidia.com/gpu") == (1 if gpu else None)
    # More sequences than all gateways may have.
    usual = Settings.model_fields["max_sequences"].default
    scaling = yaml.safe_load(VALUES[name].read_text()).get("autoscaling", {})
    most = 2 if scaling.get("kind", "none") == "none" else scaling.get("maxReplicas", 10)
    assert options.candidates * triton["spec"]["replicas"] >= usual * most


@on_triton
def test_triton_is_ready_when_it_served_a_real_sequence(name: str) -> None:
    (server,) = pod(workload(name, "triton"))["containers"]
    python, script = server["startupProbe"]["exec"]["command"]
    assert python == "python3"
    (mount,) = [m["mountPath"] for m in server["volumeMounts"] if m["name"] == "check"]
    (kept,) = [one["data"] for one in objects(name, "ConfigMap") if one["metadata"]["name"] == f"{RELEASE}-triton"]
    assert kept[Path(script).name] == (CHART / "files" / "serve_check.py").read_text()
    assert str(Path(script).parent) == mount


@every
def test_envoy_takes_its_configuration_and_finds_the_gateways(name: str, tmp_path: Path) -> None:
    (text,) = [one["data"]["envoy.yaml"] for one in objects(name, "ConfigMap") if "envoy.yaml" in one["data"]]
    file = tmp_path / "envoy.yaml"
    secure = "/certificates" in text
    assert secure == (name == "production")
    if not secure:
        file.write_text(text)
        assert check(file) == ""
    config = yaml.safe_load(text)["static_resources"]
    hosts = {
        endpoint["endpoint"]["address"]["socket_address"]["address"]
        for cluster in config["clusters"]
        for group in cluster["load_assignment"]["endpoints"]
        for endpoint in group["lb_endpoints"]
    }
    assert hosts == {"127.0.0.1", f"{RELEASE}-gateway.{NAMESPACE}.svc"}
    (service,) = [s for s in objects(name, "Service") if s["metadata"]["name"] == f"{RELEASE}-gateway"]
    assert service["spec"]["clusterIP"] == "None"  # all addresses, or there is nothing to choose from
    (envoy,) = containers(workload(name, "envoy"))
    drain = int(envoy["args"][envoy["args"].index("--drain-time-s") + 1])
    wait = envoy["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pod(workload(name, "envoy"))["terminationGracePeriodSeconds"] > drain + wait


def test_servers_that_are_there_are_used_and_none_are_started() -> None:
    assert objects("kserve", "StatefulSet") == []
    (gateway,) = containers(workload("kserve", "gateway"))
    (url,) = [one["value"] for one in gateway["env"] if one["name"] == "RED_TRITON_URL"]
    assert url == "red-align-0-predictor:8001,red-align-1-predictor:8001"
    (policy,) = [p for p in objects("kserve", "NetworkPolicy") if p["metadata"]["name"] == f"{RELEASE}-gateway"]
    assert [{"port": 8001}, {"port": 8001}] in [rule["ports"] for rule in policy["spec"]["egress"]]


def test_kserves_server_is_that_of_the_chart() -> None:
    (service,) = yaml.safe_load_all((CHART.parents[1] / "kserve" / "inference-service.yaml").read_text())
    predictor, ours = service["spec"]["predictor"], pod(workload("values", "triton"))
    assert predictor["minReplicas"] == predictor["maxReplicas"] == 1  # a sequence lives in one server
    assert predictor["terminationGracePeriodSeconds"] == ours["terminationGracePeriodSeconds"]
    theirs = [*predictor["initContainers"], *predictor["containers"]]
    for their, our in zip(theirs, containers(workload("values", "triton")), strict=True):
        assert [their.get(key) for key in ("image", "command", "args")] == [
            our.get(key) for key in ("image", "command", "args")
        ]
        assert their["resources"] == our["resources"]
        assert their["securityContext"] == our["securityContext"]
    assert theirs[-1]["ports"][0]["name"] == "h2c"  # KServe then speaks gRPC to it
    host, port = yaml.safe_load(VALUES["kserve"].read_text())["triton"]["urls"].split(",")[0].split(":")
    assert host == f"{service['metadata']['name']}-predictor"
    assert int(port) == theirs[-1]["ports"][0]["containerPort"]


def test_gateways_are_scaled_by_streams_and_waiting_not_by_processor_time_alone() -> None:
    (hpa,) = objects("cpu", "HorizontalPodAutoscaler")
    metrics = {m["pods"]["metric"]["name"]: m["pods"]["target"]["averageValue"] for m in hpa["spec"]["metrics"]}
    assert metrics == {"red_streams": "40", "red_queue_wait_p99_seconds": "200m"}
    (scaled,) = objects("production", "ScaledObject")
    assert [trigger["type"] for trigger in scaled["spec"]["triggers"]] == ["prometheus", "prometheus", "cpu"]
    for name, scaler in (("cpu", hpa), ("production", scaled)):
        target = scaler["spec"]["scaleTargetRef"]
        assert workload(name, "gateway")["metadata"]["name"] == target["name"]
        assert "replicas" not in workload(name, "gateway")["spec"], "a rollout would undo the scaling"
    assert workload("values", "gateway")["spec"]["replicas"] == 2


def test_the_chart_has_the_version_that_is_being_made() -> None:
    about = yaml.safe_load((CHART / "Chart.yaml").read_text())
    newest = re.search(r"^## \[(.+?)\]", (CHART.parents[2] / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest is not None
    assert about["version"] == about["appVersion"] == newest.group(1)


@pytest.mark.parametrize(
    "values",
    [
        {"engine": "gpu"},
        {"gateways": {}},
        {"gateway": {"replicas": 0}},
        {"gateway": {"replicas": None, "settings": {"RED_MAX_STREAMS": "1"}}},
        {"gateway": {"settings": {"MAX_STREAMS": 64}}},
        {"triton": {"gpu": False}},
        {"auth": {"byKey": False}},
        {"auth": {"create": True, "apiKeys": "ann x"}},
        {"envoy": {"serviceType": "Public"}},
        {"otlpEndpoint": "collector"},
        {"disruption": {"minAvailable": "half"}},
        {"triton": {"urls": "somewhere"}},
    ],
)
def test_wrong_values_are_refused(values: dict[str, Any]) -> None:
    helm = pytest.importorskip("helm_python")
    with pytest.raises(helm.HelmError):
        render(values)


def test_every_value_has_its_place_in_the_schema() -> None:
    helm = pytest.importorskip("helm_python")
    with helm.Chart.load(CHART) as chart:
        schema = chart.schema

    def same(values: dict[str, Any], known: dict[str, Any], path: str) -> None:
        for key, value in values.items():
            assert key in known, f"{path}.{key}"
            if isinstance(value, dict) and "properties" in known[key]:
                same(value, known[key]["properties"], f"{path}.{key}")

    same(yaml.safe_load((CHART / "values.yaml").read_text()), schema["properties"], "")
