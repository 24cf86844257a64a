"""The session of a live stream, whatever carries it: one answer a frame, a token now and then, and how it ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from red_align.errors import BadFrame, GoingAway
from red_align.frames import FrameResult, StreamEnd
from service.streams.frame_queue import FrameQueue, LiveFrame, Waiting
from service.streams.live import LiveRun
from service.streams.options import LiveFlow

RESUME_EVERY = 15
"""Frames between two resume tokens where the client does not say."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Shapes(Generic[T]):
    """Makes the messages of a stream; called in worker threads.

    Attributes:
        frame: Of a result, and the resume token that comes with it or "".
        going_away: Of the resume token, and the number of the frame to go on with.
        end: Of how the stream ended.
    """

    frame: Callable[[FrameResult, str], T]
    going_away: Callable[[str, int], T]
    end: Callable[[StreamEnd], T]


class LiveSession:
    """An open live stream and the queue that its frames come through; made by the data plane.

    Args:
        stream: Answers frames.
        queue: Frames that wait.
        draining: Set when the service shuts down.
        flow: What the client chose.
        on_wait: Told the seconds that each frame waited.
    """

    def __init__(
        self,
        stream: LiveRun,
        queue: FrameQueue,
        draining: asyncio.Event,
        flow: LiveFlow,
        on_wait: Callable[[float], None],
    ) -> None:
        self._stream, self._queue, self._draining, self._on_wait = stream, queue, draining, on_wait
        self._resume_every = flow.resume_every or RESUME_EVERY
        self._first = stream.next_index

    @property
    def next_index(self) -> int:
        """Number of the frame that is answered next."""
        return self._stream.next_index

    async def last_time_s(self) -> float | None:
        """Time of the last frame that was answered, also before this session, seconds; None where there was none."""
        return await self._stream.calls(lambda: self._stream.state.time_s)

    async def answers(self, shapes: Shapes[T]) -> AsyncGenerator[T]:
        """All messages of the stream, in order.

        Args:
            shapes: Makes them.

        Yields:
            One a frame; then its end, or that the service is going away.

        Raises:
            GoingAway: After that last message.
            RedAlignError: What went wrong with the stream itself.
        """
        stream = self._stream
        while (waiting := await self._queue.next()) is not None:
            self._on_wait(waiting.waited_s)
            if stream.rate_limit is not None and waiting.frame is not None:
                await stream.rate_limit()
            following = self._queue.following()
            yield await stream.calls(lambda: self._answer(waiting, following, shapes))  # noqa: B023 - awaited at once
        if self._draining.is_set():
            yield await stream.calls(lambda: shapes.going_away(stream.token, stream.next_index))
            raise GoingAway("the service is draining")
        yield await stream.calls(lambda: shapes.end(stream.end))

    def _answer(self, waiting: Waiting, following: LiveFrame | None, shapes: Shapes[T]) -> T:
        """The message of one frame; ``following`` is decoded meanwhile."""
        result = self._result(waiting, following)
        due = (self._stream.next_index - self._first) % self._resume_every == 0
        return shapes.frame(result, self._stream.token if due else "")

    def _result(self, waiting: Waiting, following: LiveFrame | None) -> FrameResult:
        frame, stream = waiting.frame, self._stream
        if frame is None:
            return stream.dropped(waiting.time_s)
        if frame.image is None:
            return stream.broken(BadFrame("the message holds no image"), frame.time_s)
        if frame.size is not None:
            return stream.raw(frame.image, *frame.size, frame.time_s)
        return stream.encoded(frame.image, frame.time_s, following.encoded if following is not None else b"")
