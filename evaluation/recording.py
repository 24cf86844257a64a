"""An engine that also answers, for every tracked step, what the network says without prior and memory."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from red_align.engine.base import Array, Engine, ModelInfo, StepRequest, StepResult, run_submitted
from red_align.errors import RedAlignError
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

    def start(self) -> None:
        """See Engine.start."""
        self._inner.start()

    def submit(self, request: StepRequest) -> Future[StepResult]:
        """Passed on; after a step the crop alone as well: all passes from the mean shape, fresh memory."""
        future = self._inner.submit(request)
        if request.sequence:
            prior = self.info.scheme.mean_shape.astype(np.float32)
            alone = self._inner.submit(StepRequest(request.crop, prior))
            self._last = (future.result().points, alone.result().points)
        return future

    def run(self, requests: Sequence[StepRequest]) -> list[StepResult | RedAlignError]:
        """See Engine.run."""
        return run_submitted(self, requests)

    def end(self, sequence: str) -> None:
        """Passed on."""
        self._inner.end(sequence)

    def close(self) -> None:
        """Passed on."""
        self._inner.close()

    def take(self, result: FrameResult) -> Pair | None:
        """The pair of the frame that was just answered; None where its face does not come from a step.

        The transform from crop to frame is that from the step's points to the answer's, which differ by nothing else.
        """
        last, self._last = self._last, None
        if last is None or not result.faces:
            return None
        tracked = np.asarray(result.faces[0].landmarks.points, np.float64)
        transform = fit_similarity(last[0], tracked)
        if np.abs(transform.apply(last[0]) - tracked).max() > 0.01:
            return None  # The tracker acquired the face once more.
        return Pair(tracked, transform.apply(last[1]))
