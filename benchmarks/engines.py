"""Embedded or on a Triton server: what does a step cost? ``make bench-triton``

The server is the real one with its Python backend on this machine's CPU, which runs the same ONNX file on one
thread, so the difference is the round trip. Milliseconds depend on the machine, the last column does not as
much: it is the ratio to the embedded engine with as many streams.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from tritonclient.grpc import InferInput, InferRequestedOutput, aio
from tritonclient.utils import shared_memory

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
OUTPUTS = (contract.LANDMARKS, contract.CONFIDENCE, contract.MEMORY)


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


async def call_ms(url: str, shared: bool) -> float:
    """Median milliseconds of one stateless call whose crop travels as raw bytes or lies in shared memory."""
    client = aio.InferenceServerClient(url)
    async with engine_of(url) as engine:
        info = engine.info
    crop = moving_faces(1, 1)[0]
    others = {
        contract.PRIOR: info.scheme.mean_shape.reshape(1, -1),
        contract.RESUME: np.zeros((1, info.memory_size)),
    }
    inputs = [InferInput(contract.CROP, list(crop.shape), "UINT8")]
    region = None
    if shared:
        region = shared_memory.create_shared_memory_region("crop", "/red-align-bench", crop.nbytes)
        await client.register_system_shared_memory("crop", "/red-align-bench", crop.nbytes)
        inputs[0].set_shared_memory("crop", crop.nbytes)
    for name, value in others.items():
        inputs.append(InferInput(name, list(value.shape), "FP32"))
        inputs[-1].set_data_from_numpy(value.astype(np.float32))
    outputs = [InferRequestedOutput(name) for name in OUTPUTS]
    times = []
    for _ in range(5 * FRAMES):
        began = time.perf_counter()
        if shared:
            shared_memory.set_shared_memory_region(region, [crop])
        else:
            inputs[0].set_data_from_numpy(crop)
        await client.infer(contract.ACQUIRE_GRAPH, inputs, outputs=outputs)
        times.append((time.perf_counter() - began) * 1e3)
    if shared:
        await client.unregister_system_shared_memory("crop")
        shared_memory.destroy_shared_memory_region(region)
    await client.close()
    return statistics.median(times)


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
    """Print the tables."""
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
                if strategy == "oldest":
                    transports = {
                        name: asyncio.run(call_ms(server.url, shared))
                        for name, shared in (("raw", False), ("shared memory", True))
                    }
    print(f"\n{'one acquire, crop as':<28}{'ms':>8}{'over raw':>15}")
    for name, value in transports.items():
        report[f"acquire, crop as {name}"] = value
        print(f"{name:<28}{value:>8.2f}{value / transports['raw']:>15.2f}")
    write_report("engines", {"ms": report}, described)


if __name__ == "__main__":
    main()
