"""Real images in real containers: ``make images-test`` after ``make images``. Prints a table, and says what is wrong.

The gateway's image runs under podman as a user without rights, its root read-only, as docker-compose.yml has it: a clip
through POST /align, a stream through gRPC, the image's own health check, SIGTERM, and nothing left behind.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import grpc
import httpx
import numpy as np

from red_align.v1 import face_landmarks_pb2 as pb
from red_align.v1 import face_landmarks_pb2_grpc as pb_grpc
from tests.support.media import carphone_path, jpeg

IMAGE, BASE = "localhost/red-align-gateway", "docker.io/library/python:3.11-slim"
READY_S, STOP_S = 120.0, 20
MOST_MB = 540
"""Beyond the base image; three quarters are OpenCV, PyAV, ONNX Runtime and numpy, as their wheels are."""
ABSENT = ["torch", "red", "export", "evaluation", "onnxscript", "matplotlib"]
COMPILERS = ["cc", "gcc", "c++", "g++", "clang", "make"]
PODMAN = ["podman", "--runtime", "runc", "--cgroup-manager", "cgroupfs"]
RULES = [
    *("--network", "host", "--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL"),
    *("--security-opt", "no-new-privileges", "--ulimit", "nofile=4096:4096", "--ulimit", "nproc=4096:4096"),
]
Row = tuple[str, object, bool]


def free_port() -> int:
    """A port that nobody has at the moment: a container cannot say which one it was given."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


def podman(*arguments: str, check: bool = True, timeout: float = 120) -> str:
    """What podman prints."""
    done = subprocess.run(
        [*PODMAN, *arguments], env=_env(), capture_output=True, text=True, timeout=timeout, check=False
    )
    if check and done.returncode:
        raise RuntimeError(f"podman {arguments[0]}: {done.stderr.strip()}")
    return done.stdout.strip()


@contextmanager
def container(http: int, rpc: int) -> Iterator[str]:
    """The gateway's container, with a volume of its own for uploads."""
    name = f"red-align-test-{os.getpid()}"
    settings = {"RED_HOST": "127.0.0.1", "RED_HTTP_PORT": str(http), "RED_GRPC_PORT": str(rpc)}
    env = [part for key, value in settings.items() for part in ("--env", f"{key}={value}")]
    podman("run", "--detach", "--name", name, *RULES, *env, "--volume", f"{name}:/var/tmp/red-align", IMAGE)
    try:
        yield name
    finally:
        podman("rm", "--force", "--volumes", name, check=False)
        podman("volume", "rm", "--force", name, check=False)


def checks() -> Iterator[Row]:
    """What is looked at, what was found, and whether that is as it must be."""
    size, base = (int(podman("image", "inspect", image, "--format", "{{.Size}}")) for image in (IMAGE, BASE))
    yield "MB beyond the base", round((size - base) / 1e6), size - base <= MOST_MB * 1e6
    http, rpc = free_port(), free_port()
    with container(http, rpc) as name:
        began = time.monotonic()
        ready = _ready(f"http://127.0.0.1:{http}/readyz", began + READY_S)
        yield "seconds until it is ready", round(time.monotonic() - began, 1), ready
        if not ready:
            print(podman("logs", name, check=False)[-2000:])
            return
        user = podman("exec", name, "id", "-u")
        yield "user", user, user == "10001"
        probe = f"import importlib.util as u; print([n for n in {ABSENT} if u.find_spec(n)])"
        found = podman("exec", name, "python", "-c", probe)
        yield "training code and torch", found, found == "[]"
        probe = f"import shutil; print([n for n in {COMPILERS} if shutil.which(n)])"
        found = podman("exec", name, "python", "-c", probe)
        yield "compilers", found, found == "[]"
        root = podman("exec", name, "python", "-c", "import os; print(os.statvfs('/').f_flag & os.ST_RDONLY)")
        yield "root is read-only", root, root == "1"
        health = json.loads(podman("image", "inspect", IMAGE, "--format", "{{json .HealthCheck}}") or "null")
        command = health["Test"][1:] if health else _health_check()
        healthy = subprocess.run([*PODMAN, "exec", name, *command], env=_env(), check=False).returncode
        yield "the image's health check", healthy, healthy == 0
        frames = _posted(http)
        yield "frames with a face through POST /align", frames, frames == 120
        answers = _streamed(rpc)
        yield "frames with a face through gRPC", answers, answers == 20
        left = podman("exec", name, "python", "-c", "import os; print(len(os.listdir('/var/tmp/red-align')))")
        yield "files left", left, left == "0"
        began = time.monotonic()
        podman("stop", "--time", str(STOP_S), name)
        code = podman("inspect", name, "--format", "{{.State.ExitCode}}")
        yield "exit code after SIGTERM", code, code == "0"
        yield "seconds until it ended", round(time.monotonic() - began, 1), time.monotonic() - began < STOP_S


def _env() -> dict[str, str]:
    return os.environ | {"STORAGE_DRIVER": os.environ.get("STORAGE_DRIVER", "vfs")}


def _health_check() -> list[str]:
    """Of the Dockerfile: images in OCI's format do not carry it."""
    text = (Path(__file__).parents[1] / "Dockerfile").read_text("utf-8").replace("\\\n", " ")
    line = next(line for line in text.splitlines() if line.startswith("HEALTHCHECK"))
    command: list[str] = json.loads(line.partition("CMD ")[2])
    return command


def _ready(url: str, until: float) -> bool:
    while time.monotonic() < until:
        try:
            if httpx.get(url, timeout=2).status_code == 200:
                return True
        except httpx.HTTPError:
            pass
        time.sleep(0.2)
    return False


def _posted(port: int) -> int:
    with carphone_path().open("rb") as clip:
        answer = httpx.post(f"http://127.0.0.1:{port}/align", files={"video": clip}, timeout=120).raise_for_status()
    assert answer.json()["complete"], answer.json()["warnings"]
    return sum(bool(frame["faces"]) for frame in answer.json()["frames"])


def _streamed(port: int) -> int:
    capture = cv2.VideoCapture(str(carphone_path()))
    images = [np.asarray(cv2.cvtColor(capture.read()[1], cv2.COLOR_BGR2RGB), np.uint8) for _ in range(20)]

    def requests() -> Iterator[pb.AlignStreamRequest]:
        yield pb.AlignStreamRequest(config=pb.StreamConfig())
        for index, image in enumerate(images):
            frame = pb.VideoFrame(encoded=jpeg(image), time_s=index / 30)
            yield pb.AlignStreamRequest(frame=frame)

    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        answers = list(pb_grpc.FaceLandmarkServiceStub(channel).AlignStream(requests(), timeout=120))
    return sum(len(answer.frame.faces) for answer in answers)


def main() -> int:
    """Print what was found; 1 where something is not as it must be."""
    missing = [tool for tool in ("podman", "runc") if shutil.which(tool) is None]
    if missing or os.geteuid() != 0:
        print(f"images are not tested: {', '.join(missing) + ' missing' if missing else 'this needs root'}")
        return 0
    failed = 0
    for title, value, met in checks():
        print(f"{title:45s} {value!s:>12s}  {'' if met else 'NOT as it must be'}", flush=True)
        failed += not met
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
