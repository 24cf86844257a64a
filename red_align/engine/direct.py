"""The embedded engine without a thread of its own: each call runs in its caller's thread."""

from __future__ import annotations

from concurrent.futures import Future
from functools import cache

from red_align.engine.base import StepRequest, StepResult
from red_align.engine.default import PRESET, WEIGHTS
from red_align.engine.onnx_engine import OnnxEngine
from red_align.errors import NotReady, RedAlignError


class DirectEngine(OnnxEngine):
    """As OnnxEngine, for callers that have threads of their own, one for each core or so; nothing is batched.

    On a CPU a batch takes about as long as its faces one after another, and two calls at once half as long.
    """

    def submit(self, request: StepRequest) -> Future[StepResult]:
        """See Engine.submit; the future is done."""
        future: Future[StepResult] = Future()
        try:
            if self._ended:
                raise NotReady("the engine is closed")
            future.set_result(self.answer(request))
        except RedAlignError as error:
            future.set_exception(error)
        return future

    def close(self) -> None:
        """See Engine.close."""
        self._ended = True
        super().close()

    _ended = False


@cache
def direct_engine() -> DirectEngine:
    """The weights that come with the package; one such engine for the whole process."""
    return DirectEngine(WEIGHTS / PRESET)
