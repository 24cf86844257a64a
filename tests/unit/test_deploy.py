"""What the Dockerfile and the Compose files name, held against the code."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from export import commands
from export.main import main
from export.repository import plans
from red_align.engine.onnx_engine import OnnxEngine
from service.api.rest.app import create_app
from service.config.settings import MODEL_FOLDER, Settings
from service.dataplane import DataPlane

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
OVERLAYS = {"gpu": None, "cpu": "cpu.yml", "embedded": "embedded.yml"}


class _Loader(yaml.SafeLoader):
    """Knows the tags by which an overlay takes something away."""


_Loader.add_constructor("!reset", lambda loader, node: None)
_Loader.add_constructor("!override", lambda loader, node: loader.construct_mapping(node, deep=True))


def compose(path: str) -> dict[str, Any]:
    values: dict[str, Any] = yaml.load((ROOT / path).read_text(), Loader=_Loader)
    return values


SERVICES = compose("docker-compose.yml")["services"]


def stage(name: str) -> str:
    """The lines of a stage of the Dockerfile."""
    found = re.search(rf"^FROM \S+ AS {name}$(.*?)(?=^FROM |\Z)", DOCKERFILE, re.M | re.S)
    assert found, name
    return found[1]


def test_every_setting_that_is_named_exists() -> None:
    known = {f"RED_{field.upper()}" for field in Settings.model_fields}
    text = DOCKERFILE + "".join(
        p.read_text() for p in [ROOT / "docker-compose.yml", *ROOT.glob("deploy/compose/*.yml")]
    )
    named = set(re.findall(r"RED_[A-Z_]+", text))
    assert {"RED_ENGINE", "RED_TRITON_URL", "RED_HOST", "RED_TEMP_DIR"} <= named <= known


@pytest.mark.parametrize("name", OVERLAYS)
def test_the_gateways_settings_are_valid(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given = dict(re.findall(r"(RED_\w+)=(\S+)", stage("gateway"))) | SERVICES["gateway"]["environment"]
    if overlay := OVERLAYS[name]:
        given |= compose(f"deploy/compose/{overlay}")["services"].get("gateway", {}).get("environment", {})
    for variable, value in given.items():
        monkeypatch.setenv(variable, value)
    settings = Settings()
    assert settings.engine == ("embedded" if name == "embedded" else "triton")
    assert settings.host == "0.0.0.0"  # inside; it is published on 127.0.0.1 alone
    host, port = settings.triton_url.split(":")
    assert host in SERVICES
    assert port == "8001"


def test_ports_are_published_on_this_host_alone_and_are_those_that_it_listens_on() -> None:
    dataplane = SERVICES["gateway"]["ports"]
    assert [re.sub(r"\$\{RED_\w+:-(\d+)\}", r"\1", p) for p in dataplane] == [
        "127.0.0.1:8080:8080",
        "127.0.0.1:8081:8081",
    ]
    assert all("ports" not in service for name, service in SERVICES.items() if name != "gateway")
    fields = Settings.model_fields
    assert (fields["http_port"].default, fields["grpc_port"].default) == (8080, 8081)
    assert "EXPOSE 8080 8081" in stage("gateway")


def test_compose_waits_for_uploads_under_way_to_finish() -> None:
    assert int(SERVICES["gateway"]["stop_grace_period"].rstrip("s")) > Settings().grace_s


def test_the_health_check_asks_a_path_that_exists() -> None:
    path = re.search(r"127\.0\.0\.1:8080(/\w+)", stage("gateway"))
    assert path
    dataplane = DataPlane(Settings(), OnnxEngine(MODEL_FOLDER), None)  # type: ignore[arg-type]
    assert path[1] in create_app(dataplane).openapi()["paths"]


def test_commands_of_the_images_are_those_of_the_package() -> None:
    assert '["red-align", "serve"]' in stage("gateway")
    assert '["red-export"]' in stage("export")
    assert {"red-align", "red-export"} == set(PROJECT["scripts"])
    torch = next(r for r in PROJECT["optional-dependencies"]["export"] if r.startswith("torch"))
    assert torch in stage("export")
    assert "torch" not in stage("gateway") + stage("base")


def test_nothing_of_ours_runs_as_root() -> None:
    for target in ("gateway", "export"):
        assert re.findall(r"^USER (\S+)$", stage(target), re.M) == ["10001"]
    assert SERVICES["gateway"]["read_only"] is True
    assert SERVICES["gateway"]["cap_drop"] == ["ALL"]


def test_what_is_copied_is_there_and_not_ignored() -> None:
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {name for line in re.findall(r"^COPY (.+) \S+$", DOCKERFILE, re.M) for name in line.split()}
    assert copied == kept
    assert all((ROOT / name).exists() for name in copied)
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert set(packages["packages"]) <= copied


@pytest.mark.parametrize("name", ["gpu", "cpu"])
def test_the_repository_step_writes_what_the_server_is_told_to_serve(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = list(SERVICES["repository"]["command"])
    if overlay := OVERLAYS[name]:
        command = compose(f"deploy/compose/{overlay}")["services"]["repository"]["command"]
    graphs, models = command[1], command[2]
    assert graphs.startswith("/app/")
    assert f"--model-repository={models}" in SERVICES["triton"]["command"]
    assert command[-2] == "--checkpoint"
    for at in (1, -1):
        command[at] = str(ROOT / command[at].removeprefix("/app/"))
    command[2] = str(tmp_path)
    monkeypatch.setattr(commands, "FRAMES", 4)
    assert main(command) == 0
    assert (tmp_path / plans.SCRIPT).exists() == (name == "gpu")
    assert SERVICES["plans"]["command"] == ["sh", f"{models}/{plans.SCRIPT}"]
    volumes = {s: SERVICES[s]["volumes"] for s in ("repository", "plans", "triton")}
    assert volumes == {
        "repository": [f"models:{models}"],
        "plans": [f"models:{models}"],
        "triton": [f"models:{models}:ro"],
    }


def test_the_triton_image_is_named_in_one_place() -> None:
    assert SERVICES["triton"]["image"] == SERVICES["plans"]["image"] == "${TRITON_IMAGE}"
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()
    this = str(Path(__file__).relative_to(ROOT))
    image = "nvcr.io/nvidia/" + "tritonserver"
    named = [name for name in listed if name != this and image in (ROOT / name).read_bytes().decode("utf-8", "ignore")]
    assert named == [".env"]


def test_hadolint_has_nothing_to_say() -> None:
    ended = subprocess.run(
        [str(Path(sys.executable).parent / "hadolint"), str(ROOT / "Dockerfile")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout


@pytest.mark.parametrize(
    ("name", "services"),
    [("gpu", {"repository", "plans", "triton", "gateway"}), ("cpu", {"repository", "triton", "gateway"})]
    + [("embedded", {"gateway"})],
)
def test_compose_takes_every_combination(name: str, services: set[str]) -> None:
    tool = _compose_tool()
    if tool is None:
        pytest.skip("no Compose v2 here; `make compose-tool` gets one on Debian")
    files = ["-f", "docker-compose.yml"]
    if overlay := OVERLAYS[name]:
        files += ["-f", f"deploy/compose/{overlay}"]
    command = [*tool, *files, "config", "--format", "json"]
    said = json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout)
    assert set(said["services"]) == services
    for service, values in said["services"].items():
        assert set(values.get("depends_on") or {}) <= services, service
        devices = (((values.get("deploy") or {}).get("resources") or {}).get("reservations") or {}).get("devices")
        assert bool(devices) == (name == "gpu" and service in {"plans", "triton"}), service


def _compose_tool() -> list[str] | None:
    own = ROOT / ".compose" / "docker-compose"
    for tool in ([str(own)], ["docker", "compose"], ["docker-compose"]):
        if shutil.which(tool[0]) is None:
            continue
        said = subprocess.run([*tool, "version", "--short"], capture_output=True, text=True, check=False)
        if said.returncode == 0 and said.stdout.strip().lstrip("v").startswith(("2.", "5.")):
            return tool
    return None
