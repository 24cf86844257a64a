"""The clips that benchmarks run on, and the straight line through their figures."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from benchmarks.growth import growth
from benchmarks.support.clips import (
    RATE,
    clip_of_size,
    frames_of,
    repeated_clip,
    resized,
    several_faces,
    there_and_back,
)
from red_align.clip.landmarks import align


def times(path: Path) -> list[float]:
    with av.open(str(path)) as container:
        return [float(frame.time or 0.0) for frame in container.decode(video=0)]


def test_frames_go_there_and_back_without_a_cut() -> None:
    assert list(there_and_back(4, 9)) == [0, 1, 2, 3, 2, 1, 0, 1, 2]


def test_another_shape_is_cut_and_not_stretched() -> None:
    image = np.zeros((100, 100, 3), np.uint8)
    image[40:60, 40:60] = 255  # a square in the middle stays one
    wide = resized(image, 400, 200)
    assert wide.shape == (200, 400, 3)
    rows, columns = (np.flatnonzero((wide[..., 0] > 127).any(axis=axis)) for axis in (1, 0))
    assert np.ptp(rows) == pytest.approx(np.ptp(columns), abs=2)


def test_a_clip_has_the_size_and_number_of_frames_asked_for(tmp_path: Path) -> None:
    path = clip_of_size(tmp_path / "clip.mp4", frames_of(None, 4), (640, 480), 7)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height, stream.codec_context.name) == (640, 480, "h264")
    assert len(times(path)) == 7


def test_a_repeated_clip_goes_on_in_time(tmp_path: Path) -> None:
    path = repeated_clip(tmp_path / "long.mp4", frames_of(None, 5), (176, 144), 7)
    found = times(path)
    assert len(found) == 7 * 8
    assert np.diff(found) == pytest.approx(1 / RATE, abs=1e-3)


def test_as_many_faces_are_found_as_were_put_in(tmp_path: Path) -> None:
    clip = align(several_faces(tmp_path / "three.mp4", frames_of(None, 60), 3, 6), max_faces=8)
    assert (clip.track_ids[-1] >= 0).sum() == 3


def test_growth_is_a_straight_line() -> None:
    assert growth({1.0: 5.0, 2.0: 7.0, 4.0: 11.0}) == pytest.approx((3.0, 2.0))
