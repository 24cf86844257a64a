"""Decoding in processes of its own: a codec that crashes, hangs or swallows memory takes nothing else with it."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
from numpy.typing import NDArray

from red_align.errors import BadFrame, InvalidRequest, RedAlignError, UnreadableMedia, all_errors
from red_align.frames import Frame, VideoInfo
from red_align.media.decode_process import DecodeProcess
from red_align.media.decode_worker import RGB, YUV_FULL, together
from red_align.media.keyframes import ClipIndex, KeyFrame, Span
from red_align.media.reader import DecodeLimits
from red_align.yuv import YuvImage, split

KEPT_BYTES = 64 * 1024**2
"""A process that has shared more than this with us is not kept for the next file."""
READ_AHEAD = 2
"""Frames whose slots are kept: the one that is processed, and the one that was taken ahead."""
_ERRORS = {cls.__name__: cls for cls in all_errors()}


@dataclass
class DecodePool:
    """Makes readers, each with a process to itself, and decodes single frames. All of it blocks; use threads.

    Args:
        memory_bytes: Bound of each process's address space; 0 for none.
        timeout_s: Seconds for one answer of a process.
        kept: Idle processes that stay.
        frames_at_once: Most single frames that decode at once, and most of them that are decoded ahead.
    """

    memory_bytes: int = 0
    timeout_s: float = 30.0
    kept: int = 1
    frames_at_once: int = 2
    _idle: list[DecodeProcess] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _closed: bool = False

    def __post_init__(self) -> None:
        # Apart, so that frames decoded ahead for clients that do not go on hold up nobody.
        self._now = threading.BoundedSemaphore(self.frames_at_once)
        self._ahead = threading.BoundedSemaphore(self.frames_at_once)

    def warm_up(self, count: int = 1) -> None:
        """Have idle processes there before they are needed."""
        for process in [self._new() for _ in range(count)]:
            self.release(process)

    def open_media(self, path: Path, limits: DecodeLimits, stride: int = 1, *, planes: bool = False) -> IsolatedReader:
        """See red_align.media.reader.open_media; how frames are given (Reader.frames) is chosen here."""
        return IsolatedReader(self, ("clip", str(path), astuple(limits)), stride, planes)

    def open_spans(
        self, path: Path, limits: DecodeLimits, spans: Sequence[Span], stride: int = 1, *, planes: bool = False
    ) -> IsolatedReader:
        """See red_align.media.spans.SpanReader; how frames are given is chosen here."""
        parts = [astuple(span) for span in spans]
        return IsolatedReader(self, ("spans", str(path), astuple(limits), parts), stride, planes)

    def index_clip(self, path: Path, limits: DecodeLimits) -> ClipIndex | None:
        """See red_align.media.keyframes.index_clip; None too where the process crashes or does not answer in time."""
        process = self.take()
        try:
            process.send(msgpack.packb(("index", str(path), astuple(limits))))
            kind, *answer = process.answer()
        except UnreadableMedia:
            process.kill()
            return None
        except BaseException:
            process.kill()
            raise
        self.release(process)
        if kind == "error":
            raise _sent(answer)
        if answer[0] is None:
            return None
        video, frame_count, keys = answer[0]
        return ClipIndex(VideoInfo(*video), frame_count, tuple(KeyFrame(*key) for key in keys))

    def begin_frame(self, data: bytes, limits: DecodeLimits) -> PendingFrame:
        """Begin to decode one JPEG or PNG; waits until one may."""
        self._now.acquire()
        return self._begun(data, limits, self._now)

    def begin_frame_ahead(self, data: bytes, limits: DecodeLimits) -> PendingFrame | None:
        """As ``begin_frame``, for a frame that is not needed yet; None where too many are decoded ahead already."""
        if not self._ahead.acquire(blocking=False):
            return None
        return self._begun(data, limits, self._ahead)

    def _begun(self, data: bytes, limits: DecodeLimits, slots: threading.BoundedSemaphore) -> PendingFrame:
        try:
            return PendingFrame(self, slots, data, limits)
        except BaseException:
            slots.release()
            raise

    def take(self) -> DecodeProcess:
        """An idle process, or a new one."""
        with self._lock:
            if self._idle:
                return self._idle.pop()
        return self._new()

    def release(self, process: DecodeProcess) -> None:
        """A process that waits for its next file; too many are ended."""
        with self._lock:
            if not self._closed and len(self._idle) < self.kept and process.shared_bytes <= KEPT_BYTES:
                self._idle.append(process)
                return
        process.kill()

    def close(self) -> None:
        """End the idle ones; those in use end with their readers."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for process in idle:
            process.kill()

    def _new(self) -> DecodeProcess:
        return DecodeProcess(self.memory_bytes, self.timeout_s)


class PendingFrame:
    """A JPEG or PNG that decodes in a process of its own, which this holds until ``release``."""

    def __init__(self, pool: DecodePool, slots: threading.BoundedSemaphore, data: bytes, limits: DecodeLimits) -> None:
        self.data = data
        self._pool, self._slots = pool, slots
        self._reusable = False
        self._process: DecodeProcess | None = pool.take()
        try:
            self._process.send(msgpack.packb(("frame", data, astuple(limits))))
        except UnreadableMedia as error:
            self._error: UnreadableMedia | None = error
        else:
            self._error = None

    def image(self) -> NDArray[np.uint8]:
        """Wait for the picture; to be had once.

        Returns:
            Upright RGB uint8 [H, W, 3], read-only: a view that is good until ``release``.

        Raises:
            BadFrame: It does not decode, or its process crashed or took too long.
            TooLarge: It has more pixels than allowed.
        """
        assert self._process is not None
        try:
            if self._error is not None:
                raise self._error
            kind, *answer = self._process.answer()
            image = self._process.picture(0, tuple(answer)) if kind == "picture" else None
        except UnreadableMedia as error:
            raise BadFrame(error.message) from error
        self._reusable = True
        if image is None:
            raise _sent(answer)
        return image

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
            self._slots.release()

    def __enter__(self) -> PendingFrame:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


class IsolatedReader:
    """Implements red_align.media.reader.Reader over a process; raises what it raises there when it opens the file.

    A frame's image is a view of memory that the process writes again: good until READ_AHEAD more frames were taken.
    """

    def __init__(self, pool: DecodePool, request: tuple[Any, ...], stride: int, planes: bool) -> None:
        self.complete, self.count = True, 0
        self.warnings: list[str] = []
        self._pool, self._asked = pool, (stride, planes)
        self._lock = threading.Lock()
        self._told: deque[list[Any]] = deque()
        self._held = self._owed = 0
        self._process: DecodeProcess | None = pool.take()
        try:
            self._process.send(msgpack.packb((*request, stride, planes)))
            answer = self._process.answer()
        except BaseException:
            self._end(reusable=False)
            raise
        if answer[0] == "error":
            self._end(reusable=True)
            raise _sent(answer[1:])
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
            raise UnreadableMedia("the decoder crashed") from error
        return Frame(index, time_s, None, planes=YuvImage(*planes, full_range=layout == YUV_FULL))

    def _end(self, *, reusable: bool) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if reusable:
            self._pool.release(process)
        else:
            with contextlib.suppress(OSError):
                process.kill()


def _sent(answer: list[Any]) -> RedAlignError:
    """The error that a process tells as class, message and metadata."""
    name, message, metadata = answer
    return _ERRORS[name](message, **metadata)
