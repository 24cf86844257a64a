"""What the README asks people to run."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.support.media import carphone_path
from tests.support.servers import RunningServer

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_the_demo_writes_landmarks_and_overlay(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "demo.py")], cwd=tmp_path, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stderr
    assert "120 frames, 120 with a face of 68 points, complete: True" in done.stdout
    assert "frames a second" in done.stdout
    answer = json.loads((tmp_path / "out" / "demo.json").read_text())
    assert answer["frame_count"] == 120
    assert (tmp_path / "out" / "demo.mp4").stat().st_size > 50_000


def test_the_stream_example_prints_a_line_a_frame(server: RunningServer) -> None:
    command = [sys.executable, str(EXAMPLES / "grpc_stream.py"), str(carphone_path()), server.grpc]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    lines = done.stdout.splitlines()
    assert lines[-1] == "120 frames", done.stderr
    assert sum("#0 nose at" in line for line in lines) == 120
