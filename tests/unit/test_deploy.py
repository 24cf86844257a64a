"""The Dockerfile and the Compose files against the code: what they set, run, copy and mount is there and fits."""

from __future__ import annotations

import io
import json
import re
import shlex
import subprocess
import sys
from functools import cache
from importlib.metadata import entry_points, requires
from pathlib import Path
from typing import Any

import pytest
from docker.utils import exclude_paths
from dockerfile_parse import DockerfileParser
from dockerfile_parse.util import extract_key_values

from export import commands
from export.main import main
from export.repository import plans
from service.config.settings import Settings
from tests.support.deploy.compose import project

ROOT = Path(__file__).parents[2]
OVERLAYS: dict[str, tuple[str, ...]] = {"gpu": (), "cpu": ("cpu",), "embedded": ("embedded",)}
Services = dict[str, dict[str, Any]]


@cache
def stages() -> dict[str, list[tuple[str, str]]]:
    """Instructions and their values by the name of the Dockerfile's stage; those of ``base`` come first in each."""
    found: dict[str, list[tuple[str, str]]] = {}
    for step in DockerfileParser(fileobj=io.BytesIO((ROOT / "Dockerfile").read_bytes())).structure:
        if step["instruction"] == "FROM":
            parent, _, name = step["value"].split()
            found[name] = list(found.get(parent, []))
        elif found and step["instruction"] != "COMMENT":
            found[name].append((step["instruction"], step["value"]))
    return found


def values(stage: str, instruction: str) -> list[str]:
    return [value for name, value in stages()[stage] if name == instruction]


def copies(stage: str) -> list[tuple[list[str], str]]:
    """What a stage copies from the build context, and where to."""
    lines = [line.split() for line in values(stage, "COPY") if not line.startswith("--from=")]
    return [(words[:-1], words[-1]) for words in lines]


@cache
def services(name: str, **environment: str) -> Services:
    """The services of one of OVERLAYS."""
    said: Services = project(*OVERLAYS[name], **environment)["services"]
    return said


@pytest.mark.parametrize("name", OVERLAYS)
def test_the_gateways_settings_exist_and_are_valid(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, str] = {}
    for line in values("gateway", "ENV"):
        given |= dict(extract_key_values(env_replace=False, args={}, envs={}, instruction_value=line))
    given |= services(name)["gateway"]["environment"]
    ours = {key: value for key, value in given.items() if key.startswith("RED_")}
    assert set(ours) <= {f"RED_{field.upper()}" for field in Settings.model_fields}
    for variable, value in ours.items():
        monkeypatch.setenv(variable, value)
    settings = Settings()
    assert settings.engine == ("embedded" if name == "embedded" else "triton")
    assert settings.host == "0.0.0.0"  # inside; it is published on 127.0.0.1 alone
    host, port = settings.triton_url.split(":")
    assert host == "triton"
    assert port == "8001"
    # Compose waits for uploads under way to finish.
    assert int(services(name)["gateway"]["stop_grace_period"].rstrip("s")) > settings.grace_s


def test_ports_are_published_on_this_host_alone_and_are_those_that_it_listens_on() -> None:
    ours = services("gpu", RED_HTTP_PORT="9000", RED_GRPC_PORT="9001")
    ports = [(p["host_ip"], p["published"], p["target"]) for p in ours["gateway"]["ports"]]
    http, grpc = (Settings.model_fields[name].default for name in ("http_port", "grpc_port"))
    assert ports == [("127.0.0.1", "9000", http), ("127.0.0.1", "9001", grpc)]
    assert not any(values.get("ports") for name, values in ours.items() if name != "gateway")
    assert values("gateway", "EXPOSE") == [f"{http} {grpc}"]


def test_commands_of_the_images_are_those_of_the_distributions() -> None:
    scripts = {script.name: script for script in entry_points(group="console_scripts")}
    (started,), (exporter,) = values("gateway", "CMD"), values("export", "ENTRYPOINT")
    program, subcommand = json.loads(started)
    assert callable(scripts[program].load())
    assert callable(entry_points(group="red_align.commands")[subcommand].load())
    (program,) = json.loads(exporter)
    assert scripts[program].load() is main


def test_the_exporters_image_has_the_torch_that_its_distribution_asks_for() -> None:
    (install,) = values("export", "RUN")[len(values("base", "RUN")) :]
    (pinned,) = {word for word in shlex.split(install) if word.startswith("torch==")}
    asked = [re.split(r"\s*;\s*", line) for line in requires("red-align-server") or ()]
    assert [pinned, 'extra == "export"'] in [
        [name, marker.replace("'", '"')] for name, *rest in asked for marker in rest
    ]


def test_nothing_of_ours_runs_as_root() -> None:
    assert [values(target, "USER") for target in ("gateway", "export")] == [["10001"], ["10001"]]
    gateway = services("gpu")["gateway"]
    assert gateway["read_only"] is True
    assert gateway["cap_drop"] == ["ALL"]
    assert "user" not in gateway


def test_the_build_context_is_what_is_copied() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    context = exclude_paths(str(ROOT), [line for line in lines if line and not line.startswith("#")])
    sent = {path for path in context if (ROOT / path).is_file()} - {"Dockerfile", ".dockerignore"}
    copied = {source for stage in stages() for sources, _ in copies(stage) for source in sources}
    for source in copied:
        assert any(path == source or path.startswith(f"{source}/") for path in sent), source
    assert [path for path in sent if not any(path == s or path.startswith(f"{s}/") for s in copied)] == []
    assert not [path for path in sent if path.endswith(".pyc")]


@pytest.mark.parametrize("name", ["gpu", "cpu"])
def test_what_the_exporter_is_told_to_read_lies_in_its_image(name: str) -> None:
    command = services(name)["repository"]["command"]
    read = [word.removeprefix("/app/") for word in command if word.startswith("/app/")]
    places = {sources[0]: place for sources, place in copies("export")}
    assert len(read) == 2
    for path in read:
        assert any(
            path == place or path.startswith(f"{place}/") for source, place in places.items() if path.startswith(source)
        ), path


def test_the_gateways_image_has_no_training_code() -> None:
    copied = {
        source for stage in ("gateway-environment", "gateway") for sources, _ in copies(stage) for source in sources
    }
    assert copied & {"red", "export", "evaluation", "training"} == set()
    assert {"red_align", "service"} <= copied


def test_the_health_check_asks_at_the_port_that_is_set() -> None:
    (check,) = values("gateway", "HEALTHCHECK")
    assert "os.environ['RED_HTTP_PORT']" in check


@pytest.mark.parametrize("name", ["gpu", "cpu"])
def test_the_repository_step_writes_what_the_server_is_told_to_serve(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = services(name)
    command = list(ours["repository"]["command"])
    graphs, models = command[1], command[2]
    assert graphs.startswith("/app/")
    assert f"--model-repository={models}" in ours["triton"]["command"]
    assert command[-2] == "--checkpoint"
    for at in (1, -1):
        command[at] = str(ROOT / command[at].removeprefix("/app/"))
    command[2] = str(tmp_path)
    monkeypatch.setattr(commands, "FRAMES", 2)
    assert main(command) == 0
    assert (tmp_path / plans.SCRIPT).exists() == (name == "gpu")
    if name == "gpu":
        assert ours["plans"]["command"] == ["sh", f"{models}/{plans.SCRIPT}"]
    for service in set(ours) - {"gateway"}:
        (volume,) = ours[service]["volumes"]
        assert (volume["type"], volume["source"], volume["target"]) == ("volume", "models", models)
        assert volume.get("read_only", False) == (service == "triton")


def test_one_variable_names_the_triton_image() -> None:
    ours = services("gpu")
    assert ours["triton"]["image"] == ours["plans"]["image"]
    other = services("gpu", TRITON_IMAGE="registry.example/triton:1")
    assert {name for name in ours if other[name]["image"] == "registry.example/triton:1"} == {"triton", "plans"}


def test_hadolint_has_nothing_to_say() -> None:
    tool = Path(sys.executable).parent / "hadolint"
    ended = subprocess.run([str(tool), str(ROOT / "Dockerfile")], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout


@pytest.mark.parametrize(
    ("name", "wanted"),
    [("gpu", {"repository", "plans", "triton", "gateway"}), ("cpu", {"repository", "triton", "gateway"})]
    + [("embedded", {"gateway"})],
)
def test_compose_takes_every_combination(name: str, wanted: set[str]) -> None:
    ours = services(name)
    assert set(ours) == wanted
    for service, said in ours.items():
        assert set(said.get("depends_on") or {}) <= wanted, service
        devices = (((said.get("deploy") or {}).get("resources") or {}).get("reservations") or {}).get("devices")
        assert bool(devices) == (name == "gpu" and service in {"plans", "triton"}), service
