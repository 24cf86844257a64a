"""The examples of the client: short, and each of them runs against a real server."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.media import carphone_frames, carphone_path
from tests.support.rest import wait_until
from tests.support.rtsp import camera
from tests.support.servers import RunningServer

EXAMPLES = Path(__file__).parents[3] / "examples" / "client"
MOST_LINES = 20


def run(*arguments: str) -> list[str]:
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=EXAMPLES, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_an_example_is_short(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MOST_LINES


def test_a_file(server: RunningServer) -> None:
    first, *frames = run("file.py", str(carphone_path()), server.grpc)
    assert first.startswith("120 frames, the mouth opens by ")
    assert len(frames) == 120
    assert frames[1].startswith("  0.033 s [0.")


def test_a_camera_by_opencv(server: RunningServer) -> None:
    """A file stands for the camera: it gives frames as fast as they are taken, so that most are left out."""
    lines = run("camera.py", str(carphone_path()), server.grpc)
    assert 0 < len(lines) <= 120
    assert all(" nose at " in line for line in lines)


def test_a_network_camera(server: RunningServer) -> None:
    frames = list(carphone_frames()[:50])
    with camera(frames) as url:
        lines = run("rtsp.py", url, server.grpc)
    assert len(lines) in (len(frames) - 1, len(frames)), "nothing says that the last picture is whole"
    assert sum(line.endswith("ok [0]") for line in lines) > 10


def test_an_asyncio_server(server: RunningServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen([sys.executable, str(EXAMPLES / "asyncio_server.py"), server.grpc, str(port)])
    try:
        wait_until(lambda: _listens(port))
        with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
            connection.sendall(carphone_path().read_bytes())
            connection.shutdown(socket.SHUT_WR)
            assert connection.makefile().read() == "120 of 120 frames\n"
    finally:
        process.kill()
        process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_a_notebook_runs_cell_by_cell_in_a_fresh_interpreter(server: RunningServer, tmp_path: Path) -> None:
    """Its cells are plain Python, so that an interpreter does what a kernel would: the last expression is shown."""
    notebook = json.loads((EXAMPLES / "notebook.ipynb").read_text())
    assert notebook["nbformat"] == 4
    cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert len(cells) >= 4
    assert max(len(cell.splitlines()) for cell in cells) <= MOST_LINES
    assert not any(cell.get("outputs") for cell in notebook["cells"])
    (tmp_path / "cells.json").write_text(json.dumps(cells))
    kernel = (
        "import ast, json\nspace = {}\n"
        "for cell in json.load(open('cells.json')):\n"
        "    *lines, last = ast.parse(cell).body\n"
        "    exec(compile(ast.Module(lines, []), 'cell', 'exec'), space)\n"
        "    print(eval(compile(ast.Expression(last.value), 'cell', 'eval'), space))\n"
    )
    env = os.environ | {"SERVER": server.grpc, "CLIP": str(carphone_path())}
    command = [sys.executable, "-c", kernel]
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    info, *table, mouth, shape = done.stdout.splitlines()
    assert info.startswith("ServerInfo(version=")
    assert any(line.startswith("mean") for line in table)
    assert 0.05 < float(mouth) < 1
    assert shape == "(144, 176, 3)"
