"""The engine's interface: who runs network steps and keeps the memory of sequences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from red_align.schemes import PointScheme

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What a loaded model says of itself."""

    preset: str
    training_run: str
    contract_version: int
    scheme: PointScheme
    memory_size: int
    engine: str


@dataclass(frozen=True, slots=True)
class StepResult:
    """One face of one frame: points float32 [L, 2] in crop pixels, confidence [L], memory [S].

    ``resumed`` where the memory's holder was lost and the sequence was begun again with what was kept.
    """

    points: Array
    confidence: Array
    memory: Array
    resumed: bool = False


class Engine(Protocol):
    """Runs network steps. All calls of one sequence come one after another; sequences run side by side."""

    @property
    def info(self) -> ModelInfo:
        """The loaded model; NotReady before one was reached."""
        ...

    @property
    def sequences(self) -> int:
        """Sequences that are under way."""
        ...

    async def start(self) -> None:
        """Reach the model, however long that takes; raises ModelMismatch where it keeps another contract."""
        ...

    async def acquire(self, crop: NDArray[np.uint8], prior: Array, resume: Array | None = None) -> StepResult:
        """Find the points of a face without a last frame. Crop uint8 [128, 128, 3], prior [L, 2] in its pixels."""
        ...

    async def step(
        self, sequence: str, crop: NDArray[np.uint8], prior: Array, *, start: bool = False, resume: Array | None = None
    ) -> StepResult:
        """Follow a face by one frame.

        ``start`` begins the sequence with the memory ``resume`` (zeros if None). Raises SequenceUnknown when
        neither started nor known.
        """
        ...

    async def end(self, sequence: str) -> None:
        """Forget a sequence; unknown ones are no error."""
        ...

    async def close(self) -> None:
        """Stop; calls that wait are refused."""
        ...
