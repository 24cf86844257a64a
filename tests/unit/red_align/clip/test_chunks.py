"""Splitting a clip at its key frames."""

from __future__ import annotations

from itertools import pairwise

import pytest

from red_align.clip.chunks import LEAST_CHUNK, MOST_CHUNK, WARM_UP, split
from red_align.frames import VideoInfo
from red_align.media.keyframes import ClipIndex, KeyFrame


def clip(frames: int, apart: int) -> ClipIndex:
    """A clip with a key frame every so many frames; packets come in another order than frames."""
    keys = tuple(KeyFrame(i + 3 * bool(i), 1000 + 40 * i, i) for i in range(0, frames, apart))
    return ClipIndex(VideoInfo(64, 48, 25.0), frames, keys)


@pytest.mark.parametrize("parallel", [2, 3, 8])
@pytest.mark.parametrize("stride", [1, 5])
@pytest.mark.parametrize(("frames", "apart"), [(20_000, 1), (20_000, 30), (20_000, 250), (20_001, 777)])
def test_chunks_answer_every_frame_once_and_share_their_warm_up(
    frames: int, apart: int, parallel: int, stride: int
) -> None:
    index = clip(frames, apart)
    chunks = split(index, parallel, stride)
    assert len(chunks) >= 2
    assert (chunks[0].span.index, chunks[0].first, chunks[-1].span.stop) == (0, 0, frames)
    assert chunks[-1].span.check_index == -1
    for before, after in pairwise(chunks):
        assert before.span.stop == after.first == after.span.index + WARM_UP * stride
        assert (before.span.check_index, before.span.check_pts) == (after.span.index, after.span.pts)
        assert after.span.index - before.span.index >= LEAST_CHUNK * stride
        assert KeyFrame(after.span.packet, after.span.pts, after.span.index) in index.keys


def test_chunks_are_even_and_short_where_key_frames_allow() -> None:
    chunks = split(clip(30_000, 10), 4)
    lengths = [chunk.span.stop - chunk.span.index for chunk in chunks]
    assert len(chunks) % 4 == 0, "no worker has more of them than another"
    assert max(lengths) <= MOST_CHUNK + WARM_UP + 20
    assert max(lengths) - min(lengths) <= 20


@pytest.mark.parametrize(("frames", "apart"), [(2 * LEAST_CHUNK - 1, 1), (9000, 9000), (10, 1), (9000, 8990)])
def test_short_clips_and_those_with_one_key_frame_are_not_split(frames: int, apart: int) -> None:
    assert split(clip(frames, apart), 4) == []


def test_a_short_clip_has_fewer_chunks_than_were_asked_for() -> None:
    assert len(split(clip(3 * LEAST_CHUNK + WARM_UP, 5), 8)) == 3
