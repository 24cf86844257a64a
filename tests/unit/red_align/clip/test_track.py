"""Tracking a clip frame by frame: what it gives, what it holds meanwhile, and that it frees it."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from red_align.clip.prefetch import THREAD, Prefetch
from red_align.clip.tracking import ClipTrack, track
from red_align.engine.default import PRESET, WEIGHTS, default_engine
from red_align.engine.onnx_engine import OnnxEngine
from red_align.errors import EmptyBody, InvalidRequest, NotReady, Overloaded, TooLarge, UnreadableMedia
from red_align.frames import Frame, FrameStatus, VideoInfo
from red_align.tracking.tracker import Tracker
from tests.support.engines import ScriptedDetector, ScriptedEngine, detection
from tests.support.media import Image, carphone_frames, carphone_path, write_video

BLANK = np.full((48, 64, 3), 255, np.uint8)


class CountingReader:
    """Implements Reader: blank frames, counted as they are decoded."""

    def __init__(self, count: int, fail_at: int | None = None) -> None:
        self.info, self.complete, self.count = VideoInfo(64, 48, 25.0), True, 0
        self.warnings: list[str] = []
        self._frames, self._fail_at = count, fail_at
        self.closed = 0
        self.decoding = threading.Event()
        self.go_on = threading.Event()
        self.go_on.set()

    def frames(self, stride: int = 1, *, planes: bool = False) -> Iterator[Frame]:
        for index in range(0, self._frames, stride):
            self.decoding.set()
            self.go_on.wait(10)
            if index == self._fail_at:
                raise TooLarge("frame 3 is far too large")
            self.count = index + 1
            yield Frame(index, index / 25, BLANK)

    def close(self) -> None:
        self.closed += 1


def blank_tracker(engine: ScriptedEngine | None = None) -> Tracker:
    return Tracker(engine=engine or ScriptedEngine(), detector=ScriptedDetector())


def decoding_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith(THREAD)]


def open_files() -> list[str]:
    links = [f"/proc/self/fd/{fd}" for fd in os.listdir("/proc/self/fd")]
    return [os.readlink(link) for link in links if os.path.islink(link)]


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("clips") / "short.mp4", list(carphone_frames()[:12]))


def test_every_frame_has_the_result_that_a_tracker_of_ones_own_gives(short: Path) -> None:
    with track(short) as clip, Tracker() as tracker:
        for count, result in enumerate(clip):
            again = tracker.track(clip.image, result.time_s)
            assert result.index == count
            assert result.time_s == pytest.approx(count / 25)
            # The clip is cropped from the planes of the video, its image is converted as a whole.
            np.testing.assert_allclose(result.faces[0].landmarks.points, again.faces[0].landmarks.points, atol=0.3)
            assert not clip.end.complete, "frames are left"
    assert (clip.end.complete, clip.end.frame_count, clip.end.warnings) == (True, 12, ())
    assert list(clip) == []
    assert clip.end.complete


def test_size_and_rate_are_known_at_once_and_a_stride_leaves_frames_out(short: Path) -> None:
    with track(str(short), stride=5) as clip:
        assert (clip.video.width, clip.video.height, clip.video.frame_rate) == (176, 144, 25.0)
        assert clip.scheme.num_points == 68
        with pytest.raises(InvalidRequest, match="no frame was processed"):
            _ = clip.image
        assert [result.index for result in clip] == [0, 5, 10]


def test_two_frames_are_held_at_most() -> None:
    reader = CountingReader(50)
    with ClipTrack(reader, blank_tracker()) as clip:
        for taken, _ in enumerate(clip, 1):
            assert reader.count <= taken + 1


def test_the_next_frame_decodes_while_this_one_is_processed() -> None:
    reader = CountingReader(3)
    clip = ClipTrack(reader, blank_tracker())
    next(clip)
    reader.decoding.clear()
    next(clip)
    assert reader.decoding.wait(10), "nobody asked for the third frame yet"
    clip.close()


def test_closing_early_frees_thread_file_and_slot(short: Path) -> None:
    engine = default_engine()
    clip = track(short)
    next(clip)
    next(clip)
    assert engine.sequences == 1
    assert decoding_threads()
    assert str(short) in open_files()
    clip.close()
    clip.close()
    assert engine.sequences == 0
    assert decoding_threads() == []
    assert str(short) not in open_files()
    assert list(clip) == []
    assert (clip.end.complete, clip.end.frame_count) == (False, 2)


@pytest.mark.parametrize("way", ["break", "with", "error", "end", "cycle"])
def test_whatever_ends_the_iteration_frees_all(way: str, short: Path) -> None:
    engine = default_engine()
    if way == "break":
        for _ in track(short):
            break
    elif way == "with":
        with track(short) as clip:
            next(clip)
    elif way == "error":
        with pytest.raises(KeyboardInterrupt):
            interrupted(short)
    elif way == "end":
        kept = track(short)
        assert len(list(kept)) == 12
    else:
        ring: list[object] = [track(short)]
        ring.append(ring)
        next(ring[0])  # type: ignore[call-overload]
        del ring
        gc.collect()
    assert engine.sequences == 0
    assert decoding_threads() == []
    assert str(short) not in open_files()


def interrupted(path: Path) -> None:
    with track(path) as clip:
        for _ in clip:
            raise KeyboardInterrupt


def test_closing_waits_for_the_frame_that_is_being_decoded() -> None:
    reader = CountingReader(9)
    clip = ClipTrack(reader, blank_tracker())
    next(clip)
    reader.go_on.clear()
    closing = threading.Thread(target=clip.close)
    closing.start()
    closing.join(0.1)
    reader.go_on.set()
    closing.join(10)
    assert reader.closed == 1
    assert decoding_threads() == []


def test_without_a_core_for_it_no_frame_decodes_ahead_nor_in_a_thread() -> None:
    reader = CountingReader(9)
    frames = Prefetch(reader, ahead=False)
    assert reader.count == 0
    assert [frame.index for _ in range(2) if (frame := frames.next()) is not None] == [0, 1]
    assert reader.count == 2
    assert decoding_threads() == []
    frames.close()
    assert reader.closed == 1
    assert frames.next() is None


def test_a_decoding_thread_can_close_what_it_decodes_for() -> None:
    reader = CountingReader(9)
    frames = Prefetch(reader, ahead=True)
    frames._thread.submit(frames.close).result(10)  # as the garbage collector may
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join(10)
    assert reader.closed == 1


def test_a_clip_that_breaks_off_in_the_middle_is_incomplete_and_says_why() -> None:
    reader = CountingReader(9, fail_at=3)
    clip = ClipTrack(reader, blank_tracker())
    assert [result.index for result in clip] == [0, 1, 2]
    assert clip.end.complete is False
    assert clip.end.warnings == ("frame 3 is far too large",)


def test_a_cut_file_gives_its_frames_and_a_warning(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "whole.mp4", list(carphone_frames()), options={"movflags": "faststart"}).read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) * 2 // 3])
    for isolated in (False, True):
        with track(tmp_path / "cut.mp4", stride=9, isolated=isolated) as clip:
            results = list(clip)
        assert 3 < len(results) < 13
        assert not clip.end.complete
        assert "broke off after frame" in clip.end.warnings[-1]


def test_an_engine_that_fails_raises_and_frees_all() -> None:
    engine = OnnxEngine(WEIGHTS / PRESET)
    clip = track(carphone_path(), engine=engine)
    next(clip)
    engine.close()
    with pytest.raises(NotReady, match="the engine is closed"):
        next(clip)
    assert decoding_threads() == []
    assert list(clip) == []
    assert not clip.end.complete


def test_a_full_engine_raises_for_the_first_face_and_warns_of_further_ones() -> None:
    detector = ScriptedDetector()
    detector.found = [detection(16, 24, 30), detection(48, 24, 30)]
    clip = ClipTrack(CountingReader(6), Tracker(2, engine=ScriptedEngine(slots=1), detector=detector))
    assert len(list(clip)) == 6
    assert clip.end.complete
    assert clip.end.warnings == ("further faces were left out: 1 sequences are in use",)
    with pytest.raises(Overloaded):
        list(ClipTrack(CountingReader(6), Tracker(engine=ScriptedEngine(slots=0), detector=detector)))


def test_a_process_of_its_own_decodes_the_same(short: Path) -> None:
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    here = list(track(short, stride=3))
    before = children.read_text()
    with track(short, stride=3, isolated=True) as clip:
        seen = next(clip)
        assert children.read_text() != before, "a process decodes"
        image = clip.image.copy()
        there = [seen, *clip]
    assert children.read_text() == before, "and is gone"
    assert np.array_equal(image, decoded(short))
    for one, other in zip(here, there, strict=True):
        assert (one.index, one.time_s) == (other.index, other.time_s)
        assert np.array_equal(one.faces[0].landmarks.points, other.faces[0].landmarks.points)


def decoded(path: Path) -> Image:
    with track(path) as clip:
        next(clip)
        return clip.image


def test_a_frame_of_another_size_is_an_error_and_the_clip_goes_on() -> None:
    class Odd(CountingReader):
        def frames(self, stride: int = 1, *, planes: bool = False) -> Iterator[Frame]:
            for frame in super().frames(stride):
                yield Frame(1, 0.04, BLANK[:40]) if frame.index == 1 else frame

    results = list(ClipTrack(Odd(3), blank_tracker()))
    assert [result.status for result in results] == [FrameStatus.OK, FrameStatus.ERROR, FrameStatus.OK]


@pytest.mark.parametrize("isolated", [False, True])
def test_what_is_no_clip_is_refused_at_once(isolated: bool, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no clip\n" * 20)
    (tmp_path / "empty").touch()
    with pytest.raises(UnreadableMedia):
        track(tmp_path / "text", isolated=isolated)
    with pytest.raises(EmptyBody):
        track(tmp_path / "empty", isolated=isolated)
    with pytest.raises(FileNotFoundError):
        track(tmp_path / "none", isolated=isolated)
    with pytest.raises(IsADirectoryError):
        track(tmp_path, isolated=isolated)
    assert decoding_threads() == []


@pytest.mark.parametrize("wrong", [{"stride": 0}, {"max_faces": 0}])
def test_arguments_out_of_range_are_refused(wrong: dict[str, int], short: Path) -> None:
    with pytest.raises(InvalidRequest, match="must be 1 or more"):
        track(short, **wrong)  # type: ignore[arg-type]
    assert str(short) not in open_files()


def test_elsewhere_than_on_linux_isolation_is_refused(short: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "darwin")
    with pytest.raises(InvalidRequest, match="needs Linux"):
        track(short, isolated=True)
