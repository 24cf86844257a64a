"""How many frames a second do live streams get, and how long does each wait? ``python -m benchmarks.streams``

A real server, and 1, 2, 4 ... 64 live streams that each send a frame (640x480, one face) when the last one is answered.
A row says how many frames were answered in all, the median and the 99th percentile of the round trip, how unequally
streams were served (most over fewest frames), how many faces a network call had, the processor time a frame of the
server's main processes, of its decoding processes and of the client, and the memory that each stream beyond the first
takes (proportional set size of all processes, once all decoding processes run).

The client is this process, on the same cores: one event loop, frames encoded before, messages built from their bytes.
``--checkout`` times the server of another checkout, in turn with this one: only such ratios travel.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import platform
import resource
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import grpc
import numpy as np
import psutil

from red_align.v1 import face_landmarks_pb2 as pb
from tests.support.media import carphone_frames, jpeg

ROOT = Path(__file__).parents[1]
METHOD = "/red_align.v1.FaceLandmarkService/AlignStream"
SIZE = (640, 480)
STREAMS = (1, 2, 4, 8, 16, 32, 64)
SETTLED = 4
"""Frames of every stream before the measuring begins: its face is found by then."""
CHECKED = 16
"""Every so manieth answer is parsed, and must hold a face."""


@dataclass(frozen=True)
class Row:
    """One measurement. Times a frame are milliseconds of one core; the memory of one stream is the whole server's."""

    server: str
    kind: str
    streams: int
    frames_per_s: float
    p50_ms: float
    p99_ms: float
    most_over_fewest: float
    faces_per_call: float
    main_ms: float
    decoding_ms: float
    client_ms: float
    memory_mb: float


class Server:
    """``red-align serve`` of a checkout, on free ports; its gateway processes and their decoding processes."""

    def __init__(self, checkout: Path, processes: int) -> None:
        values = {"RED_HTTP_PORT": "0", "RED_GRPC_PORT": "0", "RED_LOG_LEVEL": "WARNING", "RED_MAX_STREAMS": "64"}
        if processes > 1:
            values["RED_PROCESSES"] = str(processes)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "red_align.cli.main", "serve"],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | values | {"PYTHONPATH": str(checkout)},
            cwd=checkout,
        )
        assert self._process.stdout is not None
        words = self._process.stdout.readline().split()
        self.http, self.grpc = words[3], words[4].removeprefix("grpc://")

    def cpu_s(self) -> tuple[float, float]:
        """Processor seconds of the gateway and of its decoding processes so far."""
        main = decoding = 0.0
        for process in self._all():
            times = process.cpu_times()
            if _decodes(process):
                decoding += times.user + times.system
            else:
                main += times.user + times.system
        return main, decoding

    def memory_mb(self) -> float:
        """Proportional set size of all its processes."""
        return sum(process.memory_full_info().pss for process in self._all()) / 1e6

    def batches(self) -> tuple[float, float]:
        """Faces and network calls so far, as /metrics tells."""
        with urllib.request.urlopen(f"{self.http}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        values = [
            sum(float(x.split()[-1]) for x in lines if x.startswith(f"red_batch_size_{n}")) for n in ("sum", "count")
        ]
        return values[0], values[1]

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(60)

    def _all(self) -> list[psutil.Process]:
        own = psutil.Process(self._process.pid)
        return [own, *own.children(recursive=True)]


def _decodes(process: psutil.Process) -> bool:
    return "red_align.media.decode_worker" in process.cmdline()


@contextmanager
def server(checkout: Path, processes: int) -> Iterator[Server]:
    """A server that ends with the block."""
    running = Server(checkout, processes)
    try:
        yield running
    finally:
        running.stop()


class Stream:
    """A live stream that waits for each answer; what is on the wire is bytes on this side."""

    def __init__(self, address: str, frames: list[bytes], first: int) -> None:
        # Streams of many clients come through connections of their own.
        self._channel = grpc.aio.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)])
        self._frames, self._first = frames, first
        self.times: list[tuple[float, float]] = []

    async def run(self, stop: asyncio.Event) -> None:
        """Send and receive until it is time to stop; ``times`` has when each answer came, and after how long."""
        call: Any = self._channel.stream_stream(METHOD)()
        await call.write(pb.AlignStreamRequest(config=pb.StreamConfig(max_faces=1)).SerializeToString())
        sent = 0
        while not stop.is_set():
            began = time.perf_counter()
            await call.write(self._message(sent))
            answer = await call.read()
            now = time.perf_counter()
            self.times.append((now, now - began))
            if sent % CHECKED == CHECKED - 1:
                response = pb.AlignStreamResponse.FromString(answer)
                assert response.frame.index == sent, response
                assert len(response.frame.faces) == 1, response
            sent += 1
        await call.done_writing()
        while (await call.read()) is not grpc.aio.EOF:
            pass
        await self._channel.close()

    def _message(self, sent: int) -> bytes:
        """The next frame. A field that comes twice is merged: its time is all that has to be made anew."""
        time_only = pb.AlignStreamRequest(frame=pb.VideoFrame(time_s=sent / 30.0)).SerializeToString()
        return self._frames[there_and_back(self._first + sent, len(self._frames))] + time_only


def there_and_back(count: int, frames: int) -> int:
    """Index of a clip that is played forwards and backwards, so that it never cuts."""
    index = count % (2 * frames - 2)
    return index if index < frames else 2 * frames - 2 - index


async def measure(running: Server, name: str, kind: str, frames: list[bytes], count: int, seconds: float) -> Row:
    """One row: ``count`` streams for so many seconds, after all of them have settled."""
    stop = asyncio.Event()
    streams = [Stream(running.grpc, frames, 7 * i) for i in range(count)]
    tasks = [asyncio.create_task(stream.run(stop)) for stream in streams]
    try:
        while any(len(stream.times) < SETTLED for stream in streams):
            await asyncio.sleep(0.05)
            for task in tasks:
                if task.done():
                    task.result()
        cpu, batches, client, began = running.cpu_s(), running.batches(), _own_cpu_s(), time.perf_counter()
        await asyncio.sleep(seconds)
        ended, after, client = time.perf_counter(), running.cpu_s(), _own_cpu_s() - client
        faces, calls = (b - a for a, b in zip(batches, running.batches(), strict=True))
        memory_mb = running.memory_mb()
    finally:
        stop.set()
        await asyncio.gather(*tasks)
    own = [[took for at, took in stream.times if began <= at < ended] for stream in streams]
    times = np.concatenate(own)
    p50, p99 = 1e3 * np.percentile(times, [50, 99])
    main, decoding = (1e3 * (b - a) / len(times) for a, b in zip(cpu, after, strict=True))
    return Row(
        server=name,
        kind=kind,
        streams=count,
        frames_per_s=len(times) / (ended - began),
        p50_ms=float(p50),
        p99_ms=float(p99),
        most_over_fewest=max(map(len, own)) / max(1, min(map(len, own))),
        faces_per_call=faces / calls if calls else float("nan"),
        main_ms=main,
        decoding_ms=decoding,
        client_ms=1e3 * client / len(times),
        memory_mb=memory_mb,
    )


def _own_cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def messages(kind: str) -> list[bytes]:
    """The clip's frames as requests on the wire, ``jpeg`` or ``raw``, without their times."""
    made = []
    for small in carphone_frames():
        frame = np.asarray(cv2.resize(small, SIZE, interpolation=cv2.INTER_CUBIC), np.uint8)
        if kind == "jpeg":
            image = pb.VideoFrame(encoded=jpeg(frame))
        else:
            image = pb.VideoFrame(raw=pb.RawImage(rgb=frame.tobytes(), width=SIZE[0], height=SIZE[1]))
        made.append(pb.AlignStreamRequest(frame=image).SerializeToString())
    return made


def machine() -> dict[str, Any]:
    """What it was measured on."""
    model = [
        line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line
    ]
    return {
        "processor": model[0] if model else platform.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "grpcio": grpc.__version__,
    }


def rows_of(running: Server, name: str, kind: str, counts: list[int], seconds: float) -> Iterator[Row]:
    """All rows of a server, after it was under load once."""
    frames = messages(kind)
    asyncio.run(measure(running, name, kind, frames, 8, 1.0))
    first_mb = math.nan
    for count in counts:
        row = asyncio.run(measure(running, name, kind, frames, count, seconds))
        if count == 1:
            first_mb = row.memory_mb
        yield replace(row, memory_mb=(row.memory_mb - first_mb) / (count - 1) if count > 1 else row.memory_mb)


HEAD = (
    "server",
    "frames",
    "streams",
    "a second",
    "p50 ms",
    "p99 ms",
    "most/fewest",
    "faces/call",
    "main ms",
    "decode ms",
)


def printed(row: Row) -> str:
    """A line of the table."""
    values = [row.server, row.kind, row.streams, f"{row.frames_per_s:.0f}", f"{row.p50_ms:.1f}", f"{row.p99_ms:.1f}"]
    values += [
        f"{row.most_over_fewest:.2f}",
        f"{row.faces_per_call:.2f}",
        f"{row.main_ms:.2f}",
        f"{row.decoding_ms:.2f}",
    ]
    values += [f"{row.client_ms:.2f}", f"{row.memory_mb:.2f}"]
    return "".join(f"{value!s:>12}" for value in values)


def main() -> None:
    """Print the table and write it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", default=",".join(map(str, STREAMS)), help="how many side by side, by comma")
    parser.add_argument("--kinds", default="jpeg,raw")
    parser.add_argument("--seconds", type=float, default=4.0, help="of each row")
    parser.add_argument("--processes", default="1", help="RED_PROCESSES of the server, several by comma")
    parser.add_argument("--checkout", type=Path, action="append", help="of the server; several are timed in turn")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "bench" / "streams.json")
    options = parser.parse_args()
    servers = [
        (f"{checkout.name}x{processes}", checkout.resolve(), int(processes))
        for checkout in options.checkout or [ROOT]
        for processes in options.processes.split(",")
    ]
    rows = []
    print("".join(f"{name:>12}" for name in (*HEAD, "client ms", "MB, a stream")))
    for kind in options.kinds.split(","):
        for name, checkout, processes in servers * options.rounds:
            with server(checkout, processes) as running:
                for row in rows_of(running, name, kind, list(map(int, options.streams.split(","))), options.seconds):
                    rows.append(row)
                    print(printed(row), flush=True)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps({"machine": machine(), "rows": [asdict(row) for row in rows]}, indent=1))


if __name__ == "__main__":
    main()
