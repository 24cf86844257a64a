"""The server that benchmarks start: it answers, its time is counted, and it ends with whoever started it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from benchmarks.support.clips import clip_of_size, frames_of
from benchmarks.support.serving import ONE_CORE, server, upload

STARTS_ONE = """
import sys, tempfile, time
from pathlib import Path
from benchmarks.support.serving import ONE_CORE, server
with server(Path(sys.argv[1]), 0, ONE_CORE) as running:
    print(running.process.pid, flush=True)
    time.sleep(60)
"""


@pytest.mark.slow
def test_an_upload_gives_frames_and_faces_and_its_time_is_counted(tmp_path: Path) -> None:
    clip = clip_of_size(tmp_path / "clip.mp4", frames_of(None, 10), (320, 240), 10)
    core = min(os.sched_getaffinity(0))
    with server(tmp_path, core, ONE_CORE) as running:
        before = running.cpu_s()
        answer = upload(running, clip)
        own, decoding = (b - a for a, b in zip(before, running.cpu_s(), strict=True))
        assert all(process.cpu_affinity() == [core] for process in running.processes())
        assert running.resident_bytes() > 50 * 2**20
    assert (answer.frames, answer.faces) == (10, 10)
    assert own > 0.01
    assert decoding > 0.001


@pytest.mark.slow
def test_a_benchmark_that_is_ended_ends_its_server(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", STARTS_ONE, str(tmp_path)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        served = psutil.Process(int(process.stdout.readline()))
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 143
    served.wait(30)
