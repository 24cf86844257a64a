"""The library as users get it: its wheel, in an environment that has nothing but what the wheel asks for."""

from __future__ import annotations

import email.message
import email.parser
import json
import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.media import carphone_path

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.timeout(400)  # An environment is made, and packages are installed in it.

LICENSES = ("LICENSE", "red_align/weights/edge/LICENSE", "red_align/weights/yunet/LICENSE")
DATA = (
    "red_align/py.typed",
    "red_align/mean_shape_ibug68.csv",
    "red_align/weights/edge/MODEL_CARD.md",
    "red_align/weights/edge/red.onnx",
    "red_align/weights/edge/red_acquire.onnx",
    "red_align/weights/edge/weights.bin",
    "red_align/weights/yunet/face_detection_yunet_2023mar.onnx",
    *LICENSES[1:],
)
FIVE_LINES = """
import red_align

for result in red_align.track("clip.mp4", max_faces=2):
    print(result.index, result.time_s, [(face.track_id, face.score) for face in result.faces])
clip = red_align.align("clip.mp4")
assert clip.points.shape == (120, 1, 68, 2) and clip.complete
try:
    clip.to_pandas()
except ImportError as error:
    assert "red-align[pandas]" in str(error), error
else:
    raise AssertionError("pandas is not there")
"""
OWN_LOOP = """
import cv2, red_align

camera = cv2.VideoCapture("clip.mp4")
with red_align.Tracker(max_faces=1) as tracker:
    for index in range(30):
        image = cv2.cvtColor(camera.read()[1], cv2.COLOR_BGR2RGB)
        result = tracker.track(image, time_s=index / 30)
        picture = red_align.draw(image, result)
assert [face.track_id for face in result.faces] == [0]
assert picture.shape == image.shape and (picture != image).any()
"""


@dataclass(frozen=True)
class Installed:
    """An environment with the wheel in it, and a folder outside the checkout with ``clip.mp4``."""

    wheel: Path
    environment: Path
    folder: Path

    def run(self, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(self.environment / "bin" / name), *arguments]
        env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        return subprocess.run(command, cwd=self.folder, env=env, capture_output=True, text=True, timeout=100)

    def python(self, code: str) -> str:
        done = self.run("python", "-c", code)
        assert done.returncode == 0, done.stderr
        return done.stdout


def call(*command: str | Path) -> None:
    done = subprocess.run([sys.executable, "-m", *map(str, command)], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


def build_wheel(source: Path, folder: Path) -> Path:
    call("pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", folder, source)
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    folder = tmp_path_factory.mktemp("user")
    environment = tmp_path_factory.mktemp("environment")
    shutil.copy(carphone_path(), folder / "clip.mp4")
    call("venv", "--without-pip", environment)
    call("pip", "--python", environment / "bin" / "python", "install", "-q", wheel)
    return Installed(wheel, environment, folder)


def metadata_of(wheel: Path) -> email.message.Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        return email.parser.Parser().parsestr(archive.read(name).decode())


def test_the_wheel_holds_the_library_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    (info,) = {name.split("/")[0] for name in names} - {"red_align"}
    assert info.endswith(".dist-info")
    tracked = subprocess.run(["git", "ls-files", "red_align"], cwd=ROOT, capture_output=True, text=True, check=True)
    files = {name for name in names if name.startswith("red_align/")}
    assert files == set(tracked.stdout.split())
    assert set(DATA) <= files
    assert {f"{info}/licenses/{name}" for name in LICENSES} <= names


def test_the_metadata_say_what_it_is_and_under_which_licences(wheel: Path) -> None:
    metadata = metadata_of(wheel)
    assert metadata["Name"] == "red-align"
    assert metadata["License-Expression"] == "MIT AND LicenseRef-Weights-Research-Only"
    assert sorted(metadata.get_all("License-File", [])) == sorted(LICENSES)
    assert metadata["Author"]
    assert metadata["Summary"]
    assert "facial landmarks" in metadata["Keywords"]
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert {line.split(",")[0] for line in metadata.get_all("Project-URL", [])} >= {
        "Homepage",
        "Documentation",
        "Issues",
    }
    assert "Typing :: Typed" in metadata.get_all("Classifier", [])
    needed = [line for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line]
    assert not [line for line in needed if line.split(">")[0] in ("torch", "fastapi", "grpcio", "pydantic", "pandas")]


def test_the_sdist_builds_to_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    call("hatchling", "build", "-t", "sdist", "-d", tmp_path / "sdist")
    (sdist,) = (tmp_path / "sdist").iterdir()
    again = build_wheel(sdist, tmp_path / "wheel")
    assert again.name == wheel.name
    assert again.read_bytes() == wheel.read_bytes()


def test_it_is_installed_with_its_dependencies_alone(installed: Installed) -> None:
    code = (
        "import importlib.metadata as m, red_align\nprint(red_align.__file__)\n"
        "print(*sorted(d.metadata['Name'].lower() for d in m.distributions()))\n"
    )
    path, names = installed.python(code).splitlines()
    assert Path(path).is_relative_to(installed.environment)
    packages = set(names.split())
    assert {"red-align", "onnxruntime", "av", "opencv-python-headless"} <= packages
    assert packages & {"torch", "fastapi", "grpcio", "pydantic", "pandas", "red-align-server", "starlette"} == set()
    assert len(packages) < 20


def test_a_clip_in_five_lines(installed: Installed) -> None:
    lines = installed.python(FIVE_LINES).splitlines()
    assert len(lines) == 120
    assert lines[0].startswith("0 0.0 [(0, 0.")


def test_a_loop_of_ones_own_and_a_drawing(installed: Installed) -> None:
    installed.python(OWN_LOOP)


def test_the_command_line_writes_a_file(installed: Installed) -> None:
    done = installed.run("red-align", "clip.mp4", "-q", "-o", "out.json", "--overlay", "out.mp4")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    answer = json.loads((installed.folder / "out.json").read_text())
    assert answer["frame_count"] == 120
    assert len(answer["frames"][0]["faces"][0]["landmarks"]) == 136
    assert (installed.folder / "out.mp4").stat().st_size > 10_000


@pytest.mark.parametrize("command", ["serve", "config", "key"])
def test_a_command_of_the_server_says_what_to_install(command: str, installed: Installed) -> None:
    done = installed.run("red-align", command)
    assert done.returncode == 2
    assert done.stderr == f"red-align: '{command}' comes with the server: pip install red-align-server\n"
