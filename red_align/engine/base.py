"""The engine's interface: who runs network steps and keeps the memory of sequences."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from red_align.errors import RedAlignError
from red_align.schemes import PointScheme

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What a loaded model says of itself.

    Attributes:
        preset: Name of the network's sizes, such as ``edge``.
        training_run: Name of the run that made the weights.
        contract_version: Version of the tensor contract (see ``red_align.contract``).
        scheme: Points that it gives.
        memory_size: S, floats of recurrent memory.
        engine: ``embedded`` or ``triton``.
        precision: ``fp32``, ``fp16`` or ``int8``, of the graphs.
        providers: Execution providers that run nodes of them, such as ``cuda``, the one with the most first; empty
            where a server runs them.
    """

    preset: str
    training_run: str
    contract_version: int
    scheme: PointScheme
    memory_size: int
    engine: str
    precision: str = "fp32"
    providers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StepRequest:
    """One network step: one frame of one face.

    Attributes:
        crop: RGB uint8 [128, 128, 3].
        prior: float32 [L, 2], crop pixels: the last frame's points, or the mean shape where there is no last frame.
        memory: float32 [S] of the last answer to this face, None for a fresh one. A sequence begins with it; one that
            the engine has lost goes on with it.
        sequence: The face's sequence. Without one this is an acquisition: the points of a face without a last frame.
        start: Whether the sequence begins, or begins anew, here.
    """

    crop: NDArray[np.uint8]
    prior: Array
    memory: Array | None = None
    sequence: str = ""
    start: bool = False


@dataclass(frozen=True, slots=True)
class StepResult:
    """The answer to one step.

    Attributes:
        points: float32 [L, 2], crop pixels.
        confidence: float32 [L], 0 to 1.
        memory: float32 [S], to be handed back with the next request.
        resumed: Whether the engine had lost the sequence and went on with the request's memory.
    """

    points: Array
    confidence: Array
    memory: Array
    resumed: bool = False


class Engine(Protocol):
    """Runs network steps. Requests of one sequence come one after another; sequences run side by side.

    All methods may be called from any thread.
    """

    @property
    def info(self) -> ModelInfo:
        """The loaded model; raises NotReady before one was reached."""
        ...

    @property
    def sequences(self) -> int:
        """Sequences that hold a slot now."""
        ...

    def start(self) -> None:
        """Reach the model, however long that takes; raises ModelMismatch where it keeps another contract."""
        ...

    def submit(self, request: StepRequest) -> Future[StepResult]:
        """Run one step.

        Args:
            request: What to run.

        Returns:
            Its answer. The future raises Overloaded where no slot is free for a sequence, SequenceUnknown where the
            sequence is not known and the request brings no memory, NotReady where the engine is closed or unreachable.
        """
        ...

    def run(self, requests: Sequence[StepRequest]) -> list[StepResult | RedAlignError]:
        """Run the steps of one frame and wait for them, in the caller's thread where the engine can.

        Args:
            requests: One a face.

        Returns:
            In their order, the answer or the domain error that ``submit``'s future would raise. Any other error is
            raised here.
        """
        ...

    def end(self, sequence: str) -> None:
        """Forget a sequence and free its slot; unknown ones are no error."""
        ...

    def close(self) -> None:
        """Stop; requests that wait are refused."""
        ...


def run_submitted(engine: Engine, requests: Sequence[StepRequest]) -> list[StepResult | RedAlignError]:
    """``Engine.run`` by way of ``submit``."""
    futures = [engine.submit(request) for request in requests]
    wait(futures)
    answers: list[StepResult | RedAlignError] = []
    for future in futures:
        try:
            answers.append(future.result())
        except RedAlignError as error:
            answers.append(error)
    return answers
