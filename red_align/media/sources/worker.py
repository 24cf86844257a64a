"""A process that reads one live source, ``python -m red_align.media.sources.worker FD MEMORY_FD MEMORY_BYTES``.

It connects and decodes; its messages and memory are those of red_align.media.decode_worker. Each frame is asked for,
and the newest one is given then, so that no older ones wait in between.
"""

from __future__ import annotations

import resource
import sys
from dataclasses import astuple
from multiprocessing.connection import Connection
from typing import Any

import msgpack

from red_align.errors import RedAlignError
from red_align.media.decode_worker import Memory, Ring, Room, RoomLimits
from red_align.media.sources.opening import LiveLimits
from red_align.media.sources.reader import LiveReader
from red_align.media.sources.rules import SourceRules
from red_align.media.sources.urls import parse_live_url

WAIT_S = 1.0
"""Without a frame for this long the parent hears so."""


def main(arguments: list[str]) -> int:
    """Serve one source until the parent hangs up."""
    fd, memory_fd, memory_bytes = (int(value) for value in arguments)
    if memory_bytes:
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    wire, memory = Connection(fd), Memory(memory_fd)
    try:
        _serve(wire, memory, *msgpack.unpackb(wire.recv_bytes()))
    except (EOFError, OSError):
        return 0
    return 0


def _serve(
    wire: Connection, memory: Memory, url: str, rules: list[Any], decoding: list[Any], times: list[float], after: int
) -> None:
    room = Room(wire)
    limits = RoomLimits(*decoding, room=room)
    given, live = SourceRules.from_values(rules), LiveLimits(*times)
    try:
        reader = LiveReader(
            parse_live_url(url), limits.check, rules=given, limits=live, threads=limits.threads, after=after
        )
        ring = Ring(reader.info)
        room.fill(ring, still=False)
    except (RedAlignError, MemoryError) as error:
        _send(wire, "error", *plain(error))
        return
    ring.open(memory)
    _send(wire, "info", ring.slot_bytes, reader.origin_s, *astuple(reader.info))
    while True:
        stride, planes = msgpack.unpackb(wire.recv_bytes())
        frame = reader.take(WAIT_S, stride, planes=planes)
        dropped = [reader.dropped_count, reader.take_dropped()]
        if frame is not None:
            _send(wire, "frame", dropped, frame.index, frame.time_s, *ring.put(frame))
        elif reader.over:
            lost = None if reader.error is None else plain(reader.error)
            _send(wire, "end", dropped, reader.complete, reader.count, reader.position, lost)
            return
        else:
            _send(wire, "none", dropped)


def plain(error: Exception) -> tuple[str, str, dict[str, str]]:
    """An error as values: its class by name, message, metadata."""
    if isinstance(error, RedAlignError):
        return type(error).__name__, error.message, error.metadata
    return "TooLarge", "the source needs more memory to decode than is allowed", {"limit": "decode_memory_bytes"}


def _send(wire: Connection, *values: Any) -> None:
    wire.send_bytes(msgpack.packb(values))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
