"""One live stream: frames are answered one after another, each of them, each by one call in a worker thread."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from time import perf_counter

import anyio
import numpy as np
from numpy.typing import NDArray

from red_align.errors import BadFrame, Overloaded, RedAlignError
from red_align.frames import Frame, FrameResult, FrameStatus, StreamEnd
from red_align.media.decode_pool import DecodePool
from red_align.media.isolated import PendingFrame
from red_align.media.reader import DecodeLimits
from red_align.tracking.state import TrackerState
from red_align.tracking.tracker import Tracker
from service.observability.metrics import Metrics
from service.streams.threads import ThreadCalls


class LiveRun:
    """An open stream. All methods but ``close`` block, and are called one after another (see ``calls``).

    Args:
        decoders: Decode its frames, in processes of their own.
        limits: Bounds of a frame.
        tracker: Follows its faces.
        calls: Threads to block in.
        seal: Makes the resume token of a state.
        first_index: Number of its first frame.
        rate_limit: Awaited before a frame is processed.
        intake_limit: Awaited after a frame was read from the wire.
        spend: Told the pixels of each frame that was decoded.
        metrics: What is counted.
    """

    def __init__(
        self,
        decoders: DecodePool,
        limits: DecodeLimits,
        tracker: Tracker,
        calls: ThreadCalls,
        seal: Callable[[TrackerState], str],
        *,
        first_index: int = 0,
        rate_limit: Callable[[], Awaitable[None]] | None = None,
        intake_limit: Callable[[], Awaitable[None]] | None = None,
        spend: Callable[[int], None] | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        self._decoders, self._limits, self._tracker, self._seal = decoders, limits, tracker, seal
        self._first_index = self.next_index = first_index
        self._metrics = metrics or Metrics()
        self._ahead: PendingFrame | None = None
        self._spend, self._pixels = spend, 0  # of the last frame, as a guess at the next one's
        self.calls, self.rate_limit, self.intake_limit = calls, rate_limit, intake_limit
        self.dropped_count = 0

    @property
    def end(self) -> StreamEnd:
        """How many frames were answered and dropped, and the token to go on from."""
        warnings = tuple(self._tracker.warnings)
        return StreamEnd(True, self.answered, warnings, dropped_count=self.dropped_count, resume_token=self.token)

    @property
    def answered(self) -> int:
        """Frames answered, dropped ones among them."""
        return self.next_index - self._first_index

    @property
    def state(self) -> TrackerState:
        """What the stream is after its last answer."""
        return self._tracker.state(self.next_index)

    @property
    def token(self) -> str:
        """Lets the stream go on anywhere, with the frame ``next_index``."""
        return self._seal(self.state)

    def encoded(self, data: bytes, time_s: float, following: bytes = b"") -> FrameResult:
        """Answer a JPEG, PNG or WebP.

        Args:
            data: Its bytes.
            time_s: Its time, seconds.
            following: The frame after it, where it waits already: it decodes while this one is processed.
        """
        began = perf_counter()
        pending, self._ahead = self._ahead, None
        if pending is not None and pending.data != data:
            pending.release()
            pending = None
        with pending or self._decoders.begin_frame(data, self._limits, self._pixels) as frame:
            if following:
                self._ahead = self._decoders.begin_frame_ahead(following, self._limits, self._pixels)
            try:
                image = frame.image()
            except RedAlignError as error:
                return self.broken(error, time_s)
            finally:
                self._metrics.decode.observe(perf_counter() - began)
            self._pixels = image.shape[0] * image.shape[1]
            return self._answer(image, time_s)

    def raw(self, data: bytes, width: int, height: int, time_s: float) -> FrameResult:
        """Answer raw RGB.

        Args:
            data: height * width * 3 bytes.
            width: Pixels.
            height: Pixels.
            time_s: Its time, seconds.
        """
        try:
            image = _raw_image(data, width, height, self._limits)
        except RedAlignError as error:
            return self.broken(error, time_s)
        return self._answer(image, time_s)

    def broken(self, error: RedAlignError, time_s: float) -> FrameResult:
        """Answer a frame that did not decode.

        Args:
            error: Why.
            time_s: Its time, seconds.
        """
        return self._counted(self._tracker.process(Frame(self.next_index, time_s, None, error)))

    def dropped(self, time_s: float) -> FrameResult:
        """Answer a frame that is left out.

        Args:
            time_s: Its time, seconds.
        """
        self.dropped_count += 1
        return self._counted(FrameResult(self.next_index, time_s, FrameStatus.DROPPED))

    async def close(self) -> None:
        """Decode no more and give back the engine's slots; the data plane does."""
        with anyio.CancelScope(shield=True):
            await self.calls.settled()
            if self._ahead is not None:
                await self.calls(self._ahead.release)
                self._ahead = None
            await self.calls(self._tracker.close)

    def _answer(self, image: NDArray[np.uint8], time_s: float) -> FrameResult:
        if not (np.isfinite(time_s) and time_s >= 0):
            return self.broken(BadFrame(f"time_s is {time_s}, it must be finite and not negative"), time_s)
        if self._spend is not None:
            self._spend(image.shape[0] * image.shape[1])
        try:
            result = self._tracker.process(Frame(self.next_index, time_s, image))
        except Overloaded as error:
            # At its first face the stream is refused. Later a full engine is this frame's error: a face that gave up
            # its slot in a pause goes on as soon as there is one again.
            if self.answered < 2:
                raise
            result = FrameResult(self.next_index, time_s, FrameStatus.ERROR, error=error)
        return self._counted(result)

    def _counted(self, result: FrameResult) -> FrameResult:
        self._metrics.answered(result)
        self.next_index += 1
        return result


def _raw_image(data: bytes, width: int, height: int, limits: DecodeLimits) -> NDArray[np.uint8]:
    if width < 1 or height < 1:
        raise BadFrame(f"a raw frame of {width}x{height} has no pixels")
    limits.check(width, height)
    if len(data) != width * height * 3:
        raise BadFrame(f"a raw frame of {width}x{height} has {width * height * 3} bytes, {len(data)} came")
    return np.frombuffer(data, np.uint8).reshape(height, width, 3)
