"""One live stream: frames are answered one after another, each of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine

import numpy as np
from numpy.typing import NDArray

from red_align.errors import BadFrame, RedAlignError
from red_align.frames import Frame, FrameResult, FrameStatus, StreamEnd
from red_align.media.reader import DecodeLimits
from red_align.tracking.state import SessionState
from red_align.tracking.tracker import Session


class StreamRun:
    """An open stream. ``token`` seals what it is after its last answer."""

    def __init__(
        self,
        decode_frame: Callable[[bytes], Coroutine[None, None, NDArray[np.uint8]]],
        limits: DecodeLimits,
        session: Session,
        seal: Callable[[SessionState], str],
        first_index: int = 0,
        intake_limit: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._decode_frame, self._limits, self._session, self._seal = decode_frame, limits, session, seal
        self._first_index = self.next_index = first_index
        self.intake_limit = intake_limit
        """Waited for before a frame is read from the wire, where a tenant's rate is limited."""
        self.dropped_count = 0
        self._ahead: tuple[bytes, asyncio.Task[NDArray[np.uint8]]] | None = None

    @property
    def end(self) -> StreamEnd:
        """How many frames were answered and dropped, and the token to go on from."""
        return StreamEnd(True, self.answered, dropped_count=self.dropped_count, resume_token=self.token)

    @property
    def answered(self) -> int:
        """Frames answered, dropped ones among them."""
        return self.next_index - self._first_index

    @property
    def state(self) -> SessionState:
        """What the stream is after its last answer."""
        return self._session.state(self.next_index)

    @property
    def token(self) -> str:
        """Lets the stream go on anywhere, with the frame ``next_index``."""
        return self._seal(self.state)

    async def encoded(self, data: bytes, time_s: float, following: bytes = b"") -> FrameResult:
        """Answer a JPEG or PNG. The one ``following`` it, where it waits already, decodes in the meantime."""
        ahead, self._ahead = self._ahead, None
        if ahead is not None and ahead[0] != data:
            await _discard(ahead[1])
            ahead = None
        picture = ahead[1] if ahead is not None else self._begin(data)
        if following:
            self._ahead = following, self._begin(following)
        return await self._answer(picture, time_s)

    async def raw(self, data: bytes, width: int, height: int, time_s: float) -> FrameResult:
        """Answer raw RGB: height * width * 3 bytes."""
        return await self._answer(_raw_image(data, width, height, self._limits), time_s)

    async def broken(self, error: RedAlignError, time_s: float) -> FrameResult:
        """Answer a frame that is wrong before it is decoded."""
        return await self._answer(_fail(error), time_s)

    def dropped(self, time_s: float) -> FrameResult:
        """Answer a frame that is left out."""
        result = FrameResult(self.next_index, time_s, FrameStatus.DROPPED)
        self.next_index += 1
        self.dropped_count += 1
        self._session.metrics.frames.labels(FrameStatus.DROPPED).inc()
        return result

    async def close(self) -> None:
        """Decode no more; ``DataPlane.stream`` does."""
        if self._ahead is not None:
            await _discard(self._ahead[1])
            self._ahead = None

    def _begin(self, data: bytes) -> asyncio.Task[NDArray[np.uint8]]:
        return asyncio.ensure_future(self._decode_frame(data))

    async def _answer(self, decoded: Awaitable[NDArray[np.uint8]], time_s: float) -> FrameResult:
        try:
            image = await decoded
            if not (np.isfinite(time_s) and time_s >= 0):
                raise BadFrame(f"time_s is {time_s}, it must be finite and not negative")
            frame = Frame(self.next_index, time_s, image)
        except RedAlignError as error:
            frame = Frame(self.next_index, time_s, None, error)
        result = await self._session.step(frame)
        self.next_index += 1
        return result


async def _discard(picture: asyncio.Task[NDArray[np.uint8]]) -> None:
    picture.cancel()
    await asyncio.gather(picture, return_exceptions=True)


async def _fail(error: RedAlignError) -> NDArray[np.uint8]:
    raise error


async def _raw_image(data: bytes, width: int, height: int, limits: DecodeLimits) -> NDArray[np.uint8]:
    if width < 1 or height < 1:
        raise BadFrame(f"a raw frame of {width}x{height} has no pixels")
    limits.check(width, height)
    if len(data) != width * height * 3:
        raise BadFrame(f"a raw frame of {width}x{height} has {width * height * 3} bytes, {len(data)} came")
    return np.frombuffer(data, np.uint8).reshape(height, width, 3)
