"""What does a frame cost the service, and how long does a live stream wait? ``python -m benchmarks.frame_cost``

A real server on one core, its clients on another. Processor milliseconds a frame are those of the server's main process
and of its decoding processes (640x480, one face), for an upload and for one live stream that waits for each answer;
then the median and the 99th percentile of a live frame's round trip with 1, 8 and 64 such streams side by side.
Run it for two checkouts on the same machine in turn (``--python`` names the other's interpreter): only ratios travel.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.support.clips import frames_of, resized, there_and_back
from benchmarks.support.common import cores, machine, pin, write_report
from benchmarks.support.serving import METHOD, ONE_CORE, Stream, server, upload
from tests.support.media import jpeg, write_video

SIZE = (640, 480)
UPLOADS, LIVE_FRAMES = 5, 480
ROUND_TRIPS = {1: 480, 8: 120, 64: 24}
"""Frames that each of so many streams sends."""


def round_trips(address: str, method: str, pictures: list[bytes], streams: int, frames: int) -> list[float]:
    """Seconds of all round trips but the first ten of each stream."""
    times: list[float] = []

    def one() -> None:
        stream = Stream(address, method)
        own = [stream.ask(pictures[i]) for i in there_and_back(len(pictures), frames)]
        times.extend(own[10:])
        stream.close()

    threads = [threading.Thread(target=one) for _ in range(streams)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return times


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", default=sys.executable, help="interpreter of the environment whose server is timed")
    parser.add_argument("--method", default=METHOD)
    options = parser.parse_args()
    described, (core, other) = machine(), cores()
    pin(other)
    frames = [resized(frame, *SIZE) for frame in frames_of(None, 120)]
    pictures = [jpeg(frame) for frame in frames]
    report: dict[str, dict[str, float]] = {}
    settings = ONE_CORE | {"RED_MAX_STREAMS": "64"}
    with tempfile.TemporaryDirectory() as temp, server(Path(temp), core, settings, options.python) as running:
        clip = write_video(Path(temp) / "clip.mp4", frames, rate=30).read_bytes()

        def live() -> int:
            return 10 + len(round_trips(running.grpc, options.method, pictures, 1, LIVE_FRAMES))

        works: dict[str, tuple[Callable[[], int], int]] = {
            "upload": (lambda: upload(running, clip).frames, UPLOADS),
            "one live stream": (live, 1),
        }
        print(f"{'640x480, one face':<28}{'main process':>14}{'decoding':>10}   ms of one core a frame")
        for name, (work, repeat) in works.items():
            work()
            before, count = running.cpu_s(), 0
            for _ in range(repeat):
                count += work()
            own, decoding = (1e3 * (b - a) / count for a, b in zip(before, running.cpu_s(), strict=True))
            report[name] = {"main_ms": own, "decoding_ms": decoding}
            print(f"{name:<28}{own:>14.2f}{decoding:>10.2f}", flush=True)
        print(f"{'live streams side by side':<28}{'p50 ms':>14}{'p99 ms':>10}")
        for streams, count in ROUND_TRIPS.items():
            times = round_trips(running.grpc, options.method, pictures, streams, count)
            p50, p99 = 1e3 * np.percentile(times, [50, 99])
            report[f"{streams} streams"] = {"p50_ms": float(p50), "p99_ms": float(p99)}
            print(f"{streams:<28}{p50:>14.1f}{p99:>10.1f}", flush=True)
    write_report("frame_cost", report, described)


if __name__ == "__main__":
    main()
