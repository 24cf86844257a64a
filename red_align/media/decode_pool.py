"""Decoding in processes of its own: a codec that crashes, hangs or swallows memory takes nothing else with it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
from numpy.typing import NDArray

from red_align.errors import BadFrame, InvalidRequest, RedAlignError, UnreadableMedia, all_errors
from red_align.frames import Frame, VideoInfo
from red_align.media.decode_process import DecodeProcess
from red_align.media.reader import DecodeLimits

KEPT_BYTES = 64 * 1024**2
"""A process that has shared more than this with us is not kept for the next file."""
READ_AHEAD = 2
"""Frames whose places are kept: the one that is looked at, and the one that was taken ahead."""
_ERRORS = {cls.__name__: cls for cls in all_errors()}


@dataclass
class DecodePool:
    """Makes readers, each with a process to itself, and decodes single frames; up to ``kept`` idle processes stay.

    ``memory_bytes`` bounds the address space of each (0: no bound), ``timeout_s`` the time for one answer.
    """

    memory_bytes: int = 0
    timeout_s: float = 30.0
    kept: int = 1
    _idle: list[DecodeProcess] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _closed: bool = False

    def warm_up(self, count: int = 1) -> None:
        """Have idle processes there before they are needed."""
        for worker in [self._new() for _ in range(count)]:
            self.release(worker)

    def open_media(self, path: Path, limits: DecodeLimits, stride: int = 1) -> IsolatedReader:
        """See red_align.media.reader.open_media; the stride is chosen here. Blocks."""
        return IsolatedReader(self, path, limits, stride)

    def decode_frame(self, data: bytes, limits: DecodeLimits) -> NDArray[np.uint8]:
        """One JPEG or PNG to upright RGB uint8 [H, W, 3]. Blocks. Raises BadFrame or TooLarge."""
        worker = self.take()
        try:
            worker.send(msgpack.packb(("frame", data, astuple(limits))))
            kind, *answer = worker.answer()
            image = worker.picture(0, tuple(answer)).copy() if kind == "picture" else None
        except BaseException as error:
            worker.kill()
            if isinstance(error, UnreadableMedia):
                raise BadFrame(error.message) from error
            raise
        self.release(worker)
        if image is None:
            raise _sent(answer)
        return image

    def take(self) -> DecodeProcess:
        """An idle process, or a new one."""
        with self._lock:
            if self._idle:
                return self._idle.pop()
        return self._new()

    def release(self, worker: DecodeProcess) -> None:
        """A process that waits for its next file; too many are ended."""
        with self._lock:
            if not self._closed and len(self._idle) < self.kept and worker.shared_bytes <= KEPT_BYTES:
                self._idle.append(worker)
                return
        worker.kill()

    def close(self) -> None:
        """End the idle ones; those in use end with their readers."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for worker in idle:
            worker.kill()

    def _new(self) -> DecodeProcess:
        return DecodeProcess(self.memory_bytes, self.timeout_s)


class IsolatedReader:
    """Implements red_align.media.reader.Reader over a process; raises what open_media raises there.

    A frame's image is a view of memory that the process writes again: it is good until READ_AHEAD more frames were taken.
    """

    def __init__(self, pool: DecodePool, path: Path, limits: DecodeLimits, stride: int) -> None:
        self.complete, self.count = True, 0
        self.warnings: list[str] = []
        self._pool, self._stride = pool, stride
        self._lock = threading.Lock()
        self._taken = 0
        self._worker: DecodeProcess | None = pool.take()
        try:
            self._worker.send(msgpack.packb(("clip", str(path), astuple(limits), stride)))
            answer = self._worker.answer()
        except BaseException:
            self._end(reusable=False)
            raise
        if answer[0] == "error":
            self._end(reusable=True)
            raise _sent(answer[1:])
        self._place_bytes = answer[1]
        self.info = VideoInfo(*answer[2:])

    def frames(self, stride: int = 1) -> Iterator[Frame]:
        """See Reader.frames; only the stride that it was opened with is to be had."""
        if stride != self._stride:
            raise InvalidRequest(f"opened with stride {self._stride}, not {stride}")
        while (frame := self._next()) is not None:
            yield frame

    def close(self) -> None:
        """See Reader.close; in the middle of a file the process ends with it."""
        with self._lock:
            self._end(reusable=False)

    def _next(self) -> Frame | None:
        with self._lock:
            if self._worker is None:
                return None
            try:
                if self._taken > READ_AHEAD:
                    self._worker.send(b"-")
                answer = self._worker.answer()
                if answer[0] == "frame":
                    self._taken += 1
                    return self._frame(self._worker, *answer[1:])
                for _ in range(min(self._taken, READ_AHEAD)):
                    self._worker.send(b"-")
            except RedAlignError as error:
                self.complete = False
                self.warnings.append(f"{error.message}, after frame {self.count - 1}")
                self._end(reusable=False)
                return None
            _, complete, self.count, warnings = answer
            self.complete, self.warnings = self.complete and complete, self.warnings + warnings
            self._end(reusable=True)
            return None

    def _frame(self, worker: DecodeProcess, index: int, time_s: float, place: int, shape: list[int]) -> Frame:
        self.count = index + 1
        if place < 0:  # Larger than the first one: its size is all that anybody asks for.
            return Frame(index, time_s, np.broadcast_to(np.uint8(0), shape))
        return Frame(index, time_s, worker.picture(place * self._place_bytes, tuple(shape)))

    def _end(self, *, reusable: bool) -> None:
        worker, self._worker = self._worker, None
        if worker is None:
            return
        if reusable:
            self._pool.release(worker)
        else:
            with contextlib.suppress(OSError):
                worker.kill()


def _sent(answer: list[Any]) -> RedAlignError:
    """The error that a process tells as class, message and metadata."""
    name, message, metadata = answer
    return _ERRORS[name](message, **metadata)
