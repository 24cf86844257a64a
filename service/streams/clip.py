"""One opened clip: decoded and answered frame by frame."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import aclosing
from dataclasses import replace
from typing import Protocol, TypeVar

import anyio

from red_align.errors import RedAlignError
from red_align.frames import Frame, FrameResult, StreamEnd, VideoInfo
from red_align.media.reader import Reader
from red_align.tracking.state import SessionState
from red_align.tracking.tracker import Session

T = TypeVar("T")


class InWorker(Protocol):
    """Runs blocking work in a thread; see service.dataplane.DataPlane.in_worker."""

    def __call__(self, work: Callable[[], T]) -> Awaitable[T]:
        """The work's answer."""


class ClipRun:
    """One opened clip: its size at once, its results as an iterator, and its end after them."""

    def __init__(
        self, in_worker: InWorker, reader: Reader, session: Session, stride: int, first_index: int = 0
    ) -> None:
        self._in_worker, self._reader, self._session, self._stride = in_worker, reader, session, stride
        self._first_index = self._next_index = first_index
        self._seal: Callable[[SessionState], str] | None = None
        self.answered = 0
        self._rest = self._answers()
        self._first: list[FrameResult] = []

    @property
    def video(self) -> VideoInfo:
        """Size and rate."""
        return self._reader.info

    @property
    def end(self) -> StreamEnd:
        """How it ended; final once ``results`` is exhausted."""
        token = self._seal(self.state) if self._seal is not None else ""
        return StreamEnd(self._reader.complete, self.answered, tuple(self._reader.warnings), resume_token=token)

    @property
    def state(self) -> SessionState:
        """What the stream is after the last answer."""
        return self._session.state(self._next_index)

    def seal_with(self, seal: Callable[[SessionState], str]) -> None:
        """Let ``end`` have a resume token, made by this."""
        self._seal = seal

    async def begin(self) -> None:
        """Answer two frames ahead of ``results``: what refuses them can then be told before an answer began.

        A face that the first one shows takes its place in the engine with the second.
        """
        while len(self._first) < 2 and (result := await anext(self._rest, None)) is not None:
            self._first.append(result)

    async def results(self) -> AsyncGenerator[FrameResult]:
        """One result a frame, in order; can be had once."""
        async with aclosing(self._rest):
            for result in self._first:
                yield result
            async for result in self._rest:
                yield result

    async def close(self) -> None:
        """Stop wherever it is; ``DataPlane.clip`` does."""
        await self._rest.aclose()

    async def _answers(self) -> AsyncGenerator[FrameResult]:
        """The next frame decodes while this one is looked at."""
        frames = self._reader.frames(self._stride)
        ahead = asyncio.ensure_future(self._next(frames))
        try:
            while (frame := await asyncio.shield(ahead)) is not None:
                ahead = asyncio.ensure_future(self._next(frames))
                frame = replace(frame, index=self._first_index + frame.index)
                result = await self._session.step(frame)
                self.answered += 1
                self._next_index = frame.index + 1
                yield result
            self._next_index = self._first_index + self._reader.count  # with those that the stride left out
        finally:
            # Wait for the thread that still decodes, however this ends; what it brings is not wanted any more.
            with anyio.CancelScope(shield=True):
                await asyncio.gather(ahead, return_exceptions=True)

    async def _next(self, frames: Iterator[Frame]) -> Frame | None:
        try:
            return await self._in_worker(lambda: next(frames, None))
        except RedAlignError as error:  # such as a frame that grew beyond the limit in mid-clip
            self._reader.complete = False
            self._reader.warnings.append(error.message)
            return None
