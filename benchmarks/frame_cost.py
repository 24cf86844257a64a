"""What does a frame cost the service, and how long does a live stream wait? ``python -m benchmarks.frame_cost``

A real server on one core, its clients on another. Processor milliseconds a frame are those of the server's main process
and of its decoding processes (640x480, one face), for an upload and for one live stream that waits for each answer;
then the median and the 99th percentile of a live frame's round trip with 1, 8 and 64 such streams side by side.
Run it for two checkouts on the same machine in turn (``--python`` names the other's interpreter): only ratios travel.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

import cv2
import grpc
import httpx
import numpy as np
import psutil

from red_align.v1 import face_landmarks_pb2 as pb
from tests.support.media import carphone_frames, jpeg, write_video

SIZE = (640, 480)
UPLOADS, LIVE_FRAMES = 5, 480
ROUND_TRIPS = {1: 480, 8: 120, 64: 24}
"""Frames that each of so many streams sends."""


@dataclass(frozen=True)
class Server:
    """A running server: its process and where it listens."""

    process: psutil.Process
    http: str
    grpc: str

    def cpu_s(self) -> tuple[float, float]:
        """Processor seconds of the main process and of its decoding processes so far."""
        own = self.process.cpu_times()
        others = [child.cpu_times() for child in self.process.children(recursive=True)]
        return own.user + own.system, sum(times.user + times.system for times in others)


@contextmanager
def server(python: str, folder: Path) -> Iterator[Server]:
    """``red-align serve`` of an interpreter's environment, pinned to the first core."""
    command = ["taskset", "-c", "0", str(Path(python).with_name("red-align")), "serve"]
    ports = {"RED_HTTP_PORT": "0", "RED_GRPC_PORT": "0", "RED_ENGINE_THREADS": "1"}
    values = os.environ | ports | {"RED_DECODE_THREADS": "1", "RED_LOG_LEVEL": "WARNING", "RED_MAX_STREAMS": "64"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=values, cwd=folder) as process:
        assert process.stdout is not None
        words = process.stdout.readline().split()
        try:
            yield Server(psutil.Process(process.pid), words[3], words[4].removeprefix("grpc://"))
        finally:
            process.terminate()


class Stream:
    """A live stream that waits for each answer."""

    def __init__(self, address: str, method: str) -> None:
        self._channel = grpc.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)])
        self._requests: SimpleQueue[pb.AlignStreamRequest | None] = SimpleQueue()
        call = self._channel.stream_stream(
            method,
            request_serializer=pb.AlignStreamRequest.SerializeToString,
            response_deserializer=pb.AlignStreamResponse.FromString,
        )
        self._responses = call(iter(self._requests.get, None))
        self._requests.put(pb.AlignStreamRequest(config=pb.StreamConfig(max_faces=1)))
        self._sent = 0

    def ask(self, data: bytes) -> float:
        """Seconds until the answer to a frame was there."""
        began = time.perf_counter()
        frame = pb.VideoFrame(time_s=self._sent / 30.0, encoded=data)
        self._requests.put(pb.AlignStreamRequest(frame=frame))
        answer = next(self._responses)
        seconds = time.perf_counter() - began
        assert answer.frame.status == pb.FRAME_STATUS_OK, answer
        assert len(answer.frame.faces) == 1 or self._sent < 4, answer
        self._sent += 1
        return seconds

    def close(self) -> None:
        """End the stream."""
        self._requests.put(None)
        for _ in self._responses:
            pass
        self._channel.close()


def there_and_back(count: int) -> Iterator[int]:
    """Indices of the clip forwards and backwards, so that it never cuts."""
    frames = len(carphone_frames())
    for i in range(count):
        index = i % (2 * frames - 2)
        yield index if index < frames else 2 * frames - 2 - index


def round_trips(address: str, method: str, pictures: list[bytes], streams: int, frames: int) -> list[float]:
    """Seconds of all round trips but the first ten of each stream."""
    times: list[float] = []

    def one() -> None:
        stream = Stream(address, method)
        own = [stream.ask(pictures[i]) for i in there_and_back(frames)]
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
    parser.add_argument("--method", default="/red_align.v1.FaceLandmarkService/AlignStream")
    options = parser.parse_args()
    os.sched_setaffinity(0, {1})
    frames = [np.asarray(cv2.resize(f, SIZE, interpolation=cv2.INTER_CUBIC), np.uint8) for f in carphone_frames()]
    pictures = [jpeg(frame) for frame in frames]
    with tempfile.TemporaryDirectory() as temp, server(options.python, Path(temp)) as running:
        clip = write_video(Path(temp) / "clip.mp4", frames, rate=30).read_bytes()

        def upload() -> int:
            url = f"{running.http}/align?format=ndjson"
            answer = httpx.post(url, content=clip, headers={"content-type": "video/mp4"}, timeout=120)
            assert answer.status_code == 200
            return len(answer.content.splitlines()) - 2

        def live() -> int:
            return 10 + len(round_trips(running.grpc, options.method, pictures, 1, LIVE_FRAMES))

        print(f"{'640x480, one face':<28}{'main process':>14}{'decoding':>10}   ms of one core a frame")
        for name, work, repeat in (("upload", upload, UPLOADS), ("one live stream", live, 1)):
            work()
            before, count = running.cpu_s(), 0
            for _ in range(repeat):
                count += work()
            own, decoding = (1e3 * (b - a) / count for a, b in zip(before, running.cpu_s(), strict=True))
            print(f"{name:<28}{own:>14.2f}{decoding:>10.2f}", flush=True)
        print(f"{'live streams side by side':<28}{'p50 ms':>14}{'p99 ms':>10}")
        for streams, count in ROUND_TRIPS.items():
            times = round_trips(running.grpc, options.method, pictures, streams, count)
            p50, p99 = 1e3 * np.percentile(times, [50, 99])
            print(f"{streams:<28}{p50:>14.1f}{p99:>10.1f}", flush=True)


if __name__ == "__main__":
    main()
