"""Tracking the chunks of a clip side by side: the answers of one part, in order, whatever happens meanwhile."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

import red_align
from red_align.clip.parallel import THREAD, ParallelRun, open_parallel
from red_align.clip.sources import LocalSource
from red_align.clip.tracking import ClipTrack
from red_align.engine.default import default_engine
from red_align.errors import InvalidRequest
from red_align.frames import FrameResult
from red_align.media.reader import DecodeLimits
from red_align.tracking.tracker import Tracker
from tests.support.media import Image, astronaut, carphone_frames, damage_packets, write_video

pytestmark = pytest.mark.slow

COUNT = 480
BAR = 0.3
"""Most mean difference behind a joint, per cent of the distance of the outer eye corners."""


def there_and_back(count: int) -> list[Image]:
    frames = list(carphone_frames())
    return ((frames + frames[::-1]) * (count // 240 + 1))[:count]


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """480 frames with a key frame every 60, and B-frames."""
    return write_video(tmp_path_factory.mktemp("clips") / "long.mp4", there_and_back(COUNT), gop=60, b_frames=3)


@pytest.fixture(scope="module")
def alone(long: Path) -> list[FrameResult]:
    return list(red_align.track(long))


def workers() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith(THREAD)]


def open_files() -> list[str]:
    links = [f"/proc/self/fd/{fd}" for fd in os.listdir("/proc/self/fd")]
    return [os.readlink(link) for link in links if os.path.islink(link)]


def heads(results: Sequence[FrameResult]) -> list[tuple[int, float, str, list[int]]]:
    return [(r.index, r.time_s, str(r.status), [face.track_id for face in r.faces]) for r in results]


def run_of(path: Path, parallel: int, max_faces: int = 1) -> ParallelRun:
    run = open_parallel(LocalSource(path, DecodeLimits()), parallel, lambda: Tracker(max_faces))
    assert run is not None
    return run


def all_of(run: ParallelRun) -> list[FrameResult]:
    results = []
    while (result := run.next()) is not None:
        results.append(result)
    return results


def apart(one: Sequence[FrameResult], other: Sequence[FrameResult]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Mean distance of the first face's points, per cent of the distance of the outer eye corners."""
    points = [(a.faces[0].landmarks.points, b.faces[0].landmarks.points) for a, b in zip(one, other, strict=True)]
    return np.array([100 * np.linalg.norm(a - b, axis=1).mean() / np.linalg.norm(a[36] - a[45]) for a, b in points])


@pytest.mark.parametrize("isolated", [False, True])
@pytest.mark.parametrize("parallel", [2, 3])
def test_the_answer_is_that_of_one_part(parallel: int, isolated: bool, long: Path, alone: list[FrameResult]) -> None:
    with red_align.track(long, parallel=parallel, isolated=isolated) as clip:
        results = list(clip)
        end = clip.end
    assert heads(results) == heads(alone)
    assert (end.complete, end.warnings, end.frame_count) == (True, (), COUNT)
    differences = apart(alone, results)
    assert differences[0] == 0.0
    assert 0.0 < differences.mean() < BAR
    assert workers() == []
    assert default_engine().sequences == 0
    assert str(long) not in open_files()


def test_a_stride_is_kept(long: Path) -> None:
    results = list(red_align.track(long, parallel=2, stride=1))
    assert len(results) == COUNT
    path = write_video(long.with_name("longer.mp4"), there_and_back(1000), gop=50, b_frames=3)
    strided = list(red_align.track(path, parallel=2, stride=2))
    assert heads(strided) == heads(list(red_align.track(path, stride=2)))


def test_align_gives_the_same_columns(long: Path, alone: list[FrameResult]) -> None:
    clip = red_align.align(long, parallel=2, max_faces=2)
    assert clip.points.shape == (COUNT, 2, 68, 2)
    assert (clip.track_ids[:, 0] == 0).all()
    assert clip.index.tolist() == [result.index for result in alone]


@pytest.mark.parametrize("damaged", [[100, 300], [400], [20], [COUNT - 1]])
def test_packets_that_do_not_decode_leave_answers_and_warnings_as_they_are(damaged: list[int], tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", there_and_back(COUNT), gop=60)
    damage_packets(path, damaged)
    one, several = red_align.track(path), red_align.track(path, parallel=2)
    assert type(one) is not type(several), "the clip is split"
    assert heads(list(several)) == heads(list(one))
    assert several.end == one.end
    assert not one.end.complete
    assert f"{len(damaged)} of 480 packets" in one.end.warnings[0]


@pytest.mark.parametrize("place", ["second", "last"])
def test_a_cut_file_has_the_answer_of_one_part(place: str, tmp_path: Path, long: Path) -> None:
    data = long.read_bytes()
    moved = tmp_path / "moved.mkv"
    write_video(moved, there_and_back(COUNT), options={"live": "1"})
    data = moved.read_bytes()
    path = tmp_path / "cut.mkv"
    path.write_bytes(data[: int(len(data) * (0.5 if place == "second" else 0.99))])
    one, several = red_align.track(path), red_align.track(path, parallel=2)
    assert heads(list(several)) == heads(list(one))
    assert several.end == one.end


def test_a_face_that_a_chunk_did_not_choose_is_followed_all_the_same(tmp_path: Path) -> None:
    """The clip begins with the man on the right; the larger face on the left comes later and is never the one."""
    frames: list[Image] = []
    portrait = astronaut()[10:266, 90:346]
    for i, small in enumerate(there_and_back(COUNT)):
        canvas = np.full((256, 448, 3), 128, np.uint8)
        canvas[56:200, 264:440] = small
        if i > 30:
            canvas[:, :256] = portrait
        frames.append(canvas)
    path = write_video(tmp_path / "two.mp4", frames, gop=60, b_frames=3)
    one, run = list(red_align.track(path)), run_of(path, 2)
    several = all_of(run)
    run.close()
    assert run.repeated == 1
    assert heads(several) == heads(one)
    assert {face.track_id for result in several for face in result.faces} == {0}
    assert apart(one[10:], several[10:]).max() < 0.01, "it was tracked on from the first chunk's state"


@pytest.mark.parametrize("after", [0, 1, 200])
def test_closing_early_frees_all(after: int, long: Path) -> None:
    clip = red_align.track(long, parallel=2)
    for _ in range(after):
        next(clip)
    clip.close()
    clip.close()
    assert list(clip) == []
    assert not clip.end.complete
    assert workers() == []
    assert default_engine().sequences == 0
    assert str(long) not in open_files()


def test_results_that_nobody_takes_are_bounded(long: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("red_align.clip.lanes.MOST_WAITING", 10)
    run = run_of(long, 2)
    assert run.next() is not None
    run._threads[0].join(0.5)
    assert all(len(lane.results) <= 10 for lane in run._lanes)
    run.close()


def test_short_clips_and_pictures_are_one_part(tmp_path: Path, long: Path) -> None:
    short = write_video(tmp_path / "short.mp4", there_and_back(60))
    one, clip = list(red_align.track(short)), red_align.track(short, parallel=4)
    assert type(clip) is ClipTrack
    assert all(
        np.array_equal(a.faces[0].landmarks.points, b.faces[0].landmarks.points) for a, b in zip(one, clip, strict=True)
    )


def test_what_cannot_be_had_says_so(long: Path) -> None:
    with pytest.raises(InvalidRequest, match="parallel is 0"):
        red_align.track(long, parallel=0)
    with red_align.track(long, parallel=2) as clip:
        next(clip)
        with pytest.raises(InvalidRequest, match="keeps no images"):
            _ = clip.image
