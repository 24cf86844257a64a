"""A connection to a live source that a process of its own makes and decodes, as whoever reads it sees it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import astuple

import msgpack

from red_align.errors import RedAlignError, SourceUnreachable, UnreadableMedia
from red_align.frames import Frame, VideoInfo
from red_align.media.decode_pool import DecodePool
from red_align.media.decode_process import CRASHED, DecodeProcess, MemoryShare
from red_align.media.decode_worker import RGB, YUV_FULL
from red_align.media.isolated import sent_error
from red_align.media.reader import DecodeLimits
from red_align.media.sources.opening import LiveLimits
from red_align.media.sources.reader import Dropped
from red_align.media.sources.rules import SourceRules
from red_align.yuv import YuvImage, split

WORKER = "red_align.media.sources.worker"
SLACK_S = 10.0
"""Seconds that a process has for an answer beyond those that the source has."""


class IsolatedLive:
    """Implements red_align.media.sources.reconnecting.Connection over a process; raises what LiveReader raises.

    A frame's image is a view of memory that the process writes again: good until the next frame but one is asked for.

    Args:
        pool: Has the bounds of processes, and the memory of all.
        url: Where the source is, with its password: it goes to the process alone.
        rules: What may be connected to.
        decoding: Bounds of decoding.
        limits: Times.
        after: See LiveReader.
    """

    def __init__(
        self,
        pool: DecodePool,
        url: str,
        rules: SourceRules,
        decoding: DecodeLimits,
        limits: LiveLimits,
        after: int = -1,
    ) -> None:
        self.complete, self.count, self.position = True, 0, after
        self.info, self.origin_s = VideoInfo(0, 0, 0.0), 0.0
        self.warnings: list[str] = []
        self.error: RedAlignError | None = None
        self.dropped_count = 0
        self._dropped: list[Dropped] = []
        self._limits, self._closed = limits, False
        self._busy = threading.Lock()
        self._share = MemoryShare(pool.memory)
        # A connection is tried at each of a host's addresses, and then the first frame is waited for.
        timeout_s = max(pool.timeout_s, 3 * limits.connect_s + limits.stall_s) + SLACK_S
        self._process: DecodeProcess | None = DecodeProcess(pool.memory_bytes, timeout_s, WORKER)
        self._request = msgpack.packb((url, rules.to_values(), astuple(decoding), astuple(limits), after))
        self._slot_bytes = 0

    def open(self) -> None:
        """See Connection; raises what LiveReader raises."""
        with self._busy:
            process = self._process
            if process is None:
                raise SourceUnreachable("the source was closed")
            try:
                process.send(self._request)
                kind, *answer = process.first_answer(self._share)
            except RedAlignError as error:  # Its process is lost or silent, whatever the source is.
                self._end()
                raise SourceUnreachable(error.message) from error
            if kind == "error":
                self._end()
                raise sent_error(answer)
            self._slot_bytes, self.origin_s = answer[:2]
            self.info = VideoInfo(*answer[2:])

    def frames(self, stride: int = 1, *, planes: bool = False) -> Iterator[Frame]:
        """See LiveReader."""
        asked, since = msgpack.packb((stride, planes)), time.monotonic()
        while self._process is not None and not self._closed:
            try:
                with self._busy:
                    frame = self._next(asked)
            except RedAlignError as error:  # Its process is lost, and so is the connection.
                self._lost(SourceUnreachable(error.message))
                break
            if frame is not None:
                since = time.monotonic()
                yield frame
            elif time.monotonic() - since > self._limits.stall_s:
                self._lost(SourceUnreachable(f"the source has given no frame for {self._limits.stall_s:g} s"))
                break
        with self._busy:
            self._end()

    def take_dropped(self) -> list[Dropped]:
        """See LiveReader."""
        dropped, self._dropped = self._dropped, []
        return dropped

    def close(self) -> None:
        """End it, from any thread: a wait for a frame ends with its process."""
        self._closed = True
        process = self._process
        if process is not None:
            process.stop()
        with self._busy:
            self._end()

    def _next(self, asked: bytes) -> Frame | None:
        """The newest frame; None where there is none yet, or at the end, where the process is let go."""
        process = self._process
        if process is None:
            return None
        process.send(asked)
        kind, (self.dropped_count, dropped), *answer = process.answer()
        self._dropped += [(int(index), float(time_s)) for index, time_s in dropped]
        if kind == "frame":
            return self._frame(process, *answer)
        if kind == "end":
            complete, self.count, self.position, error = answer
            if not complete:
                self._lost(sent_error(error))
            self._end()
        return None

    def _frame(
        self, process: DecodeProcess, index: int, time_s: float, slot: int, layout: str, shape: list[int]
    ) -> Frame:
        self.count = index + 1
        offset = slot * self._slot_bytes
        if layout == RGB:
            return Frame(index, time_s, process.picture(offset, tuple(shape)))
        height, width, _ = shape
        try:
            planes = split(process.picture(offset, (height * width * 3 // 2,)), height, width)
        except ValueError as error:
            raise UnreadableMedia(CRASHED) from error
        return Frame(index, time_s, None, planes=YuvImage(*planes, full_range=layout == YUV_FULL))

    def _lost(self, error: RedAlignError) -> None:
        if not self._closed:
            self.complete, self.error = False, error
            self.warnings.append(error.message)

    def _end(self) -> None:
        process, self._process = self._process, None
        self._share.release()
        if process is not None:
            process.kill()
