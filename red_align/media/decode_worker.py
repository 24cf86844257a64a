"""A decoding process, ``python -m red_align.media.decode_worker FD MEMORY_FD MEMORY_BYTES``, for clips and frames.

Messages over the socket FD are msgpack, never pickle: what a codec was made to do must not reach the parent. Pictures
go through a ring of slots in the memory behind MEMORY_FD. A slot is written again when the parent has given it back, so
that frames are decoded ahead, but never more than there are slots. Frames are told, and slots given back, several in a
message: on a core that both processes share, each message is a change from one to the other. A single frame comes as
bytes, and its picture lies at the beginning of that memory until the next request.
"""

from __future__ import annotations

import math
import mmap
import os
import resource
import sys
from collections.abc import Callable, Iterator
from dataclasses import astuple, dataclass, field
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from time import perf_counter
from typing import Any

import msgpack
import numpy as np
from numpy.typing import NDArray

from red_align.errors import Overloaded, RedAlignError, TooLarge
from red_align.frames import Frame, VideoInfo
from red_align.media.images import ImageReader, decode_frame
from red_align.media.keyframes import Span, index_clip
from red_align.media.reader import DecodeLimits, Reader, open_media
from red_align.media.spans import SpanReader
from red_align.yuv import YuvImage

RING_BYTES, LEAST_SLOTS, MOST_SLOTS = 16 * 1024**2, 4, 16
LONGEST_S = 0.05
"""No frame waits longer than this for others that are told with it, but for the decoding of the next one."""
PICTURE_BYTES = 11
"""Memory in bytes for each pixel of a picture that decodes: Pillow's four, two copies, and the file's own form.

A video's decoder holds frames of a byte and a half a pixel, some six of them."""
RGB, YUV, YUV_FULL = "rgb", "yuv", "yuv-full"
"""Layouts of a picture in a slot: red_align.yuv.split has the order of the planes."""


def main(arguments: list[str]) -> int:
    """Serve until the parent hangs up."""
    fd, memory_fd, memory_bytes = (int(value) for value in arguments)
    if memory_bytes:
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    wire, memory = Connection(fd), Memory(memory_fd)
    try:
        while True:
            kind, *request = msgpack.unpackb(wire.recv_bytes())
            if kind == "clip":
                path, limits, *given = request
                room = Room(wire)
                _serve_clip(wire, memory, room, partial(open_media, Path(path), RoomLimits(*limits, room=room)), *given)
            elif kind == "spans":
                path, limits, spans, *given = request
                parts = [Span(*values) for values in spans]
                room = Room(wire)
                opened = partial(SpanReader, Path(path), RoomLimits(*limits, room=room), parts)
                _serve_clip(wire, memory, room, opened, *given)
            elif kind == "index":
                path, limits = request
                _serve_index(wire, Path(path), DecodeLimits(*limits))
            else:
                data, limits, granted = request
                _serve_frame(wire, memory, data, RoomLimits(*limits, room=Room(wire, granted)))
    except (EOFError, OSError):
        return 0


def _serve_frame(wire: Connection, memory: Memory, data: bytes, limits: DecodeLimits) -> None:
    """One JPEG, PNG or WebP."""
    try:
        image = decode_frame(data, limits.check, memory.view)
    except (RedAlignError, MemoryError) as error:
        _send(wire, "error", *_plain(error))
        return
    if not np.shares_memory(image, memory.view(image.shape)):
        memory.put(image, 0)
    _send(wire, "picture", *image.shape)


def _serve_index(wire: Connection, path: Path, limits: DecodeLimits) -> None:
    """The key frames of a file."""
    try:
        found = index_clip(path, limits)
    except (RedAlignError, MemoryError) as error:
        _send(wire, "error", *_plain(error))
        return
    _send(wire, "index", None if found is None else astuple(found))


def _serve_clip(
    wire: Connection, memory: Memory, room: Room, opened: Callable[[], Reader], stride: int, planes: bool
) -> None:
    """One file: what it is, its frames as slots come free, how it ended; then all slots are taken back."""
    try:
        reader = opened()
        try:
            ring = Ring(reader.info)
            room.fill(ring, still=isinstance(reader, ImageReader) and not reader.info.frame_rate)
        except BaseException:
            reader.close()
            raise
    except (RedAlignError, MemoryError) as error:
        _send(wire, "error", *_plain(error))
        return
    try:
        ring.open(memory)
        _send(wire, "info", ring.slot_bytes, ring.slots, *astuple(reader.info))
        told: list[tuple[Any, ...]] = []
        until = 0.0
        for frame in _frames(reader.frames(stride, planes=planes), reader):
            told.append((frame.index, frame.time_s, *ring.put(frame)))
            if ring.free == 0 or len(told) == together(ring.slots) or perf_counter() > until:
                _send(wire, "frames", *told)
                told, until = [], perf_counter() + LONGEST_S
            while ring.free == 0:
                ring.free += _given_back(wire)
        if told:
            _send(wire, "frames", *told)
        _send(wire, "end", reader.complete, reader.count, reader.warnings)
        while ring.free < ring.slots:
            ring.free += _given_back(wire)
    finally:
        reader.close()


def together(slots: int) -> int:
    """How many frames are told, or slots given back, in one message: so few that neither side waits for the other."""
    return max(1, slots // 4)


def _given_back(wire: Connection) -> int:
    """Slots that may be written again; waits for them."""
    return int(msgpack.unpackb(wire.recv_bytes()))


def _send(wire: Connection, *values: Any) -> None:
    wire.send_bytes(msgpack.packb(values))


def _frames(frames: Iterator[Frame], reader: Reader) -> Iterator[Frame]:
    """All frames of a reader; an error ends them, and is told as what is missing."""
    try:
        yield from frames
    except (RedAlignError, MemoryError) as error:  # such as a frame that grew beyond the limit in mid-clip
        reader.complete = False
        reader.warnings.append(_plain(error)[1])


def _plain(error: Exception) -> tuple[str, str, dict[str, str]]:
    """An error as values: its class by name, message, metadata."""
    if isinstance(error, RedAlignError):
        return type(error).__name__, error.message, error.metadata
    return "TooLarge", "the file needs more memory to decode than is allowed", {"limit": "decode_memory_bytes"}


class Room:
    """Memory that the parent has set aside for what is being decoded; it is asked for before it is used.

    Args:
        wire: Leads to the parent.
        granted: Bytes that are set aside already.
    """

    def __init__(self, wire: Connection, granted: int = 0) -> None:
        self._wire, self._granted = wire, granted
        self._full = False

    def need(self, size: int) -> None:
        """Raises Overloaded where there are no ``size`` bytes, TooLarge where a clip under way would need more."""
        if size <= self._granted:
            return
        if self._full:  # Decoding goes on in a thread beside the messages of the ring.
            raise TooLarge("a frame is far larger than the first one", limit="max_decoding_bytes")
        _send(self._wire, "room", size)
        if self._wire.recv_bytes() != b"+":
            raise Overloaded("there is no memory to decode this in", limit="max_decoding_bytes")
        self._granted = size

    def fill(self, ring: Ring, *, still: bool) -> None:
        """Have the slots of a clip beside its decoder; that is all then."""
        if not still:
            self.need(ring.slot_bytes // 3 * PICTURE_BYTES + ring.slots * ring.slot_bytes)
        self._full = True


@dataclass(frozen=True, slots=True)
class RoomLimits(DecodeLimits):
    """Limits whose check of a frame's size has its memory set aside too.

    Attributes:
        room: Where that is asked for.
    """

    room: Room = field(kw_only=True)

    def check(self, width: int, height: int) -> None:
        """See DecodeLimits.check; raises Overloaded too."""
        DecodeLimits.check(self, width, height)
        self.room.need(width * height * PICTURE_BYTES)


class Memory:
    """A file in memory that both processes see; it grows and never shrinks."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._map: mmap.mmap | None = None

    def reach(self, size: int) -> mmap.mmap:
        """All of it, which is at least ``size`` bytes. Mapped once: the first touch of a page is what costs."""
        if self._map is None or len(self._map) < size:
            if os.fstat(self._fd).st_size < size:
                os.ftruncate(self._fd, size)
            self._map = mmap.mmap(self._fd, 0)
        return self._map

    def view(self, shape: tuple[int, ...], offset: int = 0) -> NDArray[np.uint8]:
        """Where a picture of that shape lies."""
        size = math.prod(shape)
        return np.frombuffer(self.reach(offset + size), np.uint8, size, offset).reshape(shape)

    def put(self, image: NDArray[np.uint8], offset: int) -> None:
        """Write a picture."""
        self.view(image.shape, offset)[...] = image


class Ring:
    """Slots for pictures in the memory that both processes see, each of the size of the clip's first frame."""

    def __init__(self, video: VideoInfo) -> None:
        self.slot_bytes = max(video.width * video.height * 3, 1)
        self.slots = self.free = max(LEAST_SLOTS, min(MOST_SLOTS, RING_BYTES // self.slot_bytes))
        self._next = 0

    def open(self, memory: Memory) -> None:
        """Have room for all slots."""
        self._memory = memory
        memory.reach(self.slots * self.slot_bytes)

    def put(self, frame: Frame) -> tuple[int, str, tuple[int, ...]]:
        """Write a picture to the next slot; gives the slot, or -1 for one that is larger, its layout and shape."""
        picture = frame.picture
        assert picture is not None
        slot, self._next = self._next, (self._next + 1) % self.slots
        self.free -= 1
        if math.prod(picture.shape) > self.slot_bytes:  # A tracker refuses it for its size, whatever is in it.
            return -1, RGB, picture.shape
        offset = slot * self.slot_bytes
        if not isinstance(picture, YuvImage):
            self._memory.put(picture, offset)
            return slot, RGB, picture.shape
        for plane in (picture.y, picture.u, picture.v):
            self._memory.put(plane, offset)
            offset += plane.nbytes
        return slot, YUV_FULL if picture.full_range else YUV, picture.shape


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
