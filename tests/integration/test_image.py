"""The gateway's image without a container engine: its COPY and RUN steps in a clean virtual environment."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.support.media import carphone_path
from tests.support.servers import running_server

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
BASE, BUILT, GATEWAY = re.findall(
    r"^FROM \S+ AS (?:base|gateway-environment|gateway)$(.*?)(?=^FROM )", DOCKERFILE, re.M | re.S
)
PLACE = "/opt/red-align"
"""Of the environment in the image."""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``COPY`` copies and what ``RUN pip install`` installs, in an environment of its own."""
    app, made = tmp_path_factory.mktemp("app"), tmp_path_factory.mktemp("image") / "env"
    for line in re.findall(r"^COPY (.+)$", BASE + BUILT, re.M):
        *sources, target = line.split()
        for source in sources:
            place = app / target if target != "./" else app / source
            place.parent.mkdir(parents=True, exist_ok=True)
            (shutil.copytree if (ROOT / source).is_dir() else shutil.copy)(ROOT / source, place)
    subprocess.run([sys.executable, "-m", "venv", str(made)], check=True)
    (install,) = re.findall(rf"^RUN pip --python {PLACE}/bin/python (install [^&\n\\]+)", BUILT, re.M)
    command = [str(made / "bin" / "python"), "-m", "pip", *shlex.split(install), "--quiet"]
    subprocess.run(command, cwd=app, check=True, capture_output=True, text=True, timeout=400)
    (trim,) = re.findall(rf"&& (sh \S+) {PLACE}$", BUILT, re.M)
    subprocess.run([*trim.split(), str(made)], cwd=app, check=True, timeout=60)
    assert f"COPY --from=gateway-environment {PLACE} {PLACE}" in GATEWAY
    shutil.rmtree(app)  # What runs is what was installed.
    return made / "bin"


@pytest.mark.timeout(500)
def test_what_is_installed_has_no_torch_and_nothing_of_the_exporters(environment: Path) -> None:
    listed = subprocess.run(
        [str(environment / "python"), "-m", "pip", "list", "--format", "json"],
        check=True,
        capture_output=True,
        text=True,
    )
    names = {entry["name"].lower() for entry in json.loads(listed.stdout)}
    assert {"red-align", "fastapi", "grpcio", "tritonclient", "onnxruntime"} <= names
    assert not names & {"torch", "onnx", "onnxscript", "onnxslim", "scikit-image", "matplotlib"}


def test_the_images_command_serves_and_its_health_check_sees_it(environment: Path, tmp_path: Path) -> None:
    (started,) = re.findall(r"^CMD (\[.+\])$", GATEWAY, re.M)
    program, *arguments = json.loads(started)
    (checked,) = re.findall(r"^    CMD (\[.+\])$", GATEWAY, re.M)
    _, *check = json.loads(checked)
    with running_server([str(environment / program), *arguments], TEMP_DIR=str(tmp_path)) as server:
        asked = {"RED_HTTP_PORT": server.http.rpartition(":")[2]}
        subprocess.run([str(environment / "python"), *check], check=True, timeout=20, env=asked)
        body = carphone_path().read_bytes()
        answer = httpx.post(f"{server.http}/align", content=body, headers={"content-type": "video/mp4"}, timeout=60)
        assert [len(frame["faces"]) for frame in answer.json()["frames"]] == [1] * 120
        assert server.stop() == 0
    assert list(tmp_path.iterdir()) == []
    stopped = subprocess.run(
        [str(environment / "python"), *check], check=False, capture_output=True, timeout=20, env=asked
    )
    assert stopped.returncode != 0
