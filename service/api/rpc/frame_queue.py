"""Frames of one live stream between the wire and the session: bounded, and dropped or held back as the client chose."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from red_align.errors import ConfigRepeated
from red_align.v1 import face_landmarks_pb2 as pb
from service.limits.timeouts import iterate_with_timeout

MOST_DROPPED = 1024
"""Dropped frames whose answers a client may leave unread before its frames are held back."""


@dataclass(slots=True)
class Waiting:
    """A frame, and when it came; without its picture where it is dropped."""

    time_s: float
    frame: pb.VideoFrame | None
    arrived: float
    waited_s: float = 0.0

    @property
    def too_old(self) -> bool:
        """Whether it has waited for longer than it says."""
        return bool(self.frame and self.frame.max_age_ms and self.waited_s * 1000.0 > self.frame.max_age_ms)


class FrameQueue:
    """Read by ``next`` in the order of the wire. With ``latest`` a new frame drops those that still wait."""

    def __init__(self, *, latest: bool, limit: int, idle_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._latest, self._limit, self._idle_s, self._clock = latest, limit, idle_s, clock
        self._waiting: deque[Waiting] = deque()
        self._changed = asyncio.Condition()
        self._ended = False
        self._error: BaseException | None = None

    @asynccontextmanager
    async def filled_from(
        self,
        requests: AsyncIterator[pb.AlignStreamRequest],
        draining: asyncio.Event,
        rate_limit: Callable[[], Awaitable[None]] | None = None,
    ) -> AsyncIterator[FrameQueue]:
        """Read the stream's requests into the queue during the block, until they end or the service goes away.

        A stream that is silent for ``idle_s`` seconds ends with ClientTooSlow. ``rate_limit`` is waited for after each of
        them: flow control then holds back who sends.
        """
        tasks = [asyncio.create_task(self._fill(requests, rate_limit)), asyncio.create_task(self._leave(draining))]
        try:
            yield self
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def next(self) -> Waiting | None:
        """The next frame; None after the last. Raises what went wrong with the stream itself."""
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

    def following(self) -> pb.VideoFrame | None:
        """The frame that ``next`` gives next, where that is certain and it is there already."""
        return self._waiting[0].frame if self._waiting and not self._latest else None

    async def _fill(
        self, requests: AsyncIterator[pb.AlignStreamRequest], rate_limit: Callable[[], Awaitable[None]] | None
    ) -> None:
        error: BaseException | None = None
        try:
            async for request in iterate_with_timeout(requests, self._idle_s, "stream_idle_s"):
                if request.WhichOneof("request") == "config":
                    raise ConfigRepeated("a stream has exactly one config, as its first message")
                await self._put(request.frame)
                if rate_limit is not None:
                    await rate_limit()
        except Exception as raised:
            error = raised
        await self._end(error)

    async def _put(self, frame: pb.VideoFrame) -> None:
        async with self._changed:
            if self._latest:
                for older in self._waiting:
                    older.frame = None
            room = MOST_DROPPED if self._latest else self._limit
            await self._changed.wait_for(lambda: len(self._waiting) < room or self._ended)
            if not self._ended:
                self._waiting.append(Waiting(frame.time_s, frame, self._clock()))
                self._changed.notify_all()

    async def _leave(self, draining: asyncio.Event) -> None:
        await draining.wait()
        async with self._changed:
            self._waiting.clear()  # The client sends them again, elsewhere.
        await self._end(None)

    async def _end(self, error: BaseException | None) -> None:
        async with self._changed:
            if not self._ended:
                self._ended, self._error = True, error
            self._changed.notify_all()
