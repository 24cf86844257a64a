"""A clip or a frame that decodes in a process of its own, as whoever reads it sees it."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import astuple
from typing import Any, Protocol

import msgpack
import numpy as np
from numpy.typing import NDArray

from red_align.errors import BadFrame, DecoderLost, InvalidRequest, RedAlignError, UnreadableMedia, all_errors
from red_align.frames import Frame, VideoInfo
from red_align.media.decode_process import CRASHED, DecodeProcess, MemoryBudget, MemoryShare
from red_align.media.decode_worker import RGB, YUV_FULL, together
from red_align.media.reader import DecodeLimits
from red_align.yuv import YuvImage, split

READ_AHEAD = 2
"""Frames whose slots are kept: the one that is processed, and the one that was taken ahead."""
_ERRORS = {cls.__name__: cls for cls in all_errors()}


class Lender(Protocol):
    """Lends processes: what ``red_align.media.decode_pool.DecodePool`` does."""

    memory: MemoryBudget

    def take(self, *, fresh: bool = False) -> DecodeProcess:
        """A process."""
        ...

    def serve(self, request: bytes, share: MemoryShare) -> tuple[DecodeProcess, Any]:
        """A process that has answered a request, and its answer."""
        ...

    def release(self, process: DecodeProcess) -> None:
        """Take a process back."""
        ...


class PendingFrame:
    """A JPEG, PNG or WebP that decodes in a process of its own, which this holds until ``release``."""

    def __init__(
        self,
        pool: Lender,
        slots: threading.BoundedSemaphore,
        share: MemoryShare,
        data: bytes,
        limits: DecodeLimits,
    ) -> None:
        self.data = data
        self._pool, self._slots, self._share = pool, slots, share
        self._request = msgpack.packb(("frame", data, astuple(limits), share.held))
        self._reusable = False
        self._process: DecodeProcess | None = None
        self._error: RedAlignError | None = None
        self._send()

    def _send(self, *, fresh: bool = False) -> None:
        self._process = self._pool.take(fresh=fresh)
        try:
            self._process.send(self._request)
        except (UnreadableMedia, DecoderLost) as error:
            self._error = error
        else:
            self._error = None

    def image(self) -> NDArray[np.uint8]:
        """Wait for the picture; to be had once.

        Returns:
            Upright RGB uint8 [H, W, 3], read-only: a view that is good until ``release``.

        Raises:
            BadFrame: It does not decode, or its process crashed or took too long.
            DecoderLost: Its process was killed, and so was the one that tried once more.
            TooLarge: It has more pixels than allowed.
            Overloaded: There is no memory to decode it in now.
        """
        assert self._process is not None
        try:
            kind, *answer = self._answer(self._process)
        except (UnreadableMedia, DecoderLost) as error:
            if not self._process.died:
                raise BadFrame(error.message) from error
            self._process.kill()
            self._send(fresh=True)
            kind, *answer = self._second_answer()
        try:
            image = self._process.picture(0, tuple(answer)) if kind == "picture" else None
        except UnreadableMedia as error:
            raise BadFrame(error.message) from error
        self._reusable = True
        if image is None:
            raise sent_error(answer)
        return image

    def _answer(self, process: DecodeProcess) -> Any:
        if self._error is not None:
            raise self._error
        return process.first_answer(self._share)

    def _second_answer(self) -> Any:
        assert self._process is not None
        try:
            return self._answer(self._process)
        except UnreadableMedia as error:
            raise BadFrame(error.message) from error

    def release(self) -> None:
        """Give the process back; ends it where its answer was not awaited. Safe to call twice."""
        process, self._process = self._process, None
        if process is None:
            return
        try:
            if self._reusable:
                self._pool.release(process)
            else:
                with contextlib.suppress(OSError):
                    process.kill()
        finally:
            self._share.release()
            self._slots.release()

    def __enter__(self) -> PendingFrame:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


class IsolatedReader:
    """Implements red_align.media.reader.Reader over a process; raises what it raises there when it opens the file.

    A frame's image is a view of memory that the process writes again: good until READ_AHEAD more frames were taken.
    """

    def __init__(self, pool: Lender, request: tuple[Any, ...], stride: int, planes: bool) -> None:
        self.complete, self.count = True, 0
        self.warnings: list[str] = []
        self._pool, self._asked = pool, (stride, planes)
        self._lock = threading.Lock()
        self._told: deque[list[Any]] = deque()
        self._held = self._owed = 0
        self._share = MemoryShare(pool.memory)
        self._process: DecodeProcess | None = None
        try:
            self._process, answer = pool.serve(msgpack.packb((*request, stride, planes)), self._share)
        except BaseException:
            self._share.release()
            raise
        if answer[0] == "error":
            self._end(reusable=True)
            raise sent_error(answer[1:])
        self._slot_bytes, self._slots = answer[1:3]
        self.info = VideoInfo(*answer[3:])

    def frames(self, stride: int = 1, *, planes: bool = False) -> Iterator[Frame]:
        """See Reader.frames; only what it was opened for is to be had."""
        if (stride, planes) != self._asked:
            raise InvalidRequest(f"opened with (stride, planes) {self._asked}, not {(stride, planes)}")
        while (frame := self._next()) is not None:
            yield frame

    def close(self) -> None:
        """See Reader.close; in the middle of a file the process ends with it."""
        with self._lock:
            self._end(reusable=False)

    def _next(self) -> Frame | None:
        with self._lock:
            if self._process is None:
                return None
            try:
                if self._held > READ_AHEAD:
                    self._held, self._owed = self._held - 1, self._owed + 1
                    self._give_back(self._process, together(self._slots))
                while not self._told:
                    # Whoever waits gives back all that is not held, so that the other does not wait as well.
                    self._give_back(self._process, 1)
                    kind, *answer = self._process.answer()
                    if kind == "end":
                        self._owed += self._held
                        self._give_back(self._process, 1)
                        break
                    self._told.extend(answer)
                else:
                    self._held += 1
                    return self._frame(self._process, *self._told.popleft())
            except RedAlignError as error:
                self.complete = False
                self.warnings.append(f"{error.message}, after frame {self.count - 1}")
                self._end(reusable=False)
                return None
            complete, self.count, warnings = answer
            self.complete, self.warnings = self.complete and complete, self.warnings + warnings
            self._end(reusable=True)
            return None

    def _give_back(self, process: DecodeProcess, least: int) -> None:
        """Let the process write slots again, where there are ``least`` of them."""
        if self._owed >= least:
            process.send(msgpack.packb(self._owed))
            self._owed = 0

    def _frame(
        self, process: DecodeProcess, index: int, time_s: float, slot: int, layout: str, shape: list[int]
    ) -> Frame:
        self.count = index + 1
        if slot < 0:  # Larger than the first one: its size is all that anybody asks for.
            return Frame(index, time_s, np.broadcast_to(np.uint8(0), shape))
        offset = slot * self._slot_bytes
        if layout == RGB:
            return Frame(index, time_s, process.picture(offset, tuple(shape)))
        height, width, _ = shape
        try:
            planes = split(process.picture(offset, (height * width * 3 // 2,)), height, width)
        except ValueError as error:
            raise UnreadableMedia(CRASHED) from error
        return Frame(index, time_s, None, planes=YuvImage(*planes, full_range=layout == YUV_FULL))

    def _end(self, *, reusable: bool) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        self._share.release()
        if reusable:
            self._pool.release(process)
        else:
            with contextlib.suppress(OSError):
                process.kill()


def sent_error(answer: list[Any]) -> RedAlignError:
    """The error that a process tells as class, message and metadata."""
    name, message, metadata = answer
    return _ERRORS[name](message, **metadata)
