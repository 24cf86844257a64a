"""Memory does not grow with the clip."""

from __future__ import annotations

import json
import re
import threading
from pathlib import Path

import cv2
import httpx
import numpy as np
import psutil

from tests.support.media import carphone_frames, write_video
from tests.support.rest import VIDEO
from tests.support.servers import running_server

FRAMES, ALLOWED_MIB = 600, 48


def peak_mib(process_id: int) -> float:
    status = Path(f"/proc/{process_id}/status").read_text()
    match = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert match
    return int(match[1]) / 1024


def test_a_long_clip_takes_no_more_memory_than_a_short_one(tmp_path: Path) -> None:
    """600 frames of 704x576 are 0.7 GB when decoded."""
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


def all_of(process: psutil.Process) -> float:
    """Resident size in MiB of a process and those it started."""
    return sum(p.memory_info().rss for p in [process, *process.children(recursive=True)]) / 1024**2


def test_an_upload_of_500_mb_adds_less_than_64_mb(tmp_path: Path) -> None:
    """Uncompressed video, so that the file itself is large; the decoding processes count as well."""
    frames = [np.asarray(cv2.resize(frame, (1280, 720)), np.uint8) for frame in carphone_frames()[:8]]
    path = write_video(tmp_path / "large.avi", frames * 23, codec="rawvideo", pix_fmt="bgr24")
    assert path.stat().st_size > 500e6
    with running_server() as server:
        process = psutil.Process(server.process.pid)
        small = write_video(tmp_path / "small.avi", frames, codec="rawvideo", pix_fmt="bgr24")
        httpx.post(f"{server.http}/align", content=small.read_bytes(), headers=VIDEO, timeout=100)
        before, seen, over = all_of(process), [0.0], threading.Event()

        def watch() -> None:
            while not over.wait(0.05):
                seen.append(all_of(process))

        watcher = threading.Thread(target=watch)
        watcher.start()
        with path.open("rb") as file:
            answer = httpx.post(f"{server.http}/align", content=file, headers=VIDEO, timeout=100)
        over.set()
        watcher.join()
    assert answer.json()["frame_count"] == len(frames) * 23
    assert max(seen) - before < 64
