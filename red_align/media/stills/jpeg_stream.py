"""Several JPEGs in one file: a video without a container, or a photograph with pictures behind it."""

from __future__ import annotations

import mmap
import re
from dataclasses import dataclass
from pathlib import Path

MARKER = re.compile(rb"\xff+[\x01-\xcf\xd8-\xfe]")
"""What ends the compressed data of a scan: neither a stuffed byte nor a restart."""
PADDING = re.compile(rb"\x00{0,64}")
SOI, EOI, SOS, APP2 = 0xD8, 0xD9, 0xDA, 0xE2
FRAME_HEADERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


@dataclass(frozen=True, slots=True)
class _Jpeg:
    """Where a JPEG ends, its (height, width) as stored, and whether it says that further pictures belong to it."""

    end: int
    size: tuple[int, int]
    has_more: bool


def is_jpeg_stream(path: Path) -> bool:
    """Whether a file that begins with a JPEG is a video of such frames (motion JPEG without a container).

    Photographs may have previews and the like behind them: these have other sizes, or are listed in the first one.

    Args:
        path: The file.

    Returns:
        True where another JPEG of the same size follows the first.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        first = _jpeg(data, 0)
        if first is None or first.has_more:
            return False
        following = PADDING.match(data, first.end)
        second = _jpeg(data, following.end() if following else first.end, whole=False)
        return second is not None and second.size == first.size


def _jpeg(data: mmap.mmap, at: int, *, whole: bool = True) -> _Jpeg | None:
    """The JPEG at an offset, as far as its size is known or up to its end; None where there is none."""
    if data[at : at + 2] != bytes((0xFF, SOI)):
        return None
    at, size, has_more = at + 2, (0, 0), False
    while (found := MARKER.match(data, at)) is not None:
        marker, at = data[found.end() - 1], found.end()
        if marker == EOI:
            return _Jpeg(at, size, has_more)
        length = int.from_bytes(data[at : at + 2], "big")
        if marker in FRAME_HEADERS:
            size = int.from_bytes(data[at + 3 : at + 5], "big"), int.from_bytes(data[at + 5 : at + 7], "big")
            if not whole:
                return _Jpeg(at, size, has_more)
        has_more = has_more or (marker == APP2 and data[at + 2 : at + 6] == b"MPF\0")
        at += max(length, 2)
        if marker == SOS:
            scan = MARKER.search(data, at)
            if scan is None:
                return None
            at = scan.start()
    return None
