"""The smoke script that anyone with a running Triton calls, on ours."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.triton.conftest import Make

SCRIPT = Path(__file__).parents[2] / "deploy" / "triton" / "smoke.py"


def smoke(url: str, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(SCRIPT), url, *options], capture_output=True, text=True, timeout=110)


def test_it_passes_on_a_server_that_serves_our_repository(make_triton: Make) -> None:
    server = make_triton(candidates=20, idle_s=3.0)
    ended = smoke(server.url, "--full")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert [line.split()[:2] for line in ended.stdout.splitlines()[1:]] == [
        ["pass", name] for name in ("batches", "resume", "start", "slots", "full", "idle")
    ]


def test_it_fails_where_memory_leaks_and_says_where(make_triton: Make) -> None:
    server = make_triton(candidates=20, idle_s=3.0)
    model = server.repository / "red" / "1" / "model.py"
    # A server that forgets every memory: no sequence then goes on as it would.
    model.write_text(model.read_text().replace('outputs["next_state"][row : row + 1]', 'outputs["next_state"][:1] * 0'))
    server.kill()
    server.start()
    ended = smoke(server.url, "--idle", "1")
    assert ended.returncode == 1
    assert "FAIL  resume" in ended.stdout
    assert "skip  full" in ended.stdout  # nobody asked to take all places
    assert "--full takes all" in ended.stdout
    assert "skip  idle" in ended.stdout
