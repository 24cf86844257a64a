"""The chart's startup probe against real servers: it passes where sequences are served, and says why where not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.triton.conftest import Make
from tests.triton.server import TritonProcess, free_port

SCRIPT = Path(__file__).parents[2] / "deploy" / "helm" / "red-align" / "files" / "serve_check.py"


def ask(port: int) -> subprocess.CompletedProcess[str]:
    # -I -S: as in Triton's image, where nothing of ours is installed.
    command = [sys.executable, "-I", "-S", str(SCRIPT), f"http://127.0.0.1:{port}"]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_it_passes_again_and_again_and_leaves_no_sequence_behind(make_triton: Make) -> None:
    server = make_triton(candidates=2)
    before = server.statistics("red").get(1, 0)
    for _ in range(4):  # twice as often as there are places
        ended = ask(server.ports["http"])
        assert ended.returncode == 0, ended.stderr
    assert server.statistics("red")[1] - before == 12


def test_it_fails_where_a_model_answers_no_numbers(make_triton: Make) -> None:
    server = make_triton()
    model = server.repository / "red" / "1" / "model.py"
    model.write_text(
        model.read_text().replace('outputs["next_state"][row : row + 1]', 'outputs["next_state"][:1] * float("nan")')
    )
    server.kill()
    server.start()
    ended = ask(server.ports["http"])
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr


def test_it_fails_where_nobody_listens_or_a_model_is_missing(triton: TritonProcess) -> None:
    ended = ask(free_port())
    assert ended.returncode == 1
    assert "refused" in ended.stderr
    assert "Traceback" not in ended.stderr
