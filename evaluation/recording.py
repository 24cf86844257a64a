"""An engine that also answers, for every tracked step, what the network says without prior and memory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from red_align.engine.base import Array, Engine, ModelInfo, StepResult
from red_align.frames import FrameResult
from red_align.geometry import fit_similarity


@dataclass(frozen=True)
class Pair:
    """The same crop twice, in frame pixels [L, 2]: as a step of the track, and as a single picture."""

    tracked: NDArray[np.float64]
    still: NDArray[np.float64]


class RecordingEngine:
    """Implements red_align.engine.base.Engine over another one; for one face at a time."""

    def __init__(self, inner: Engine) -> None:
        self._inner = inner
        self._last: tuple[Array, Array] | None = None

    @property
    def info(self) -> ModelInfo:
        """The inner engine's."""
        return self._inner.info

    @property
    def sequences(self) -> int:
        """The inner engine's."""
        return self._inner.sequences

    async def start(self) -> None:
        """See Engine.start."""
        await self._inner.start()

    async def acquire(self, crop: NDArray[np.uint8], prior: Array, resume: Array | None = None) -> StepResult:
        """Passed on."""
        return await self._inner.acquire(crop, prior, resume)

    async def step(
        self, sequence: str, crop: NDArray[np.uint8], prior: Array, *, start: bool = False, resume: Array | None = None
    ) -> StepResult:
        """Passed on, and then the crop alone: all passes from the mean shape, fresh memory."""
        result = await self._inner.step(sequence, crop, prior, start=start, resume=resume)
        alone = await self._inner.acquire(crop, self.info.scheme.mean_shape.astype(np.float32))
        self._last = (result.points, alone.points)
        return result

    async def end(self, sequence: str) -> None:
        """Passed on."""
        await self._inner.end(sequence)

    async def close(self) -> None:
        """Passed on."""
        await self._inner.close()

    def take(self, result: FrameResult) -> Pair | None:
        """The pair of the frame that was just answered; None where its face does not come from a step.

        The way from crop to frame is that from the step's points to the answer's, which differ by nothing else.
        """
        last, self._last = self._last, None
        if last is None or not result.faces:
            return None
        tracked = np.asarray(result.faces[0].landmarks.points, np.float64)
        way = fit_similarity(last[0], tracked)
        if np.abs(way.apply(last[0]) - tracked).max() > 0.01:
            return None  # The session looked again.
        return Pair(tracked, way.apply(last[1]))
