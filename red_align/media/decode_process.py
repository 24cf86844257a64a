"""A decoding process and the memory shared with it, from outside; its other side is red_align.media.decode_worker."""

from __future__ import annotations

import fcntl
import mmap
import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
from multiprocessing.connection import Connection
from typing import Any

import msgpack
import numpy as np
from numpy.typing import NDArray

from red_align.errors import DecoderLost, Overloaded, RedAlignError, TooLarge, UnreadableMedia

# Freed pictures stay with the process (glibc): fetching their pages anew takes longer than decoding them.
ALLOCATOR = {"MALLOC_MMAP_THRESHOLD_": str(32 * 1024**2), "MALLOC_TRIM_THRESHOLD_": str(64 * 1024**2)}


CRASHED = "the decoder crashed"
CLIPS = "red_align.media.decode_worker"
"""Module of the other side that reads files and single frames."""
END_S = 1.0
"""Seconds for a process whose socket is closed to be gone."""


class MemoryBudget:
    """Memory of frames that are being decoded, over all files and frames at once. Safe to use from any thread.

    Args:
        limit: Most bytes at once; 0 for no limit.
    """

    def __init__(self, limit: int = 0) -> None:
        self.limit, self.used = limit, 0
        self._lock = threading.Lock()

    def take(self, wanted: int) -> RedAlignError | None:
        """Set bytes aside; gives the error instead where there are not as many."""
        with self._lock:
            free = self.limit - self.used
            if not self.limit or wanted <= free:
                self.used += wanted
                return None
        need = f"about {wanted / 1e6:.0f} MB of memory are needed to decode this"
        if wanted > self.limit:
            message = f"{need}, which exceeds the limit of {self.limit / 1e6:.0f} MB for all requests"
            return TooLarge(message, limit="max_decoding_bytes")
        message = f"{need}, and of {self.limit / 1e6:.0f} MB for all requests {free / 1e6:.0f} MB are free now"
        return Overloaded(message, limit="max_decoding_bytes")

    def give_back(self, held: int) -> None:
        """Free what was set aside."""
        with self._lock:
            self.used -= held


class MemoryShare:
    """What one file or frame has of a budget.

    Args:
        budget: Of all.
    """

    def __init__(self, budget: MemoryBudget) -> None:
        self._budget = budget
        self.held = 0

    def grow(self, total: int) -> RedAlignError | None:
        """Have ``total`` bytes; gives the error instead where that cannot be."""
        refused = self._budget.take(total - self.held) if total > self.held else None
        if refused is None:
            self.held = max(total, self.held)
        return refused

    def release(self) -> None:
        """Give all of it back; safe to call twice."""
        held, self.held = self.held, 0
        self._budget.give_back(held)


class DecodeProcess:
    """One process. ``send`` and ``answer`` raise UnreadableMedia where it crashed or does not answer in time.

    One that was killed from outside is no fault of the file's: that is DecoderLost.

    Args:
        memory_bytes: Bound of its address space; 0 for none.
        timeout_s: Seconds for one answer.
        module: What it runs.
    """

    def __init__(self, memory_bytes: int, timeout_s: float, module: str = CLIPS) -> None:
        ours, theirs = socket.socketpair()
        seconds, part = divmod(timeout_s, 1.0)
        for direction in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            ours.setsockopt(socket.SOL_SOCKET, direction, struct.pack("ll", int(seconds), int(part * 1e6)))
        self._memory = _memory()
        command = [sys.executable, "-m", module]
        command += [str(theirs.fileno()), str(self._memory), str(memory_bytes)]
        # Its own words would be the codec's, on whatever a client sent.
        self._process = subprocess.Popen(
            command,
            pass_fds=(theirs.fileno(), self._memory),
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=os.environ | ALLOCATOR,
        )
        theirs.close()
        self._wire = Connection(ours.detach())
        self._timeout_s = timeout_s
        self._map: mmap.mmap | None = None
        self.died = False
        """Whether it was found to have ended by itself: another process may do better."""

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._process.poll() is None

    def send(self, request: bytes) -> None:
        """Give it a message."""
        try:
            self._wire.send_bytes(request)
        except BlockingIOError as error:
            raise self._silent() from error
        except OSError as error:
            raise self._ended() from error

    def answer(self) -> Any:
        """Its next message."""
        try:
            return msgpack.unpackb(self._wire.recv_bytes())
        except BlockingIOError as error:
            raise self._silent() from error
        except (EOFError, OSError) as error:
            raise self._ended() from error
        except (ValueError, msgpack.UnpackException) as error:
            raise UnreadableMedia(CRASHED) from error

    def first_answer(self, share: MemoryShare) -> Any:
        """Its answer to a request, once it has the memory that it asks for before; an error where it gets none."""
        while (answer := self.answer())[0] == "room":
            refused = share.grow(int(answer[1]))
            self.send(b"-" if refused else b"+")
            if refused:
                self.answer()  # Its own error has no numbers.
                return ["error", type(refused).__name__, refused.message, refused.metadata]
        return answer

    def _ended(self) -> RedAlignError:
        try:
            status = self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            status = 0
        self.died = True
        return DecoderLost("the decoder was killed") if status == -signal.SIGKILL else UnreadableMedia(CRASHED)

    def _silent(self) -> UnreadableMedia:
        return UnreadableMedia(f"the decoder did not answer within {self._timeout_s:g} s")

    @property
    def shared_bytes(self) -> int:
        """Size of the memory that the process has shared with this one."""
        return os.fstat(self._memory).st_size

    def picture(self, offset: int, shape: tuple[int, ...]) -> NDArray[np.uint8]:
        """A view of a picture, good until its slot is given back."""
        size = int(np.prod(shape))
        if self._map is None or offset + size > len(self._map):
            self._map = mmap.mmap(self._memory, 0, prot=mmap.PROT_READ)
        try:
            return np.frombuffer(self._map, np.uint8, size, offset).reshape(shape)
        except ValueError as error:
            raise UnreadableMedia(CRASHED) from error

    def stop(self) -> None:
        """End it while another thread waits for its answer: that wait ends, and whoever waits calls ``kill``."""
        self._process.kill()

    def kill(self) -> None:
        """End it; views of its pictures stay good as long as they are held."""
        self._process.kill()
        self._process.wait()
        self._wire.close()
        self._map = None
        os.close(self._memory)


def _memory() -> int:
    """A file in memory that may grow but not shrink: reading what is gone would end this process."""
    if not hasattr(os, "memfd_create"):
        with tempfile.TemporaryFile() as file:
            return os.dup(file.fileno())
    memory = os.memfd_create("red-align-frames", os.MFD_ALLOW_SEALING)
    fcntl.fcntl(memory, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK)
    return memory
