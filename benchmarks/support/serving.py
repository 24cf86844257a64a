"""A real server on one core and its clients on another: what the benchmarks of the service share."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from queue import SimpleQueue

import grpc
import httpx
import orjson
import psutil

from benchmarks.support.common import ROOT, children_cpu_s, cpu_s
from red_align.v1 import face_landmarks_pb2 as pb

METHOD = "/red_align.v1.FaceLandmarkService/AlignStream"
ONE_CORE = {"RED_ENGINE_THREADS": "1", "RED_DECODE_THREADS": "1", "RED_WORKERS": "1"}
"""Settings of a server that has one core to itself."""


@dataclass(frozen=True)
class Server:
    """A running server: its process and where it listens."""

    process: psutil.Process
    http: str
    grpc: str

    def processes(self) -> list[psutil.Process]:
        """The main process and its decoding processes."""
        return [self.process, *self.process.children(recursive=True)]

    def cpu_s(self) -> tuple[float, float]:
        """Processor seconds of the main process and of its decoding processes so far."""
        return cpu_s([self.process.pid]), children_cpu_s(self.process)

    def resident_bytes(self) -> int:
        """Resident size of all its processes; what they share counts in each."""
        total = 0
        for process in self.processes():
            try:
                total += process.memory_info().rss
            except psutil.NoSuchProcess:  # ended meanwhile
                continue
        return total


@contextmanager
def server(folder: Path, core: int | None, settings: dict[str, str], python: str = sys.executable) -> Iterator[Server]:
    """``red-align serve`` of an interpreter's environment.

    Args:
        folder: Where it runs and puts its uploads.
        core: The core that it is pinned to; None for all.
        settings: Further RED_... variables.
        python: The interpreter, whose environment has the command ``red-align``.
    """
    pinned = ["taskset", "-c", str(core)] if core is not None else []
    command = [*pinned, str(Path(python).with_name("red-align")), "serve"]
    values = os.environ | {"RED_HTTP_PORT": "0", "RED_GRPC_PORT": "0", "RED_LOG_LEVEL": "WARNING"} | settings
    values["RED_TEMP_DIR"] = str(folder / "uploads")
    if python == sys.executable:
        values["PYTHONPATH"] = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that a benchmark that is ended ends its server
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=values, cwd=folder) as process:
        assert process.stdout is not None
        words = process.stdout.readline().split()
        try:
            yield Server(psutil.Process(process.pid), words[3], words[4].removeprefix("grpc://"))
        finally:
            process.terminate()


@dataclass(frozen=True)
class Answer:
    """An upload's answer: how long it took, how many frames it has, and how many faces in all of them."""

    seconds: float
    frames: int
    faces: int


def upload(running: Server, clip: bytes | Path, max_faces: int = 1) -> Answer:
    """Send a clip to POST /align and read the answer, line by line.

    Args:
        running: The server.
        clip: Its bytes, or its file.
        max_faces: Faces to follow.
    """
    frames = faces = 0
    content = clip if isinstance(clip, bytes) else clip.read_bytes()
    client = _client()
    began = time.perf_counter()
    url = f"{running.http}/align?format=ndjson&max_faces={max_faces}"
    sent = {"content": content, "headers": {"content-type": "video/mp4"}, "timeout": 600}
    lines: list[bytes] = []
    with client.stream("POST", url, **sent) as answer:  # type: ignore[arg-type]
        assert answer.status_code == 200, answer.read()
        seconds, rest = 0.0, b""
        for piece in answer.iter_bytes():
            *whole, rest = (rest + piece).split(b"\n")
            seconds = time.perf_counter() - began
            for line in whole:
                frames += line.startswith(b'{"type":"frame"')
                faces += line.count(b'"track_id"')
            lines = whole[-1:] or lines
    end = orjson.loads(lines[-1])
    assert end["type"] == "end", end
    assert end["complete"], end
    assert end["frame_count"] == frames, end
    return Answer(seconds, frames, faces)


@cache
def _client() -> httpx.Client:
    """One for all uploads: making one reads the certificates of TLS, which takes as long as ten frames."""
    return httpx.Client()


class Stream:
    """A live stream that waits for each answer."""

    def __init__(self, address: str, method: str = METHOD) -> None:
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
