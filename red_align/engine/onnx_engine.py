"""The embedded engine: ONNX Runtime in this process, batching across streams, memory kept per sequence."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from red_align import contract
from red_align.engine.base import Array, ModelInfo, StepRequest, StepResult
from red_align.engine.batching import Batcher
from red_align.engine.onnx_graph import OnnxGraph
from red_align.engine.providers import CPU, Chosen
from red_align.engine.variants import Precision, require_precision, variant_folder
from red_align.errors import ModelMismatch, Overloaded, RedAlignError, SequenceUnknown
from red_align.machine import usable_cores


@dataclass(frozen=True, slots=True)
class _Call:
    """A request and what the engine adds to it: state of the sequence, and whether it was lost and goes on."""

    request: StepRequest
    state: Array | None = None
    start: bool = False
    resumed: bool = False


@dataclass(slots=True)
class _Slot:
    state: Array | None
    used: float


class OnnxEngine:
    """Implements red_align.engine.base.Engine. Memory is in this process and ends with it.

    A sequence that was not used for ``idle_s`` seconds gives its slot to others. That is no error to a face that is
    still followed: its next request brings the memory to go on with.

    Args:
        folder: Folder of ``red.onnx`` and ``red_acquire.onnx``.
        threads: Threads of one network call on the CPU.
        providers: Who runs the network, the preferred one first.
        precision: Of the graphs, see red_align.engine.variants; None for those that the folder itself holds.
        max_batch: Most faces in one network call.
        idle_s: Seconds after which an unused sequence gives up its slot.
        max_sequences: Most sequences that hold a slot at once.
        clock: Seconds that grow.
        on_batch: Called with the number of faces of each call of the step graph, in the thread that runs it.

    Raises:
        ModelMismatch: A file is missing or does not keep the tensor contract, or is of another precision.
        ProviderUnavailable: A provider cannot be used.
    """

    def __init__(
        self,
        folder: Path,
        *,
        threads: int = 1,
        providers: Sequence[Chosen] = (Chosen(CPU),),
        precision: Precision | None = None,
        max_batch: int = 16,
        idle_s: float = 30.0,
        max_sequences: int = 1024,
        clock: Callable[[], float] = time.monotonic,
        on_batch: Callable[[float], None] | None = None,
    ) -> None:
        graphs = variant_folder(folder, precision)
        self._step = OnnxGraph(
            graphs / f"{contract.STEP_GRAPH}.onnx", contract.STEP_INPUTS, contract.STEP_OUTPUTS, threads, providers
        )
        self._acquire = OnnxGraph(
            graphs / f"{contract.ACQUIRE_GRAPH}.onnx",
            *(contract.ACQUIRE_INPUTS, contract.ACQUIRE_OUTPUTS, threads, providers),
        )
        step, acquire = self._step.info, self._acquire.info
        if replace(step, providers=()) != replace(acquire, providers=()):
            raise ModelMismatch(f"the two graphs in {graphs} differ: {step} and {acquire}")
        require_precision(step, precision, folder)
        self._info = replace(step, providers=tuple(dict.fromkeys(step.providers + acquire.providers)))
        self._fresh: Array = np.zeros(self._info.memory_size, np.float32)
        self._idle_s, self._max_sequences, self._clock, self._on_batch = idle_s, max_sequences, clock, on_batch
        self._slots: OrderedDict[str, _Slot] = OrderedDict()  # the longest unused first
        self._lock = threading.Lock()
        # On a CPU a batch takes as long as its faces one after another, calls on two cores half as long; more of them
        # would fight for the cores. Elsewhere batches are what fills a device.
        at_once = max(usable_cores() // threads, 1) if self._info.providers == (CPU,) else 1
        self._calls: Batcher[_Call, StepResult] = Batcher(self._run, max_batch, at_once)

    @property
    def info(self) -> ModelInfo:
        """The loaded model."""
        return self._info

    @property
    def sequences(self) -> int:
        """Sequences that hold a slot now."""
        with self._lock:
            self._expire()
            return len(self._slots)

    def start(self) -> None:
        """See Engine.start: the model was loaded when this was made."""

    def submit(self, request: StepRequest) -> Future[StepResult]:
        """See Engine.submit."""
        call = self._tried(request)
        if isinstance(call, _Call):
            return self._calls.submit(call)
        refused: Future[StepResult] = Future()
        refused.set_exception(call)
        return refused

    def run(self, requests: Sequence[StepRequest]) -> list[StepResult | RedAlignError]:
        """See Engine.run: in the caller's thread where a core is free for it."""
        admitted = [self._tried(request) for request in requests]
        calls = [call for call in admitted if isinstance(call, _Call)]
        answered: Iterator[StepResult | RedAlignError]
        try:
            answered = iter(self._calls.answer(calls))
        except RedAlignError as error:
            answered = repeat(error)
        return [next(answered) if isinstance(call, _Call) else call for call in admitted]

    def end(self, sequence: str) -> None:
        """See Engine.end."""
        with self._lock:
            self._slots.pop(sequence, None)

    def close(self) -> None:
        """See Engine.close."""
        self._calls.close()
        with self._lock:
            self._slots.clear()

    def _tried(self, request: StepRequest) -> _Call | RedAlignError:
        if not request.sequence:
            return _Call(request)
        try:
            return self._admitted(request)
        except RedAlignError as error:
            return error

    def _admitted(self, request: StepRequest) -> _Call:
        """The call of a sequence that holds a slot from here on."""
        with self._lock:
            self._expire()
            slot = self._slots.get(request.sequence)
            if slot is None:
                if not request.start and request.memory is None:
                    raise SequenceUnknown(f"sequence {request.sequence} was not started, or its memory has expired")
                if len(self._slots) >= self._max_sequences:
                    raise Overloaded(f"{self._max_sequences} sequences are in use", limit="max_sequences")
                slot = self._slots[request.sequence] = _Slot(None, self._clock())
            start = request.start or slot.state is None
            return _Call(request, slot.state, start, resumed=start and not request.start)

    def _expire(self) -> None:
        limit = self._clock() - self._idle_s
        while self._slots and next(iter(self._slots.values())).used < limit:
            self._slots.popitem(last=False)

    def _run(self, calls: Sequence[_Call]) -> list[StepResult]:
        """One batch: steps and acquisitions, each kind in one network call."""
        steps = [call for call in calls if call.request.sequence]
        if len(steps) == len(calls):
            return self._run_steps(steps)
        others = [call for call in calls if not call.request.sequence]
        stepped = iter(self._run_steps(steps) if steps else [])
        acquired = iter(self._run_acquisitions(others))
        return [next(stepped if call.request.sequence else acquired) for call in calls]

    def _run_acquisitions(self, calls: Sequence[_Call]) -> list[StepResult]:
        out = self._acquire.run(self._inputs(calls))
        return [_result(out, row, False) for row in range(len(calls))]

    def _run_steps(self, calls: Sequence[_Call]) -> list[StepResult]:
        if self._on_batch is not None:
            self._on_batch(len(calls))
        tensors = self._inputs(calls)
        tensors[contract.START] = np.array([[float(call.start)] for call in calls], np.float32)
        tensors[contract.STATE] = _stacked([self._fresh if c.state is None else c.state for c in calls])
        out = self._step.run(tensors)
        with self._lock:
            for row, call in enumerate(calls):
                if call.request.sequence in self._slots:  # else it was ended meanwhile
                    self._slots[call.request.sequence] = _Slot(_row(out[contract.NEXT_STATE], row), self._clock())
                    self._slots.move_to_end(call.request.sequence)
        return [_result(out, row, call.resumed) for row, call in enumerate(calls)]

    def _inputs(self, calls: Sequence[_Call]) -> dict[str, NDArray[np.generic]]:
        requests = [call.request for call in calls]
        return {
            contract.CROP: _stacked([r.crop for r in requests]),
            contract.PRIOR: _stacked([np.asarray(r.prior, np.float32).reshape(-1) for r in requests]),
            contract.RESUME: _stacked([self._fresh if r.memory is None else r.memory for r in requests]),
        }


def _stacked(rows: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Rows as a batch; a lone one is not copied."""
    return rows[0][None] if len(rows) == 1 else np.stack(rows)


def _row(values: Array, row: int) -> Array:
    """One face's part of a batch; copied out of more than one, so that a kept row does not hold the whole batch."""
    only: Array = values[0] if len(values) == 1 else values[row].copy()
    return only


def _result(out: dict[str, Array], row: int, resumed: bool) -> StepResult:
    points = _row(out[contract.LANDMARKS], row).reshape(-1, 2)
    return StepResult(points, _row(out[contract.CONFIDENCE], row), _row(out[contract.MEMORY], row), resumed)
