"""Envoy's two configurations: Envoy takes them, and they differ by certificates alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trustme
import yaml

from service.config.settings import Settings
from tests.support.deploy.envoy import check

FILES = Path(__file__).parents[3] / "deploy" / "helm" / "red-align" / "files"


def config(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((FILES / name).read_text())["static_resources"]
    return found


def test_envoy_takes_what_is_plain() -> None:
    assert check(FILES / "envoy.yaml") == ""


def test_envoy_takes_what_has_certificates(tmp_path: Path) -> None:
    issued = trustme.CA().issue_cert("gateway.example")
    issued.private_key_pem.write_to_path(tmp_path / "tls.key")
    issued.cert_chain_pems[0].write_to_path(tmp_path / "tls.crt")
    text = (FILES / "envoy-tls.yaml").read_text()
    file = tmp_path / "envoy.yaml"
    file.write_text(text.replace("/certificates", str(tmp_path)))
    assert check(file) == ""
    file.write_text(text)
    assert "/certificates" in check(file)  # so it does read them


def test_they_differ_by_certificates_alone() -> None:
    plain, secure = config("envoy.yaml"), config("envoy-tls.yaml")
    sockets = [listener["filter_chains"][0].pop("transport_socket", None) for listener in secure["listeners"]]
    assert [bool(socket) for socket in sockets] == [True, True, False]  # metrics are read within the network
    assert plain == secure


def test_it_waits_longer_than_the_gateway_which_says_why_it_ends_something() -> None:
    usual = Settings.model_fields["stream_idle_s"].default
    for listener in config("envoy.yaml")["listeners"][:2]:
        manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
        assert float(manager["stream_idle_timeout"].rstrip("s")) > usual
        routes = [
            route["route"]
            for host in manager["route_config"]["virtual_hosts"]
            for route in host["routes"]
            if "route" in route
        ]
        assert {route["timeout"] for route in routes} == {"0s"}
        assert all(route["hash_policy"][0]["header"]["header_name"] == "x-red-stream-id" for route in routes)


@pytest.mark.parametrize("name", ["gateway_rest", "gateway_grpc"])
def test_gateways_are_asked_for_their_health_and_left_out_where_they_fail(name: str) -> None:
    (cluster,) = [one for one in config("envoy.yaml")["clusters"] if one["name"] == name]
    assert cluster["lb_policy"] == "RING_HASH"
    assert cluster["outlier_detection"]["max_ejection_percent"] <= 50
    (health,) = cluster["health_checks"]
    assert ("grpc_health_check" in health) == (name == "gateway_grpc")
    assert cluster["ignore_health_on_host_removal"] is True
