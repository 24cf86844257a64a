"""A decoding process and the memory shared with it, from outside; its other side is red_align.media.decode_worker."""

from __future__ import annotations

import fcntl
import mmap
import os
import socket
import struct
import subprocess
import sys
import tempfile
from multiprocessing.connection import Connection
from typing import Any

import msgpack
import numpy as np
from numpy.typing import NDArray

from red_align.errors import UnreadableMedia

# Freed pictures stay with the process (glibc): fetching their pages anew takes longer than decoding them.
ALLOCATOR = {"MALLOC_MMAP_THRESHOLD_": str(32 * 1024**2), "MALLOC_TRIM_THRESHOLD_": str(64 * 1024**2)}


class DecodeProcess:
    """One process. ``send`` and ``answer`` raise UnreadableMedia where it died or does not answer in time."""

    def __init__(self, memory_bytes: int, timeout_s: float) -> None:
        ours, theirs = socket.socketpair()
        seconds, part = divmod(timeout_s, 1.0)
        for direction in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            ours.setsockopt(socket.SOL_SOCKET, direction, struct.pack("ll", int(seconds), int(part * 1e6)))
        self._memory = _memory()
        command = [sys.executable, "-m", "red_align.media.decode_worker"]
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

    def send(self, request: bytes) -> None:
        """Give it a message."""
        try:
            self._wire.send_bytes(request)
        except BlockingIOError as error:
            raise self._silent() from error
        except OSError as error:
            raise UnreadableMedia("the decoder crashed") from error

    def answer(self) -> Any:
        """Its next message."""
        try:
            return msgpack.unpackb(self._wire.recv_bytes())
        except BlockingIOError as error:
            raise self._silent() from error
        except (EOFError, OSError, ValueError, msgpack.UnpackException) as error:
            raise UnreadableMedia("the decoder crashed") from error

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
            raise UnreadableMedia("the decoder crashed") from error

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
