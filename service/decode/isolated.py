"""Decoding in processes of its own: a codec that crashes, hangs or swallows memory takes nothing else with it."""

from __future__ import annotations

import contextlib
import mmap
import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import astuple, dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
from numpy.typing import NDArray

from landmarks.errors import InvalidRequest, RedAlignError, UnreadableMedia, all_errors
from landmarks.frames import Frame, VideoInfo
from service.decode.reader import DecodeLimits

HELD = 2
"""Frames whose places are kept: the one that is looked at, and the one that was taken ahead."""
_ERRORS = {cls.__name__: cls for cls in all_errors()}


class _Worker:
    """One process. Raises UnreadableMedia where it died or does not answer."""

    def __init__(self, memory_bytes: int, patience_s: float) -> None:
        ours, theirs = socket.socketpair()
        self._memory = os.memfd_create("red-align-frames") if hasattr(os, "memfd_create") else _file()
        command = [sys.executable, "-m", "service.decode.worker"]
        command += [str(theirs.fileno()), str(self._memory), str(memory_bytes)]
        # Its own words would be the codec's, on whatever a client sent.
        self._process = subprocess.Popen(
            command, pass_fds=(theirs.fileno(), self._memory), stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        theirs.close()
        self._wire = Connection(ours.detach())
        self._patience_s = patience_s
        self._map: mmap.mmap | None = None

    @property
    def pid(self) -> int:
        return self._process.pid

    def send(self, request: bytes) -> None:
        try:
            self._wire.send_bytes(request)
        except OSError as error:
            raise UnreadableMedia("the decoder crashed on this file") from error

    def answer(self) -> Any:
        """Its next message."""
        try:
            if not self._wire.poll(self._patience_s):
                raise UnreadableMedia(f"the decoder did not answer within {self._patience_s:g} s")
            return msgpack.unpackb(self._wire.recv_bytes())
        except (EOFError, OSError, ValueError, msgpack.UnpackException) as error:
            raise UnreadableMedia("the decoder crashed on this file") from error

    def picture(self, offset: int, shape: tuple[int, ...]) -> NDArray[np.uint8]:
        """A view of a picture, good until its place is given back."""
        size = int(np.prod(shape))
        if self._map is None or offset + size > len(self._map):
            self._map = mmap.mmap(self._memory, 0, prot=mmap.PROT_READ)
        return np.frombuffer(self._map, np.uint8, size, offset).reshape(shape)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        self._wire.close()
        self._map = None
        os.close(self._memory)


@dataclass
class DecodePool:
    """Makes readers, each with a process to itself; up to ``spare`` idle processes are kept for the next ones.

    ``memory_bytes`` bounds the address space of each (0: no bound), ``patience_s`` the time for one answer.
    """

    memory_bytes: int = 0
    patience_s: float = 30.0
    spare: int = 1
    _idle: list[_Worker] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _closed: bool = False

    def warm_up(self) -> None:
        """Have the idle processes there before they are needed."""
        for _ in range(self.spare):
            self.give_back(self._new())

    def open_media(self, path: Path, limits: DecodeLimits, stride: int = 1) -> IsolatedReader:
        """See service.decode.reader.open_media; the stride is chosen here. Blocks."""
        return IsolatedReader(self, path, limits, stride)

    def take(self) -> _Worker:
        """An idle process, or a new one."""
        with self._lock:
            if self._idle:
                return self._idle.pop()
        return self._new()

    def give_back(self, worker: _Worker) -> None:
        """A process that waits for its next file; too many are ended."""
        with self._lock:
            if not self._closed and len(self._idle) < self.spare:
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

    def _new(self) -> _Worker:
        return _Worker(self.memory_bytes, self.patience_s)


class IsolatedReader:
    """Implements service.decode.reader.Reader over a process; raises what open_media raises there.

    A frame's image is a view of memory that the process writes again: it is good until HELD more frames were taken.
    """

    def __init__(self, pool: DecodePool, path: Path, limits: DecodeLimits, stride: int) -> None:
        self.complete, self.count = True, 0
        self.warnings: list[str] = []
        self._pool, self._stride = pool, stride
        self._lock = threading.Lock()
        self._taken = 0
        self._worker: _Worker | None = pool.take()
        try:
            self._worker.send(msgpack.packb((str(path), astuple(limits), stride)))
            answer = self._worker.answer()
        except BaseException:
            self._end(reusable=False)
            raise
        if answer[0] == "error":
            self._end(reusable=True)
            _, name, message, metadata = answer
            raise _ERRORS[name](message, **metadata)
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
                if self._taken > HELD:
                    self._worker.send(b"-")
                answer = self._worker.answer()
                if answer[0] == "frame":
                    self._taken += 1
                    return self._frame(self._worker, *answer[1:])
                for _ in range(min(self._taken, HELD)):
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

    def _frame(self, worker: _Worker, index: int, time_s: float, place: int, shape: list[int]) -> Frame:
        self.count = index + 1
        if place < 0:  # Larger than the first one: its size is all that anybody asks for.
            return Frame(index, time_s, np.broadcast_to(np.uint8(0), shape))
        return Frame(index, time_s, worker.picture(place * self._place_bytes, tuple(shape)))

    def _end(self, *, reusable: bool) -> None:
        worker, self._worker = self._worker, None
        if worker is None:
            return
        if reusable:
            self._pool.give_back(worker)
        else:
            with contextlib.suppress(OSError):
                worker.kill()


def _file() -> int:
    """Where there is no memfd."""
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
