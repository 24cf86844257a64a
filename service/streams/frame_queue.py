"""Frames of one live stream between the wire and the tracker: bounded, and dropped or held back as the client chose."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass

from service.limits.timeouts import iterate_with_timeout

MOST_DROPPED = 1024
"""Dropped frames whose answers a client may leave unread before its frames are held back."""


@dataclass(frozen=True, slots=True)
class LiveFrame:
    """A frame as it came, whatever carried it.

    Attributes:
        time_s: Its time as the client says, in seconds.
        image: A JPEG, PNG or WebP, or raw RGB where there is a size; None where none came.
        size: Width and height of raw RGB, pixels.
        max_age_ms: A frame that has waited for longer is dropped; 0 is no limit.
    """

    time_s: float
    image: bytes | None
    size: tuple[int, int] | None = None
    max_age_ms: int = 0

    @property
    def encoded(self) -> bytes:
        """The picture's file; empty where there is none."""
        return self.image if self.image is not None and self.size is None else b""


@dataclass(slots=True)
class Waiting:
    """A frame that waits, or has waited.

    Attributes:
        time_s: Its time as the client says, in seconds.
        frame: The frame; None where it is dropped.
        arrived: When it came, by the queue's clock.
        waited_s: Seconds that it waited, once it was taken out.
    """

    time_s: float
    frame: LiveFrame | None
    arrived: float
    waited_s: float = 0.0

    @property
    def too_old(self) -> bool:
        """Whether it has waited for longer than it says."""
        return bool(self.frame and self.frame.max_age_ms and self.waited_s * 1000.0 > self.frame.max_age_ms)


class FrameQueue:
    """The frames of one stream that wait, in the order of the wire.

    Args:
        latest: A new frame drops those that still wait, instead of waiting for a slot.
        limit: Most frames that wait, where they are not dropped.
        idle_s: Seconds without a frame after which the stream ends.
        clock: Seconds, growing.
    """

    def __init__(self, *, latest: bool, limit: int, idle_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._latest, self._limit, self._idle_s, self._clock = latest, limit, idle_s, clock
        self._waiting: deque[Waiting] = deque()
        self._changed = asyncio.Condition()
        self._ended = False
        self._error: BaseException | None = None

    @asynccontextmanager
    async def filled_from(
        self,
        requests: AsyncIterator[LiveFrame],
        draining: asyncio.Event,
        rate_limit: Callable[[], Awaitable[None]] | None = None,
    ) -> AsyncIterator[FrameQueue]:
        """Read the stream's frames into the queue during the block, until they end or the service is draining.

        A stream that is silent for ``idle_s`` seconds ends with ClientTooSlow, which ``next`` raises.

        Args:
            requests: The frames after the config; what they raise, ``next`` raises after the last of them.
            draining: Set when the service shuts down.
            rate_limit: Awaited after each frame: flow control then holds back who sends.
        """
        tasks = [asyncio.create_task(self._fill(requests, rate_limit)), asyncio.create_task(self._end_when(draining))]
        try:
            yield self
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def next(self) -> Waiting | None:
        """Take the next frame out.

        Returns:
            The frame; None after the last.

        Raises:
            RedAlignError: What went wrong with the stream itself, after all frames before that.
        """
        async with self._changed:
            await self._changed.wait_for(lambda: self._waiting or self._ended)
            if self._waiting:
                waiting = self._waiting.popleft()
                self._changed.notify_all()
                waiting.waited_s = self._clock() - waiting.arrived
                if waiting.too_old:
                    waiting.frame = None
                return waiting
        if self._error is not None:
            raise self._error
        return None

    def following(self) -> LiveFrame | None:
        """The frame that ``next`` gives next, where that is certain and it is there already."""
        return self._waiting[0].frame if self._waiting and not self._latest else None

    async def _fill(self, requests: AsyncIterator[LiveFrame], rate_limit: Callable[[], Awaitable[None]] | None) -> None:
        error: BaseException | None = None
        try:
            async with aclosing(iterate_with_timeout(requests, self._idle_s, "stream_idle_s")) as in_time:
                async for frame in in_time:
                    await self._put(frame)
                    if rate_limit is not None:
                        await rate_limit()
        except Exception as raised:
            error = raised
        await self._end(error)

    async def _put(self, frame: LiveFrame) -> None:
        async with self._changed:
            if self._latest:
                for older in self._waiting:
                    older.frame = None
            slots = MOST_DROPPED if self._latest else self._limit
            await self._changed.wait_for(lambda: len(self._waiting) < slots or self._ended)
            if not self._ended:
                self._waiting.append(Waiting(frame.time_s, frame, self._clock()))
                self._changed.notify_all()

    async def _end_when(self, draining: asyncio.Event) -> None:
        await draining.wait()
        async with self._changed:
            self._waiting.clear()  # The client sends them again, elsewhere.
        await self._end(None)

    async def _end(self, error: BaseException | None) -> None:
        async with self._changed:
            if not self._ended:
                self._ended, self._error = True, error
            self._changed.notify_all()
