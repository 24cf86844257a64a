"""A decoding process: ``python -m service.decode.worker FD MEMORY_FD MEMORY_BYTES`` opens files and hands frames on.

Messages over the socket FD are msgpack, never pickle: what a codec was made to do must not reach the parent. Pictures
go through a ring of places in the memory behind MEMORY_FD. A place is written again when the parent has given it back
(one byte each), so that frames are decoded ahead, but never more than there are places.
"""

from __future__ import annotations

import mmap
import os
import resource
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import msgpack
import numpy as np

from landmarks.errors import RedAlignError
from landmarks.frames import Frame, VideoInfo
from service.decode.reader import DecodeLimits, Reader, open_media

RING_BYTES, LEAST_PLACES, MOST_PLACES = 16 * 1024**2, 4, 16


def main(arguments: list[str]) -> int:
    """Serve until the parent hangs up."""
    fd, memory_fd, memory_bytes = (int(value) for value in arguments)
    if memory_bytes:
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    wire = Connection(fd)
    try:
        while True:
            path, limits, stride = msgpack.unpackb(wire.recv_bytes())
            _serve(wire, memory_fd, Path(path), DecodeLimits(*limits), stride)
    except (EOFError, OSError):
        return 0


def _serve(wire: Connection, memory_fd: int, path: Path, limits: DecodeLimits, stride: int) -> None:
    """One file: what it is, its frames as places come free, how it ended; then all places are taken back."""
    try:
        reader = open_media(path, limits)
    except (RedAlignError, MemoryError) as error:
        _send(wire, "error", *_plain(error))
        return
    try:
        ring = Ring(memory_fd, reader.info)
        _send(wire, "info", ring.place_bytes, *astuple(reader.info))
        for frame in _frames(reader, stride):
            while ring.free == 0 or wire.poll():
                wire.recv_bytes()
                ring.free += 1
            _send(wire, "frame", frame.index, frame.time_s, *ring.put(frame))
        _send(wire, "end", reader.complete, reader.count, reader.warnings)
        while ring.free < ring.places:
            wire.recv_bytes()
            ring.free += 1
    finally:
        reader.close()


def _send(wire: Connection, *values: Any) -> None:
    wire.send_bytes(msgpack.packb(values))


def _frames(reader: Reader, stride: int) -> Iterator[Frame]:
    """All frames; the next one decodes in a thread while this one is copied."""
    frames = reader.frames(stride)
    try:
        with ThreadPoolExecutor(1) as thread:
            ahead = thread.submit(next, frames, None)
            while (frame := ahead.result()) is not None:
                ahead = thread.submit(next, frames, None)
                yield frame
    except (RedAlignError, MemoryError) as error:  # such as a frame that grew beyond the limit in mid-clip
        reader.complete = False
        reader.warnings.append(_plain(error)[1])


def _plain(error: Exception) -> tuple[str, str, dict[str, str]]:
    """An error as values: its class by name, message, metadata."""
    if isinstance(error, RedAlignError):
        return type(error).__name__, error.message, error.metadata
    return "TooLarge", "the file needs more memory to decode than is allowed", {"limit": "decode_memory_bytes"}


class Ring:
    """Places for pictures in the memory that both processes see, each of the size of the clip's first frame."""

    def __init__(self, fd: int, video: VideoInfo) -> None:
        self.place_bytes = max(video.width * video.height * 3, 1)
        self.places = self.free = max(LEAST_PLACES, min(MOST_PLACES, RING_BYTES // self.place_bytes))
        if os.fstat(fd).st_size < self.places * self.place_bytes:
            os.ftruncate(fd, self.places * self.place_bytes)
        self._map = mmap.mmap(fd, self.places * self.place_bytes)
        self._next = 0

    def put(self, frame: Frame) -> tuple[int, tuple[int, ...]]:
        """Write a picture to the next place; gives the place, or -1 for one that is larger, and its shape."""
        image = frame.image
        assert image is not None
        place, self._next = self._next, (self._next + 1) % self.places
        self.free -= 1
        if image.nbytes > self.place_bytes:  # A session refuses it for its size, whatever is in it.
            return -1, image.shape
        view = np.frombuffer(self._map, np.uint8, image.nbytes, place * self.place_bytes)
        view.reshape(image.shape)[...] = image
        return place, image.shape


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
