"""How many frames a second does a gateway answer with its own engine, and with Triton servers on the same machine?

Real gateways and real Triton servers (Python backend, the exporter's configuration) beside each other; live streams of
a client process that wait for each answer load one after another, in turns. Frames a second depend on the machine, the
last column is the median ratio to the embedded engine in the same turn. ``python -m benchmarks.engines.load``
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import cv2
import numpy as np

from benchmarks.support.clips import there_and_back
from benchmarks.support.serving import Stream
from export.repository.triton_config import ServeOptions
from service.config.settings import MODEL_FOLDER
from tests.support.media import carphone_frames, jpeg
from tests.support.servers import running_server
from tests.triton.server import make_repository, triton_server


def frames_a_second(address: str, pictures: list[bytes], streams: int, frames: int) -> float:
    """Of so many streams side by side, each of which sends so many frames."""
    started = threading.Barrier(streams + 1)

    def one() -> None:
        stream = Stream(address)
        order = list(there_and_back(len(pictures), frames + 2))
        for index in order[:2]:
            stream.ask(pictures[index])
        started.wait(60)
        for index in order[2:]:
            stream.ask(pictures[index])
        stream.close()

    threads = [threading.Thread(target=one) for _ in range(streams)]
    for thread in threads:
        thread.start()
    started.wait(60)
    began = time.perf_counter()
    for thread in threads:
        thread.join()
    return streams * frames / (time.perf_counter() - began)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=16)
    parser.add_argument("--frames", type=int, default=40, help="of each stream in each turn")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--size", type=int, nargs=2, default=(640, 480), help="of a frame, in pixels")
    parser.add_argument("--serve", nargs="*", default=["1x1", "2x1", "1x2"], help="instances x threads of each server")
    options = parser.parse_args()
    frames = [cv2.resize(frame, options.size, interpolation=cv2.INTER_CUBIC) for frame in carphone_frames()]
    pictures = [jpeg(np.asarray(frame, np.uint8)) for frame in frames]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        quiet = {"LOG_LEVEL": "WARNING"}
        gateways = {"embedded": stack.enter_context(running_server(**quiet))}
        for name in options.serve:
            instances, threads = map(int, name.split("x"))
            serve = ServeOptions(gpu=False, max_batch=16, candidates=256, instances=instances, threads=threads)
            repository = make_repository(MODEL_FOLDER, folder / name / "models", serve)
            server = stack.enter_context(triton_server(repository, folder / name))
            running = stack.enter_context(running_server(ENGINE="triton", TRITON_URL=server.url, **quiet))
            gateways[f"triton, {instances} instances of {threads} threads"] = running
        rates: dict[str, list[float]] = {name: [] for name in gateways}
        for turn in range(options.rounds + 1):
            for name, gateway in gateways.items():
                rate = frames_a_second(gateway.grpc, pictures, options.streams, options.frames if turn else 4)
                if turn:  # The first one warms up.
                    rates[name].append(rate)
    print(f"{options.streams} live streams{'':<26}{'frames/s':>10}{'of embedded':>13}")
    for name, values in rates.items():
        ratio = statistics.median(a / b for a, b in zip(values, rates["embedded"], strict=True))
        print(f"{name:<40}{statistics.median(values):>10.0f}{ratio:>13.2f}", flush=True)


if __name__ == "__main__":
    main()
