"""How a long clip is split into chunks that are tracked side by side."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass

from red_align.media.keyframes import ClipIndex, KeyFrame, Span

WARM_UP = 90
"""Processed frames of a chunk that the chunk before answers too: its memory settles in them."""
LEAST_CHUNK = 150
"""Processed frames of the shortest chunk; below that the warm-up would cost more than is won."""
MOST_CHUNK = 750
"""Processed frames of a chunk where key frames allow: it bounds the results that wait for the chunk before."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A part of a clip.

    Attributes:
        span: What is decoded for it, from a key frame on.
        first: Number of the first frame after its warm-up. Those before it are answered by the chunk before.
    """

    span: Span
    first: int


def split(
    index: ClipIndex, parallel: int, stride: int = 1, *, warm_up: int = WARM_UP, least: int = LEAST_CHUNK
) -> list[Chunk]:
    """Split a clip at key frames.

    Args:
        index: Its key frames.
        parallel: Chunks that are tracked side by side.
        stride: Every stride-th frame is processed.
        warm_up: Processed frames that two chunks share.
        least: Processed frames of the shortest chunk.

    Returns:
        The chunks in order, as many as keep ``parallel`` workers busy; none where frames or key frames are too few.
    """
    total, warm_up, least = index.frame_count, warm_up * stride, least * stride
    rounds = -(-total // (MOST_CHUNK * stride * parallel))
    count = min(parallel * rounds, (total - warm_up) // least)
    begins = [index.keys[0]]
    numbers = [key.index for key in index.keys]
    for i in range(1, count):
        # With the warm-up after its key frame each chunk has as many frames to process.
        wanted = i * (total - warm_up) // count
        key = _nearest(index.keys, numbers, wanted)
        if key.index - begins[-1].index >= least and total - key.index >= least:
            begins.append(key)
    if len(begins) < 2:
        return []
    chunks: list[Chunk] = []
    for begin, following in zip(begins, [*begins[1:], None], strict=True):
        first = begin.index + warm_up if chunks else 0
        if following is None:
            span = Span(begin.packet, begin.pts, begin.index, total, -1, 0)
        else:
            stop = following.index + warm_up
            span = Span(begin.packet, begin.pts, begin.index, stop, following.index, following.pts)
        chunks.append(Chunk(span, first))
    return chunks


def _nearest(keys: tuple[KeyFrame, ...], numbers: list[int], wanted: int) -> KeyFrame:
    after = min(bisect_left(numbers, wanted), len(keys) - 1)
    before = max(after - 1, 0)
    return keys[after] if numbers[after] - wanted < wanted - numbers[before] else keys[before]
