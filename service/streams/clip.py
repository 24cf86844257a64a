"""One opened clip: decoded and answered frame by frame."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import replace
from time import perf_counter
from typing import TYPE_CHECKING, TypeVar

import anyio

from red_align.crop import Picture
from red_align.errors import RedAlignError
from red_align.formats.base import Writer
from red_align.frames import Frame, FrameResult, StreamEnd, VideoInfo
from red_align.media.reader import Reader
from red_align.tracking.state import TrackerState
from red_align.tracking.tracker import Tracker
from service.observability.metrics import Metrics
from service.streams.threads import ThreadCalls

if TYPE_CHECKING:
    from red_align.tracking.feature_stage import FeatureStage

T = TypeVar("T")
TOGETHER_S = 0.02
"""Answers of this time are handed over together: a client hardly sees that they come in bursts."""
FIRST_FRAMES = 2
"""Frames that must be answered before an answer begins: what refuses them has a status of its own."""


class ClipRun:
    """One opened clip: its size at once, its answers frame by frame, and its end after them.

    ``next``, ``end`` and ``state`` block; ``begin``, ``results`` and ``pieces`` call them in threads.

    Args:
        reader: The opened file.
        tracker: Follows its faces.
        calls: Threads to block in.
        stride: Every stride-th frame is answered.
        first_index: Number of the clip's first frame in its stream.
        seal: Makes the resume token of a state; None where no token is wanted.
        rate_limit: Awaited before each frame; None where frames are not limited.
        spend: Told the pixels that were decoded, those of frames that the stride leaves out among them.
        metrics: What is counted.
        stage: Adds features to results; None where none are wanted.
    """

    def __init__(
        self,
        reader: Reader,
        tracker: Tracker,
        calls: ThreadCalls,
        *,
        stride: int = 1,
        first_index: int = 0,
        seal: Callable[[TrackerState], str] | None = None,
        rate_limit: Callable[[], Awaitable[None]] | None = None,
        spend: Callable[[int], None] | None = None,
        metrics: Metrics | None = None,
        stage: FeatureStage | None = None,
    ) -> None:
        self._reader, self._tracker, self._calls, self._stage = reader, tracker, calls, stage
        self._frames = reader.frames(stride, planes=True)
        self._first_index = self._next_index = first_index
        self._seal, self._rate_limit, self._metrics = seal, rate_limit, metrics or Metrics()
        self._first: list[FrameResult] = []
        self._over = False
        self._spend, self._decoded_count = spend, 0
        self.answered = 0

    @property
    def video(self) -> VideoInfo:
        """Size and rate."""
        return self._reader.info

    @property
    def end(self) -> StreamEnd:
        """How it ended; final once ``next`` gave None."""
        token = self._seal(self.state) if self._seal is not None else ""
        warnings = (*self._reader.warnings, *self._tracker.warnings)
        return StreamEnd(self._reader.complete, self.answered, warnings, resume_token=token)

    @property
    def state(self) -> TrackerState:
        """What the stream is after the last answer."""
        return self._tracker.state(self._next_index)

    def next(self) -> FrameResult | None:
        """Decode and answer the next frame; None after the last one.

        Raises:
            RedAlignError: One of the first frames was refused. Later the clip ends instead, incomplete, with a warning.
        """
        if self._stage is not None:
            return self._stage.next(self._tracked, (self.video.width, self.video.height))
        taken = self._tracked()
        return None if taken is None else taken[0]

    def _tracked(self) -> tuple[FrameResult, Picture | None] | None:
        """The next result, without features, and its frame."""
        if self._over:
            return None
        try:
            frame = self._decoded()
        except RedAlignError as error:  # such as a frame that grew beyond the limit in mid-clip
            self._break_off(error)
            return None
        if frame is None:
            self._over = True
            self._next_index = self._first_index + self._reader.count  # with those that the stride left out
            return None
        try:
            return self._answer(frame), frame.picture
        except RedAlignError as error:
            if self.answered < FIRST_FRAMES:
                raise
            self._break_off(error)
            return None

    def _break_off(self, error: RedAlignError) -> None:
        self._over = True
        self._reader.complete = False
        self._reader.warnings.append(error.message)

    def _decoded(self) -> Frame | None:
        began = perf_counter()
        try:
            frame = next(self._frames, None)
        finally:
            self._metrics.decode.observe(perf_counter() - began)
        if self._spend is not None:
            count = self._reader.count if frame is None else frame.index + 1
            self._spend((count - self._decoded_count) * self.video.width * self.video.height)
            self._decoded_count = count
        return frame

    def _answer(self, frame: Frame) -> FrameResult:
        result = self._tracker.process(replace(frame, index=self._first_index + frame.index))
        self._metrics.answered(result)
        self.answered += 1
        self._next_index = result.index + 1
        return result

    async def begin(self) -> None:
        """Answer two frames ahead of ``results``: what refuses them can then be raised before an answer began.

        A face that the first one shows takes its slot in the engine with the second.
        """
        while len(self._first) < FIRST_FRAMES and (result := await self._limited(self.next)) is not None:
            self._first.append(result)

    async def results(self, encode: Callable[[FrameResult], T]) -> AsyncGenerator[list[T]]:
        """The answers, those of some milliseconds together; can be had once.

        Waking a thread and the event loop for every single frame takes as long as a quarter of a network step.

        Args:
            encode: From a result to what is sent of it; called in the thread that made it.
        """

        def encoded() -> list[T]:
            values: list[T] = []
            # Where frames are limited each of them waits for its turn.
            until = perf_counter() + (TOGETHER_S if self._rate_limit is None else 0.0)
            while (result := self._first.pop(0) if self._first else self.next()) is not None:
                values.append(encode(result))
                if perf_counter() >= until:
                    break
            return values

        while values := await self._limited(encoded):
            yield values

    async def pieces(self, writer: Writer) -> AsyncGenerator[bytes]:
        """The whole answer as a writer writes it."""
        yield writer.begin(self.video)
        async for pieces in self.results(writer.frame):
            yield b"".join(pieces)
        yield await self.ended(writer.finish)

    async def ended(self, encode: Callable[[StreamEnd], T]) -> T:
        """How it ended, encoded in a thread; to be had after ``results``.

        Args:
            encode: From the end to what is sent of it.
        """
        return await self._calls(lambda: encode(self.end))

    async def _limited(self, work: Callable[[], T]) -> T:
        if self._rate_limit is not None and not self._first:
            await self._rate_limit()
        return await self._calls(work)

    async def close(self) -> None:
        """Stop wherever it is, and give back decoder and slots; the data plane does."""
        with anyio.CancelScope(shield=True):
            await self._calls.settled()
            await self._calls(self._tracker.close)
            await self._calls(self._reader.close)
