"""The embedded engine: ONNX Runtime in this process, batching across streams, memory kept per sequence."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from red_align import contract
from red_align.engine.base import Array, ModelInfo, StepResult
from red_align.engine.batching import Batcher
from red_align.engine.onnx_graph import OnnxGraph
from red_align.errors import ModelMismatch, Overloaded, SequenceUnknown


@dataclass(frozen=True, slots=True)
class _Call:
    crop: NDArray[np.uint8]
    prior: Array
    resume: Array
    start: bool = False
    state: Array | None = None


@dataclass(slots=True)
class _Kept:
    state: Array
    used: float


class OnnxEngine:
    """Implements red_align.engine.base.Engine. Memory is in this process and ends with it."""

    def __init__(
        self,
        folder: Path,
        *,
        threads: int = 1,
        max_batch: int = 16,
        idle_s: float = 30.0,
        max_sequences: int = 1024,
        clock: Callable[[], float] = time.monotonic,
        on_batch: Callable[[float], None] | None = None,
    ) -> None:
        self._step = OnnxGraph(
            folder / f"{contract.STEP_GRAPH}.onnx", contract.STEP_INPUTS, contract.STEP_OUTPUTS, threads
        )
        self._acquire = OnnxGraph(
            folder / f"{contract.ACQUIRE_GRAPH}.onnx", contract.ACQUIRE_INPUTS, contract.ACQUIRE_OUTPUTS, threads
        )
        if self._step.info != self._acquire.info:
            raise ModelMismatch(f"the two graphs in {folder} differ: {self._step.info} and {self._acquire.info}")
        self._idle_s = idle_s
        self._max_sequences = max_sequences
        self._clock = clock
        self._on_batch = on_batch
        self._kept: OrderedDict[str, _Kept] = OrderedDict()  # the longest unused first
        # One thread runs the network: two calls at once would fight for the same cores.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="engine")
        self._steps: Batcher[_Call, dict[str, Array]] = Batcher(self._run_steps, max_batch, self._thread)
        self._acquires: Batcher[_Call, dict[str, Array]] = Batcher(self._run_acquires, max_batch, self._thread)

    @property
    def info(self) -> ModelInfo:
        """The loaded model."""
        return self._step.info

    @property
    def sequences(self) -> int:
        """Sequences that are kept now."""
        self._expire()
        return len(self._kept)

    @property
    def batch_sizes(self) -> dict[int, int]:
        """How many step calls ran with how many faces."""
        return dict(self._steps.sizes)

    async def start(self) -> None:
        """See Engine.start: the model was loaded when this was made."""

    async def acquire(self, crop: NDArray[np.uint8], prior: Array, resume: Array | None = None) -> StepResult:
        """See Engine.acquire."""
        return self._result(await self._acquires.submit(_Call(crop, prior, self._memory(resume))))

    async def step(
        self, sequence: str, crop: NDArray[np.uint8], prior: Array, *, start: bool = False, resume: Array | None = None
    ) -> StepResult:
        """See Engine.step. Raises Overloaded when a start would exceed ``max_sequences``."""
        self._expire()
        kept = self._kept.get(sequence)
        if kept is None and not start:
            raise SequenceUnknown(f"sequence {sequence} was not started, or its memory has expired")
        if kept is None and len(self._kept) >= self._max_sequences:
            raise Overloaded(f"{self._max_sequences} sequences are in use", limit="max_sequences")
        state = self._memory(None) if kept is None else kept.state
        if kept is None:  # Hold the place while the step runs.
            self._kept[sequence] = _Kept(state, self._clock())
        try:
            out = await self._steps.submit(_Call(crop, prior, self._memory(resume), start, state))
        except BaseException:
            if kept is None:
                self._kept.pop(sequence, None)
            raise
        if sequence in self._kept:  # else it was ended meanwhile
            self._kept[sequence] = _Kept(out[contract.NEXT_STATE], self._clock())
            self._kept.move_to_end(sequence)
        return self._result(out)

    async def end(self, sequence: str) -> None:
        """See Engine.end."""
        self._kept.pop(sequence, None)

    async def close(self) -> None:
        """See Engine.close."""
        await self._steps.close()
        await self._acquires.close()
        self._thread.shutdown(wait=True)
        self._kept.clear()

    def _expire(self) -> None:
        limit = self._clock() - self._idle_s
        while self._kept and next(iter(self._kept.values())).used < limit:
            self._kept.popitem(last=False)

    def _memory(self, given: Array | None) -> Array:
        return np.zeros(self.info.memory_size, np.float32) if given is None else given

    def _run_steps(self, calls: Sequence[_Call]) -> list[dict[str, Array]]:
        if self._on_batch is not None:
            self._on_batch(len(calls))
        tensors = self._inputs(calls)
        tensors[contract.START] = np.array([[float(c.start)] for c in calls], np.float32)
        tensors[contract.STATE] = np.stack([self._memory(c.state) for c in calls])
        return _rows(self._step.run(tensors), len(calls))

    def _run_acquires(self, calls: Sequence[_Call]) -> list[dict[str, Array]]:
        return _rows(self._acquire.run(self._inputs(calls)), len(calls))

    @staticmethod
    def _inputs(calls: Sequence[_Call]) -> dict[str, NDArray[np.generic]]:
        return {
            contract.CROP: np.stack([c.crop for c in calls]),
            contract.PRIOR: np.stack([c.prior.reshape(-1) for c in calls]).astype(np.float32),
            contract.RESUME: np.stack([c.resume for c in calls]).astype(np.float32),
        }

    @staticmethod
    def _result(out: dict[str, Array]) -> StepResult:
        return StepResult(out[contract.LANDMARKS].reshape(-1, 2), out[contract.CONFIDENCE], out[contract.MEMORY])


def _rows(outputs: dict[str, Array], count: int) -> list[dict[str, Array]]:
    """Split batched outputs by row; copies, so that one kept row does not hold the whole batch."""
    return [{name: value[i].copy() for name, value in outputs.items()} for i in range(count)]
