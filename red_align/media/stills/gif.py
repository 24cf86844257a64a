"""Whether a GIF is there to its end: unlike other formats it does not say how many frames it has."""

from __future__ import annotations

import mmap
from pathlib import Path

END, EXTENSION, PICTURE = 0x3B, 0x21, 0x2C
_HEADER, _DESCRIPTOR = 13, 10


def has_end(path: Path) -> bool:
    """Whether the end mark stands where the last frame ends.

    Args:
        path: A GIF.

    Returns:
        False where the file breaks off, be it between two frames.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        at = _HEADER + _table_bytes(data[10])
        while at < len(data):
            kind = data[at]
            if kind == END:
                return True
            if kind == EXTENSION:
                at = _behind_blocks(data, at + 2)
            elif kind == PICTURE and at + _DESCRIPTOR <= len(data):
                at = _behind_blocks(data, at + _DESCRIPTOR + _table_bytes(data[at + 9]) + 1)
            else:
                at += 1
    return False


def _table_bytes(flags: int) -> int:
    """Size of the table of colours that follows, by the flags before it."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _behind_blocks(data: mmap.mmap, at: int) -> int:
    while at < len(data) and data[at]:
        at += data[at] + 1
    return at + 1
