"""One live stream: frames are answered one after another, each of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import numpy as np
from numpy.typing import NDArray

from landmarks.errors import BadFrame, RedAlignError
from landmarks.frames import Frame, FrameResult, FrameStatus, StreamEnd
from service.clip_run import InWorker
from service.decode.images import decode_frame
from service.decode.reader import DecodeLimits
from service.session import Session
from service.session_state import SessionState


class StreamRun:
    """An open stream. ``token`` seals what it is after its last answer."""

    def __init__(
        self,
        in_worker: InWorker,
        limits: DecodeLimits,
        session: Session,
        seal: Callable[[SessionState], str],
        first_index: int = 0,
        pace_intake: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._in_worker, self._limits, self._session, self._seal = in_worker, limits, session, seal
        self._first_index = self.next_index = first_index
        self.pace_intake = pace_intake
        """Waited for before a frame is read from the wire, where a tenant's rate is limited."""
        self.dropped_count = 0

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

    async def encoded(self, data: bytes, time_s: float) -> FrameResult:
        """Answer a JPEG or PNG."""
        return await self._answer(lambda: decode_frame(data, self._limits.check), time_s)

    async def raw(self, data: bytes, width: int, height: int, time_s: float) -> FrameResult:
        """Answer raw RGB: height * width * 3 bytes."""
        return await self._answer(lambda: _raw_image(data, width, height, self._limits), time_s)

    async def broken(self, error: RedAlignError, time_s: float) -> FrameResult:
        """Answer a frame that is wrong before it is decoded."""

        def fail() -> NDArray[np.uint8]:
            raise error

        return await self._answer(fail, time_s)

    def dropped(self, time_s: float) -> FrameResult:
        """Answer a frame that is left out."""
        result = FrameResult(self.next_index, time_s, FrameStatus.DROPPED)
        self.next_index += 1
        self.dropped_count += 1
        self._session.metrics.frames.labels(FrameStatus.DROPPED).inc()
        return result

    async def _answer(self, decode: Callable[[], NDArray[np.uint8]], time_s: float) -> FrameResult:
        try:
            if not (np.isfinite(time_s) and time_s >= 0):
                raise BadFrame(f"time_s is {time_s}, it must be finite and not negative")
            frame = Frame(self.next_index, time_s, await self._in_worker(decode))
        except RedAlignError as error:
            frame = Frame(self.next_index, time_s, None, error)
        result = await self._session.step(frame)
        self.next_index += 1
        return result


def _raw_image(data: bytes, width: int, height: int, limits: DecodeLimits) -> NDArray[np.uint8]:
    if width < 1 or height < 1:
        raise BadFrame(f"a raw frame of {width}x{height} has no pixels")
    limits.check(width, height)
    if len(data) != width * height * 3:
        raise BadFrame(f"a raw frame of {width}x{height} has {width * height * 3} bytes, {len(data)} came")
    return np.frombuffer(data, np.uint8).reshape(height, width, 3)
