"""Engines that tests script or drive by hand."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

import numpy as np

from red_align.contract import CONTRACT_VERSION
from red_align.engine.base import Array, Engine, ModelInfo, StepRequest, StepResult, run_submitted
from red_align.errors import Overloaded, RedAlignError, SequenceUnknown
from red_align.geometry import FaceBox, FaceRegion
from red_align.schemes import IBUG68
from red_align.tracking.detector import Detection

MEAN = IBUG68.mean_shape.astype(np.float32)
INFO = ModelInfo("none", "none", CONTRACT_VERSION, IBUG68, 4, "scripted")


def acquire(engine: Engine, crop: Any, prior: Array, memory: Array | None = None) -> StepResult:
    """One acquisition, waited for."""
    return engine.submit(StepRequest(crop, prior, memory)).result()


def step(
    engine: Engine, sequence: str, crop: Any, prior: Array, memory: Array | None = None, *, start: bool = False
) -> StepResult:
    """One step, waited for."""
    return engine.submit(StepRequest(crop, prior, memory, sequence, start)).result()


class AnsweringEngine:
    """Answers at once, in the submitter's thread, by ``answer_step`` and ``answer_acquire``."""

    info = INFO
    sequences = 0

    def start(self) -> None:
        """See Engine."""

    def submit(self, request: StepRequest) -> Future[StepResult]:
        """See Engine."""
        future: Future[StepResult] = Future()
        try:
            future.set_result(self.answer_step(request) if request.sequence else self.answer_acquire(request))
        except RedAlignError as error:
            future.set_exception(error)
        return future

    def run(self, requests: Sequence[StepRequest]) -> list[StepResult | RedAlignError]:
        """See Engine.run."""
        return run_submitted(self, requests)

    def answer_step(self, request: StepRequest) -> StepResult:
        """The answer to a step."""
        raise AssertionError("no step was expected")

    def answer_acquire(self, request: StepRequest) -> StepResult:
        """The answer to an acquisition."""
        raise AssertionError("no acquisition was expected")

    def end(self, sequence: str) -> None:
        """See Engine."""

    def close(self) -> None:
        """See Engine."""


class ScriptedEngine(AnsweringEngine):
    """Points are the mean shape; confidence is what the test says. Memory counts the steps of a sequence.

    ``slots`` bounds the sequences; ``forgotten`` are those that it loses before their next step.
    """

    def __init__(self, slots: int = 99) -> None:
        self.step_confidence = self.acquire_confidence = 0.9
        self.memories: dict[str, Array] = {}
        self.started: list[str] = []
        self.acquired = 0
        self.first_points = MEAN  # of the first acquisition
        self.slots = slots

    def answer_acquire(self, request: StepRequest) -> StepResult:
        assert np.array_equal(request.prior, MEAN)
        self.acquired += 1
        memory = np.full(4, 100.0, np.float32) if request.memory is None else request.memory + 1000
        points = self.first_points if self.acquired == 1 else MEAN
        return StepResult(points, np.full(68, self.acquire_confidence, np.float32), memory)

    def answer_step(self, request: StepRequest) -> StepResult:
        assert request.prior.shape == (68, 2)
        name, lost = request.sequence, request.sequence not in self.memories
        if request.start or lost:
            if request.memory is None:
                raise SequenceUnknown(name)
            if lost and len(self.memories) >= self.slots:
                raise Overloaded(f"{self.slots} sequences are in use", limit="max_sequences")
            self.started.append(name)
            self.memories[name] = request.memory
        self.memories[name] = self.memories[name] + 1
        confidence = np.full(68, self.step_confidence, np.float32)
        return StepResult(MEAN, confidence, self.memories[name], resumed=lost and not request.start)

    def end(self, sequence: str) -> None:
        self.memories.pop(sequence, None)


class ScriptedDetector:
    """Gives the detections that the test put there, and counts the calls."""

    def __init__(self) -> None:
        self.found: list[Detection] = []
        self.calls = 0

    def detect(self, image: np.ndarray[Any, Any]) -> list[Detection]:
        """See Detector."""
        self.calls += 1
        return list(self.found)


def detection(cx: float, cy: float, side: float = 60.0, score: float = 0.9) -> Detection:
    """A face whose region is a square of this side."""
    half = side / 2.8
    return Detection(FaceBox(cx - half, cy - half, 2 * half, 2 * half), score, FaceRegion(cx, cy, side, 0.0))
