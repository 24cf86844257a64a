"""Compose's overlays, alone and together: what they set, mount, ask for and publish is there and fits."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from export.repository.triton_config import ServeOptions
from service.config.settings import Settings
from tests.support.deploy.compose import ROOT, Project, project, run_compose

BASES: tuple[tuple[str, ...], ...] = ((), ("cpu",), ("embedded",))
ACCESS: tuple[tuple[str, ...], ...] = ((), ("tls",), ("scale",), ("scale", "scale-tls"))
ALL = [
    (*base, *access, *watched)
    for base, access, watched in itertools.product(BASES, ACCESS, ((), ("observability",)))
    if access or watched
]
ASKED = {"RED_TOKEN_KEYS": "key", "TLS_CERT": "./cert.pem", "TLS_KEY": "./key.pem", "API_KEYS": "./keys"}


def named(overlays: tuple[str, ...]) -> str:
    return "+".join(overlays)


def services(overlays: tuple[str, ...], **more: str) -> dict[str, Any]:
    return dict(project(*overlays, **ASKED, **more)["services"])


def mounts(service: dict[str, Any]) -> dict[str, str]:
    """Sources in the repository by their targets in the container."""
    binds = [volume for volume in service.get("volumes", []) if volume["type"] == "bind"]
    return {volume["target"]: volume["source"] for volume in binds}


@pytest.mark.parametrize("overlays", ALL, ids=named)
def test_every_combination_is_taken_and_whole(overlays: tuple[str, ...]) -> None:
    whole: Project = project(*overlays, **ASKED)
    ours = whole["services"]
    wanted = {"gateway"}
    wanted |= set() if "embedded" in overlays else {"triton", "repository"}
    wanted |= set() if {"cpu", "embedded"} & set(overlays) else {"plans"}
    wanted |= {"envoy"} if "scale" in overlays else set()
    wanted |= {"collector", "prometheus", "grafana"} if "observability" in overlays else set()
    assert set(ours) == wanted
    for name, service in ours.items():
        assert service.get("image"), name
        assert set(service.get("depends_on") or {}) <= wanted, name
        for target, source in mounts(service).items():
            assert Path(source).exists(), f"{name} mounts {source} at {target}"
        for secret in service.get("secrets", []):
            assert secret["source"] in whole["secrets"], name
        for port in service.get("ports", []):
            assert port["host_ip"] == "127.0.0.1", f"{name} is published beyond this host"


@pytest.mark.parametrize("overlays", ALL, ids=named)
def test_the_gateways_settings_exist_and_are_valid(overlays: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    given = services(overlays)["gateway"]["environment"]
    fields = {f"RED_{field.upper()}" for field in Settings.model_fields}
    assert set(given) <= fields
    asks = {"tls", "scale-tls"} & set(overlays)
    assert given["RED_ALLOW_ANONYMOUS"] == ("false" if asks else "true")
    assert ("RED_API_KEYS_FILE" in given) == bool(asks)
    assert ("RED_TLS_CERT" in given) == ("tls" in overlays)
    # Files are those of the container; that they are read is tested elsewhere.
    monkeypatch.setenv("RED_HOST", "127.0.0.1")
    for variable, value in given.items():
        if not value.startswith("/run/secrets/") and variable != "RED_TOKEN_KEYS":
            monkeypatch.setenv(variable, value)
    assert Settings().otlp_endpoint == ("http://collector:4317" if "observability" in overlays else "")
    secrets = {f"/run/secrets/{s['source']}" for s in services(overlays)["gateway"].get("secrets", [])}
    assert {value for value in given.values() if value.startswith("/run/secrets/")} == secrets


@pytest.mark.parametrize(
    ("overlays", "missing"),
    [
        (("scale",), "RED_TOKEN_KEYS"),
        (("tls",), "TLS_KEY"),
        (("tls",), "API_KEYS"),
        (("scale", "scale-tls"), "TLS_CERT"),
    ],
)
def test_what_an_overlay_needs_it_asks_for(overlays: tuple[str, ...], missing: str) -> None:
    ended = run_compose(overlays, **{name: value for name, value in ASKED.items() if name != missing})
    assert ended.returncode != 0
    assert missing in ended.stderr


def test_two_gateways_are_behind_envoy_alone() -> None:
    ours = services(("embedded", "scale"))
    gateway, envoy = ours["gateway"], ours["envoy"]
    assert gateway["deploy"]["replicas"] == 2
    assert not gateway.get("ports")
    assert [(p["published"], p["target"]) for p in envoy["ports"]] == [("8080", 8080), ("8081", 8081)]
    # A folder of uploads that two processes share would be cleaned by either.
    assert [(v["type"], v.get("source")) for v in gateway["volumes"]] == [("volume", None)]
    assert envoy["depends_on"]["gateway"]["condition"] == "service_healthy"
    sequences = int(gateway["environment"]["RED_MAX_SEQUENCES"])
    assert sequences * gateway["deploy"]["replicas"] < ServeOptions().candidates
    assert services(("scale",), REPLICAS="5")["gateway"]["deploy"]["replicas"] == 5


@pytest.mark.parametrize("overlays", [("tls",), ("scale", "scale-tls")], ids=named)
def test_certificates_are_where_they_are_looked_for(overlays: tuple[str, ...]) -> None:
    ours = services(overlays)
    if "tls" in overlays:
        assert "https://127.0.0.1:8080/readyz" in " ".join(ours["gateway"]["healthcheck"]["test"])
        return
    targets = {s["target"] for s in ours["envoy"]["secrets"]}
    config = (ROOT / "deploy/helm/red-align/files/envoy-tls.yaml").read_text()
    assert set(re.findall(r"filename: (\S+) }", config)) == targets
    assert mounts(ours["envoy"])["/etc/envoy/envoy.yaml"].endswith("envoy-tls.yaml")


def test_prometheus_scrapes_each_service_where_it_listens() -> None:
    ours = services(("scale", "observability"))
    files = mounts(ours["prometheus"])
    config = yaml.safe_load(Path(files["/etc/prometheus/prometheus.yml"]).read_text())
    assert set(config["rule_files"] + config["scrape_config_files"]) <= set(files)
    jobs = (
        config["scrape_configs"]
        + yaml.safe_load(Path(files["/etc/prometheus/gateway.yml"]).read_text())["scrape_configs"]
    )
    found = {name: d["port"] for job in jobs for d in job.get("dns_sd_configs", []) for name in d["names"]}
    assert set(found) <= set(ours)
    envoy = yaml.safe_load((ROOT / "deploy/helm/red-align/files/envoy.yaml").read_text())
    listeners = {
        one["name"]: one["address"]["socket_address"]["port_value"] for one in envoy["static_resources"]["listeners"]
    }
    collector = yaml.safe_load((ROOT / "deploy/observability/collector.yml").read_text())
    exported = int(collector["exporters"]["prometheus"]["endpoint"].split(":")[1])
    http = Settings.model_fields["http_port"].default
    assert found == {"gateway": http, "triton": 8002, "envoy": listeners["metrics"], "collector": exported}


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_prometheus_asks_by_the_scheme_and_with_the_key_that_are_named(scheme: str) -> None:
    files = mounts(services(("tls", "observability"), GATEWAY_SCHEME=scheme, METRICS_KEY="./a-key")["prometheus"])
    (job,) = yaml.safe_load(Path(files["/etc/prometheus/gateway.yml"]).read_text())["scrape_configs"]
    assert job["scheme"] == scheme
    assert files[job["authorization"]["credentials_file"]] == str(ROOT / "a-key")


def test_the_collectors_pipelines_have_all_their_parts_and_listen_where_the_gateway_sends() -> None:
    config = yaml.safe_load((ROOT / "deploy/observability/collector.yml").read_text())
    kinds = ("receivers", "processors", "exporters")
    known = {kind: set(config[kind]) | (set(config["connectors"]) if kind != "processors" else set()) for kind in kinds}
    used: set[str] = set()
    for pipeline in config["service"]["pipelines"].values():
        for kind in kinds:
            parts = set(pipeline.get(kind, []))
            assert parts <= known[kind]
            used |= parts
    assert used == set().union(*known.values()), "every part is in a pipeline"
    port = config["receivers"]["otlp"]["protocols"]["grpc"]["endpoint"].split(":")[1]
    assert services(("observability",))["gateway"]["environment"]["RED_OTLP_ENDPOINT"] == f"http://collector:{port}"


def test_grafana_finds_the_dashboard_and_its_source() -> None:
    grafana = services(("observability",))["grafana"]
    files = mounts(grafana)
    home = grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    (provider,) = yaml.safe_load((Path(files["/etc/grafana/provisioning/dashboards"]) / "red-align.yml").read_text())[
        "providers"
    ]
    assert str(Path(home).parent) == provider["options"]["path"]
    dashboard = json.loads(Path(files[home]).read_text())
    (source,) = yaml.safe_load((Path(files["/etc/grafana/provisioning/datasources"]) / "prometheus.yml").read_text())[
        "datasources"
    ]
    assert source["url"] == "http://prometheus:9090"
    (variable,) = dashboard["templating"]["list"]
    assert variable["type"] == "datasource"
    assert variable["query"] == source["type"]
