"""Embedded or on a Triton server: what does a step cost? ``make bench-triton``

The server is the real one with its Python backend on this machine's CPU, which runs the same ONNX file as the exporter
configures it. Milliseconds depend on the machine, the last column does not as much: it is the ratio to the embedded
engine with as many streams. transports.py says how steps travel best, load.py what
whole gateways serve.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from pathlib import Path

from benchmarks.support.common import machine, write_report
from export.parity import moving_faces
from export.repository.triton_config import ServeOptions, Strategy
from red_align import contract
from red_align.engine.base import Engine
from red_align.engine.onnx_engine import OnnxEngine
from service.config.settings import MODEL_FOLDER
from tests.triton.server import TritonProcess, make_repository, triton_server
from tests.triton.streams import Stream, engine_of

FRAMES, ROUNDS = 100, 5


async def step_ms(engine: Engine, streams: int) -> float:
    """Median over rounds of the milliseconds a frame in which each of the streams takes one step."""
    crops = moving_faces(20, streams)
    rounds = []
    for number in range(ROUNDS):
        running = [Stream(engine, f"{number}-{i}") for i in range(streams)]
        await asyncio.gather(*(s.step(crops[0, i]) for i, s in enumerate(running)))
        began = time.perf_counter()

        async def follow(stream: Stream, i: int) -> None:
            for t in range(FRAMES):
                await stream.step(crops[t % 20, i])

        await asyncio.gather(*(follow(s, i) for i, s in enumerate(running)))
        rounds.append((time.perf_counter() - began) / FRAMES * 1e3)
        for stream in running:
            engine.end(stream.name)
    return statistics.median(rounds)


async def on_server(server: TritonProcess, streams: int) -> float:
    """``step_ms`` on a Triton server."""
    async with engine_of(server.url) as engine:
        return await step_ms(engine, streams)


async def embedded_ms(streams: int) -> float:
    """``step_ms`` in this process."""
    engine = OnnxEngine(MODEL_FOLDER)
    try:
        return await step_ms(engine, streams)
    finally:
        engine.close()


def main() -> None:
    """Print the table."""
    described, report = machine(), {}
    embedded = {n: asyncio.run(embedded_ms(n)) for n in (1, 8)}
    print(f"{'a step of every stream':<28}{'ms':>8}{'over embedded':>15}   batches (size: count)")
    for n, value in embedded.items():
        report[f"embedded, {n} streams"] = value
        print(f"{f'embedded, {n} streams':<28}{value:>8.2f}{1:>15.2f}")
    strategies: tuple[Strategy, ...] = ("oldest", "direct")
    for strategy in strategies:
        with tempfile.TemporaryDirectory() as temp:
            options = ServeOptions(gpu=False, max_batch=16, strategy=strategy)
            repository = make_repository(MODEL_FOLDER, Path(temp) / "models", options)
            with triton_server(repository, Path(temp) / "server") as server:
                for n in (1, 8):
                    before = server.statistics(contract.STEP_GRAPH)
                    value = asyncio.run(on_server(server, n))
                    after = server.statistics(contract.STEP_GRAPH)
                    sizes = {k: c - before.get(k, 0) for k, c in sorted(after.items()) if c > before.get(k, 0)}
                    report[f"triton {strategy}, {n} streams"] = value
                    print(f"{f'triton {strategy}, {n} streams':<28}{value:>8.2f}{value / embedded[n]:>15.2f}   {sizes}")
    write_report("engines", {"ms": report}, described)


if __name__ == "__main__":
    main()
