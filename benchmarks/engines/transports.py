"""How should steps travel to a Triton server on the same machine? ``python -m benchmarks.engines.transports``

Unary calls, one bidirectional stream for all, and unary calls whose crops lie in system shared memory, each with 16
sequences that take their next step when the last one is answered, in turns on one real server. Then: how long an
answer takes while another sequence waits for a slot of a full server, over the same kind of call.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tritonclient.grpc import InferenceServerClient, InferInput, InferRequestedOutput
from tritonclient.utils import np_to_triton_dtype, shared_memory

from export.parity import moving_faces
from export.repository.triton_config import ServeOptions
from export.runners import GraphRunner
from red_align import contract
from service.config.settings import MODEL_FOLDER
from tests.triton.server import TritonProcess, make_repository, triton_server

CROP_BYTES = contract.CROP_SIZE * contract.CROP_SIZE * 3
OUTPUTS = (contract.LANDMARKS, contract.CONFIDENCE, contract.MEMORY)
KEY = "/red-align-transports"
Answered = Callable[[Any, Any], None]


class Transport:
    """Steps of sequences to one server; ``send`` hands one over, ``answered`` is called in a thread of the client."""

    def __init__(self, url: str, kind: str, sequences: int) -> None:
        self._client, self._kind = InferenceServerClient(url), kind
        self._waiting: dict[str, Answered] = {}
        self._region: Any = None
        if kind == "stream":
            self._client.start_stream(self._streamed)
        if kind == "shared memory":
            self._region = shared_memory.create_shared_memory_region("crops", KEY, sequences * CROP_BYTES)
            self._client.register_system_shared_memory("crops", KEY, sequences * CROP_BYTES)

    def send(self, row: int, name: str, start: bool, tensors: dict[str, NDArray[Any]], answered: Answered) -> None:
        """One step of the sequence ``name``; ``row`` is its place in shared memory."""
        inputs = [self._input(row, key, value[None]) for key, value in tensors.items()]
        outputs = [InferRequestedOutput(key) for key in OUTPUTS]
        flags: dict[str, Any] = {"sequence_id": name, "sequence_start": start}
        if start:
            flags["timeout"] = 500_000
        if self._kind == "stream":
            self._waiting[name] = answered
            self._client.async_stream_infer(contract.STEP_GRAPH, inputs, outputs=outputs, request_id=name, **flags)
        else:
            self._client.async_infer(contract.STEP_GRAPH, inputs, answered, outputs=outputs, **flags)

    def end(self, name: str, tensors: dict[str, NDArray[Any]]) -> None:
        """End a sequence, by a unary call."""
        inputs = [_input(key, value[None]) for key, value in tensors.items()]
        self._client.infer(contract.STEP_GRAPH, inputs, sequence_id=name, sequence_end=True)

    def close(self) -> None:
        """Free what it holds."""
        if self._kind == "stream":
            self._client.stop_stream()
        if self._region is not None:
            self._client.unregister_system_shared_memory("crops")
            shared_memory.destroy_shared_memory_region(self._region)
        self._client.close()

    def _input(self, row: int, key: str, value: NDArray[Any]) -> InferInput:
        if self._region is None or key != contract.CROP:
            return _input(key, value)
        shared_memory.set_shared_memory_region(self._region, [value], offset=row * CROP_BYTES)
        tensor = InferInput(key, list(value.shape), "UINT8")
        tensor.set_shared_memory("crops", CROP_BYTES, offset=row * CROP_BYTES)
        return tensor

    def _streamed(self, result: Any, error: Any) -> None:
        name = result.get_response().id if result is not None else next(iter(self._waiting))
        self._waiting.pop(name)(result, error)


def _input(key: str, value: NDArray[Any]) -> InferInput:
    tensor = InferInput(key, list(value.shape), np_to_triton_dtype(value.dtype))
    tensor.set_data_from_numpy(np.ascontiguousarray(value))
    return tensor


class Load:
    """Sequences over one transport, each with a thread that waits for its answers, as a gateway's streams have."""

    def __init__(self, transport: Transport, mean: NDArray[Any], memory: int, label: str) -> None:
        self._transport, self._mean, self._label = transport, mean, label
        self._fresh = np.zeros(memory, np.float32)

    def tensors(self, crop: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Of a step that need not be right: the time is the same."""
        return {contract.CROP: crop, contract.PRIOR: self._mean, contract.RESUME: self._fresh}

    def step(self, row: int, name: str, start: bool, crop: NDArray[Any]) -> Any:
        """One step, awaited."""
        future: Future[Any] = Future()

        def answered(result: Any, error: Any) -> None:
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)

        self._transport.send(row, name, start, self.tensors(crop), answered)
        answer = future.result(timeout=60)
        return {key: answer.as_numpy(key) for key in OUTPUTS}

    def run(self, crops: NDArray[Any], frames: int) -> tuple[float, float]:
        """Steps a second of all sequences, and milliseconds of this process's cores that each took."""

        def follow(row: int) -> None:
            name = f"{self._label}-{row}"
            for t in range(frames):
                self.step(row, name, t == 0, crops[t % len(crops), row])
            self._transport.end(name, self.tensors(crops[0, row]))

        threads = [threading.Thread(target=follow, args=(row,)) for row in range(crops.shape[1])]
        began, spent = time.perf_counter(), time.process_time()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        steps = frames * len(threads)
        return steps / (time.perf_counter() - began), (time.process_time() - spent) / steps * 1e3


def waited_ms(server: TritonProcess, kind: str, mean: NDArray[Any], memory: int, crop: NDArray[Any]) -> float:
    """Longest milliseconds of a step of an admitted sequence while another one waits for a slot in vain."""
    transport = Transport(server.url, kind, 2)
    load = Load(transport, mean, memory, "full")
    load.step(0, "admitted", True, crop)
    refused: Future[Any] = Future()
    transport.send(1, "waiting", True, load.tensors(crop), lambda result, error: refused.set_result(error))
    longest = 0.0
    while not refused.done():
        began = time.perf_counter()
        load.step(0, "admitted", False, crop)
        longest = max(longest, (time.perf_counter() - began) * 1e3)
    transport.end("admitted", load.tensors(crop))
    transport.close()
    return longest


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=16)
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--instances", type=int, default=1, help="of the model, one thread each")
    options = parser.parse_args()
    kinds = ("unary", "stream", "shared memory")
    crops, runner = moving_faces(20, options.streams), GraphRunner(MODEL_FOLDER)
    mean, memory = runner.mean, runner.memory_size
    rates: dict[str, list[tuple[float, float]]] = {kind: [] for kind in kinds}
    with tempfile.TemporaryDirectory() as temp:
        serve = ServeOptions(gpu=False, max_batch=16, candidates=256, instances=options.instances)
        with triton_server(make_repository(MODEL_FOLDER, Path(temp) / "models", serve), Path(temp) / "s") as server:
            for turn in range(options.rounds + 1):
                for kind in kinds:
                    transport = Transport(server.url, kind, options.streams)
                    measured = Load(transport, mean, memory, f"{kind}-{turn}").run(crops, options.frames)
                    transport.close()
                    if turn:  # The first one warms up.
                        rates[kind].append(measured)
        serve = ServeOptions(gpu=False, max_batch=1, candidates=1)
        with triton_server(make_repository(MODEL_FOLDER, Path(temp) / "small", serve), Path(temp) / "t") as server:
            waits = {kind: waited_ms(server, kind, mean, memory, crops[0, 0]) for kind in kinds[:2]}
    print(f"{f'{options.streams} sequences':<18}{'steps/s':>10}{'of unary':>10}{'client ms':>12}{'of unary':>10}")
    for kind, values in rates.items():
        steps, spent = (statistics.median(value[i] for value in values) for i in (0, 1))
        pairs = list(zip(values, rates["unary"], strict=True))
        faster, cheaper = (statistics.median(a[i] / b[i] for a, b in pairs) for i in (0, 1))
        print(f"{kind:<18}{steps:>10.0f}{faster:>10.2f}{spent:>12.2f}{cheaper:>10.2f}")
    print("\nlongest step while another sequence waits 500 ms for a slot")
    for kind, value in waits.items():
        print(f"{kind:<18}{value:>10.0f} ms")


if __name__ == "__main__":
    main()
