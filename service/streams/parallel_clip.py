"""One opened clip whose parts are tracked side by side."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import anyio

from red_align.clip.parallel import ParallelRun
from red_align.crop import Picture
from red_align.errors import RedAlignError
from red_align.frames import FrameResult, StreamEnd, VideoInfo
from red_align.tracking.options import Observer
from red_align.tracking.tracker import Tracker
from service.observability.metrics import Metrics
from service.streams.clip import FIRST_FRAMES, ClipRun
from service.streams.threads import ThreadCalls

if TYPE_CHECKING:
    from red_align.tracking.feature_stage import FeatureStage

TIMES = ("step_s", "detect_s")
"""What parts observe. Tracks are counted in none: those of two parts may be one."""


class ParallelClipRun(ClipRun):
    """As ClipRun, but without a state to go on from.

    Args:
        run: Tracks the parts; closed with it.
        calls: Threads to block in.
        metrics: What is counted.
        stage: See ClipRun.
    """

    def __init__(
        self, run: ParallelRun, calls: ThreadCalls, metrics: Metrics, stage: FeatureStage | None = None
    ) -> None:
        self._run, self._calls, self._metrics, self._stage = run, calls, metrics, stage
        self._rate_limit = None
        self._first, self._over, self.answered = [], False, 0

    @property
    def video(self) -> VideoInfo:
        """See ClipRun."""
        return self._run.video

    @property
    def end(self) -> StreamEnd:
        """See ClipRun."""
        return StreamEnd(self._run.complete, self.answered, tuple(self._run.warnings))

    def _tracked(self) -> tuple[FrameResult, Picture | None] | None:
        """See ClipRun."""
        if self._over:
            return None
        try:
            result = self._run.next()
        except RedAlignError as error:
            if self.answered < FIRST_FRAMES:
                raise
            self._run.complete = False
            self._run.warnings.append(error.message)
            result = None
        if result is None:
            self._over = True
            return None
        self._metrics.answered(result)
        self.answered += 1
        return result, None

    async def close(self) -> None:
        """See ClipRun."""
        with anyio.CancelScope(shield=True):
            await self._calls.settled()
            await self._calls(self._run.close)


def times_only(make_tracker: Callable[[Observer], Tracker], metrics: Metrics) -> Callable[[], Tracker]:
    """Trackers of parts, which observe TIMES alone.

    Args:
        make_tracker: From who observes it to a tracker.
        metrics: Takes the times.
    """

    def observe(name: str, value: float) -> None:
        if name in TIMES:
            metrics.observe(name, value)

    return lambda: make_tracker(observe)
