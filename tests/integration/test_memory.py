"""Memory does not grow with the clip."""

from __future__ import annotations

import json
import re
from pathlib import Path

import httpx
import numpy as np

from tests.media import carphone_frames, write_video
from tests.servers import running_server

FRAMES, ALLOWED_MIB = 1200, 48


def peak_mib(process_id: int) -> float:
    status = Path(f"/proc/{process_id}/status").read_text()
    match = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert match
    return int(match[1]) / 1024


def test_a_long_clip_takes_no_more_memory_than_a_short_one(tmp_path: Path) -> None:
    """1200 frames of 704x576 are 1.4 GB when decoded."""
    large = [np.kron(frame, np.ones((4, 4, 1), np.uint8)) for frame in carphone_frames()[:40]]
    short = write_video(tmp_path / "short.mp4", large, options={"preset": "ultrafast"})
    long = write_video(tmp_path / "long.mp4", large * (FRAMES // 40), options={"preset": "ultrafast"})
    with running_server() as server:
        for _ in range(2):
            httpx.post(f"{server.http}/align", files={"video": short.read_bytes()}, timeout=100)
        before = peak_mib(server.process.pid)
        with httpx.stream("POST", f"{server.http}/align", files={"video": long.open("rb")}, timeout=100) as response:
            pieces = list(response.iter_raw())
        assert json.loads(b"".join(pieces))["frame_count"] == FRAMES
        assert peak_mib(server.process.pid) - before < ALLOWED_MIB
    assert len(pieces) > 10, "the answer comes in pieces, not at the end"
