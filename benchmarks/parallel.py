"""What does ``parallel`` gain for a long clip, and what does it change? ``python -m benchmarks.parallel [--parts 2 3]``

A clip of one face at 640x480, in the library and as an upload to a real server: seconds of one part and of several, in
turn, on all cores of this process; only ratios travel. Then how far the answers differ behind the joints, in per cent
of the distance of the outer eye corners.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import httpx
import numpy as np

import red_align
from red_align.clip.chunks import split
from red_align.media.keyframes import index_clip
from red_align.media.reader import DecodeLimits
from tests.support.media import carphone_frames, write_video
from tests.support.servers import running_server

SIZE = (640, 480)
TURNS = 8
"""Times that the clip goes there and back."""
OUTER_EYES = 36, 45
BEHIND = 30
"""Frames behind a joint that are compared."""


def make_clip(path: Path, turns: int) -> Path:
    """The car phone clip, enlarged, there and back."""
    frames = [np.asarray(cv2.resize(f, SIZE, interpolation=cv2.INTER_CUBIC), np.uint8) for f in carphone_frames()]
    return write_video(path, (frames + frames[::-1]) * turns, rate=30)


def compare(name: str, run: Callable[[int], int], parts: list[int], rounds: int) -> None:
    """Print milliseconds a frame of each number of parts, and how many times as fast as one part that is."""
    times: dict[int, list[float]] = {count: [] for count in [1, *parts]}
    for number in range(rounds + 1):  # The first round warms up.
        for count, taken in times.items():
            began = time.perf_counter()
            frames = run(count)
            if number:
                taken.append(1e3 * (time.perf_counter() - began) / frames)
    for count, taken in times.items():
        ratios = [one / other for one, other in zip(times[1], taken, strict=True)]
        print(f"{name:<10}{count:>6}{statistics.median(taken):>12.2f}{statistics.median(ratios):>10.2f}", flush=True)


def differences(path: Path, parts: int) -> None:
    """Print how far points are from those of one part behind each joint."""
    index = index_clip(path, DecodeLimits())
    assert index is not None
    one, several = (red_align.align(path, parallel=count) for count in (1, parts))
    eyes = np.linalg.norm(one.points[:, 0, OUTER_EYES[0]] - one.points[:, 0, OUTER_EYES[1]], axis=1)
    apart = 100 * np.linalg.norm(one.points[:, 0] - several.points[:, 0], axis=2).mean(1) / eyes
    for chunk in split(index, parts)[1:]:
        first = chunk.first
        behind = apart[first : first + BEHIND].mean()
        print(f"joint before frame {first}: {apart[first]:.3f} %, {BEHIND} frames {behind:.3f} %")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", type=int, nargs="+", default=[2])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--turns", type=int, default=TURNS)
    parser.add_argument("clips", type=Path, nargs="*", help="clips whose joints are compared as well")
    options = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    most = str(max(options.parts))
    with tempfile.TemporaryDirectory() as temp:
        clip = make_clip(Path(temp) / "clip.mp4", options.turns)
        data = clip.read_bytes()
        print(f"{cores} cores{'':<3}parts{'ms a frame':>12}{'times':>10}")
        compare("library", lambda n: sum(1 for _ in red_align.track(clip, parallel=n)), options.parts, options.rounds)
        with running_server(MAX_PARALLEL=most, PARALLEL_PARTS=most, DECODE_SPARE=most) as server:

            def upload(count: int) -> int:
                url = f"{server.http}/align?format=ndjson&parallel={count}"
                answer = httpx.post(url, content=data, headers={"content-type": "video/mp4"}, timeout=300)
                assert answer.status_code == 200, answer.text
                return len(answer.content.splitlines()) - 2

            compare("upload", upload, options.parts, options.rounds)
        for path in [clip, *options.clips]:
            print(path.name)
            differences(path, max(options.parts))


if __name__ == "__main__":
    main()
