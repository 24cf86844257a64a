"""Trackers: when to detect, whom to follow, when a face is lost. Engine and detector answer what the test says."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest

from red_align.engine.base import StepRequest, StepResult
from red_align.errors import BadFrame, InvalidRequest, Overloaded
from red_align.frames import Frame, FrameResult, FrameStatus
from red_align.geometry import FaceRegion
from red_align.tracking import tracker
from red_align.tracking.options import TrackingOptions
from red_align.tracking.tracker import Tracker
from tests.support.engines import MEAN, ScriptedDetector, ScriptedEngine, detection

WHITE = np.full((240, 320, 3), 255, np.uint8)


class Bench:
    """A tracker with its scripted parts; ``run`` sends white frames."""

    def __init__(self, max_faces: int = 1, slots: int = 99, **options: Any) -> None:
        self.engine: ScriptedEngine = ScriptedEngine(slots)
        self.detector = ScriptedDetector()
        self.counted: Counter[str] = Counter()
        self.tracker = Tracker(
            max_faces,
            engine=self.engine,
            detector=self.detector,
            options=TrackingOptions(**options),
            observe=lambda name, value: self.counted.update([name]),
        )
        self.index = 0

    def run(self, count: int = 1, image: np.ndarray[Any, Any] = WHITE) -> list[FrameResult]:
        results = []
        for _ in range(count):
            results.append(self.tracker.process(Frame(self.index, self.index / 25, image)))
            self.index += 1
        return results


def ids(results: list[FrameResult]) -> list[list[int]]:
    return [[face.track_id for face in result.faces] for result in results]


def test_without_a_face_the_detector_runs_every_nth_frame() -> None:
    bench = Bench(detect_every=1, search_every=5, search_turned_every=0)
    results = bench.run(11)
    assert bench.detector.calls == 3
    assert all(r.status is FrameStatus.OK and r.faces == () for r in results)


def test_with_all_faces_tracked_the_detector_rests() -> None:
    bench = Bench(detect_every=2)
    bench.detector.found = [detection(100, 100)]
    assert ids(bench.run(20)) == [[0]] * 20
    assert bench.detector.calls == 1


def test_while_there_is_room_the_search_goes_on() -> None:
    bench = Bench(detect_every=4, search_every=1, max_faces=2)
    bench.detector.found = [detection(100, 100)]
    bench.run(3)
    bench.detector.found.append(detection(220, 120))
    results = bench.run(5)
    assert ids(results) == [[0], [0, 1], [0, 1], [0, 1], [0, 1]]
    assert bench.detector.calls == 2


def test_one_wanted_face_is_the_largest_and_then_the_best() -> None:
    bench = Bench()
    bench.detector.found = [detection(60, 60, 40, 0.99), detection(200, 120, 90, 0.7), detection(90, 180, 90.5, 0.8)]
    face = (bench.run())[0].faces[0]
    assert face.box.y + face.box.h / 2 == pytest.approx(180, abs=3)


def test_the_points_come_back_to_the_frame() -> None:
    bench = Bench()
    bench.detector.found = [detection(160, 120, 128)]
    face = (bench.run())[0].faces[0]
    assert np.allclose(face.landmarks.points, MEAN + (160 - 63.5, 120 - 63.5), atol=1e-3)


def test_a_track_begins_with_the_memory_of_acquire_and_keeps_its_sequence() -> None:
    bench = Bench()
    bench.detector.found = [detection(100, 100)]
    bench.run(4)
    assert len(bench.engine.started) == 1
    assert bench.engine.memories[bench.engine.started[0]][0] == 103.0


def counted(bench: Bench) -> dict[str, int]:
    """What was observed of the tracks."""
    return {
        key: bench.counted[f"track_{name}"]
        for key, name in (("begun", "begun"), ("lost", "lost"), ("again", "redetected"))
    }


def test_a_lost_face_ends_its_sequence_and_comes_back_as_a_new_track() -> None:
    bench = Bench(search_every=2)
    bench.detector.found = [detection(100, 100)]
    bench.run(3)
    bench.engine.step_confidence = bench.engine.acquire_confidence = 0.05
    assert ids(bench.run(2)) == [[], []]
    assert bench.engine.memories == {}
    assert bench.detector.calls == 2, "the frame that loses a face searches for it at once"
    bench.engine.step_confidence = bench.engine.acquire_confidence = 0.9
    assert counted(bench) == {"begun": 1, "lost": 1, "again": 0}
    assert ids(bench.run(2)) == [[1], [1]]
    assert counted(bench) == {"begun": 2, "lost": 1, "again": 1}


def test_a_face_that_a_second_acquisition_finds_stays_the_same_track() -> None:
    bench = Bench()
    bench.detector.found = [detection(100, 100)]
    bench.run(3)
    bench.engine.step_confidence = 0.05
    assert ids(bench.run(1)) == [[0]]
    bench.engine.step_confidence = 0.9
    assert ids(bench.run(1)) == [[0]]
    first, second = bench.engine.started
    assert first == second, "the sequence begins anew in the slot that it holds"
    # 102 after two steps, the failed third step adds one, acquire takes it up, the next step goes on from there.
    assert bench.engine.memories[second][0] == 1104.0


def test_a_detection_that_the_network_does_not_believe_is_no_face() -> None:
    bench = Bench()
    bench.detector.found = [detection(100, 100)]
    bench.engine.acquire_confidence = 0.05
    assert ids(bench.run(2)) == [[], []]
    bench.engine.acquire_confidence = 0.9
    assert ids(bench.run(4))[-1] == [0], "ids are not spent on what was no face"


def test_two_detections_of_one_face_make_one_track() -> None:
    bench = Bench(max_faces=3)
    bench.detector.found = [detection(100, 100), detection(104, 102)]
    assert ids(bench.run(8)) == [[0]] * 8


def test_a_face_whose_points_ask_for_another_region_is_acquired_again() -> None:
    bench = Bench()
    turned = FaceRegion(100, 100, 60, 0.0)
    bench.detector.found = [detection(100, 100)]
    turn = FaceRegion(63.5, 63.5, 128, np.deg2rad(25)).to_frame(128)  # the face stands turned in its first crop
    bench.engine.first_points = turn.apply(MEAN).astype(np.float32)
    face = (bench.run())[0].faces[0]
    assert bench.engine.acquired == 2
    upright = FaceRegion(turned.cx, turned.cy, turned.side, np.deg2rad(25))
    assert np.abs(face.landmarks.points - upright.to_frame(128).apply(MEAN)).max() < 2.5


def test_a_broken_frame_is_answered_and_the_track_goes_on() -> None:
    bench = Bench()
    bench.detector.found = [detection(100, 100)]
    bench.run(2)
    broken = bench.tracker.process(Frame(2, 0.1, None, BadFrame("no picture")))
    assert (broken.status, broken.error and broken.error.reason) == (FrameStatus.ERROR, "BAD_FRAME")
    other = bench.tracker.process(Frame(3, 0.2, np.zeros((10, 20, 3), np.uint8)))
    assert other.error is not None
    assert "20x10" in other.error.message
    assert "320x240" in other.error.message
    assert ids(bench.run(1)) == [[0]]
    assert len(bench.engine.started) == 1


def picture(seed: int) -> np.ndarray[Any, Any]:
    """Smooth noise: a scene of its own for every seed."""
    small = np.random.default_rng(seed).integers(0, 256, (24, 32, 3)).astype(np.uint8)
    return cv2.resize(small, (320, 240), interpolation=cv2.INTER_CUBIC)


def test_a_cut_to_another_face_in_the_same_place_is_a_new_track() -> None:
    bench = Bench()
    bench.detector.found = [detection(100, 100)]
    before = ids(bench.run(3, picture(0)))
    after = ids(bench.run(3, picture(1)))
    assert before + after == [[0]] * 3 + [[1]] * 3
    assert bench.detector.calls == 1
    first, second = bench.engine.started
    assert first not in bench.engine.memories
    assert bench.engine.memories[second][0] == 102.0, "the new face begins with a memory of its own"


def test_a_cut_to_what_is_no_face_loses_the_track() -> None:
    bench = Bench()
    bench.detector.found = [detection(100, 100)]
    bench.run(3, picture(0))
    bench.engine.acquire_confidence = 0.1  # The step believed its prior; an acquisition does not.
    assert ids(bench.run(2, picture(1))) == [[], []]
    assert bench.engine.memories == {}


def test_light_that_changes_is_no_cut() -> None:
    bench = Bench()
    bench.detector.found = [detection(100, 100)]
    dim = (picture(0) * 0.4 + 30).astype(np.uint8)
    assert ids([*bench.run(2, picture(0)), *bench.run(2, dim), *bench.run(2)]) == [[0]] * 6


def test_closing_ends_every_sequence() -> None:
    bench = Bench(max_faces=3)
    bench.detector.found = [detection(60, 60), detection(160, 160), detection(260, 60)]
    bench.run(3)
    assert len(bench.engine.memories) == 3
    bench.tracker.close()
    bench.tracker.close()
    assert bench.engine.memories == {}


def test_a_further_face_that_finds_the_engine_full_is_left_out_and_the_others_go_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tracker, "FULL_ENGINE_FRAMES", 8)
    bench = Bench(max_faces=3, slots=1, detect_every=1)
    bench.detector.found = [detection(60, 60), detection(220, 160)]
    results = bench.run(8)
    assert ids(results) == [[0, 1]] + [[0]] * 7
    assert all(result.status is FrameStatus.OK for result in results)
    assert bench.counted["face_refused"] == 1, "the engine is left alone for a while"
    assert len(bench.tracker.warnings) == 1
    assert "1 sequences are in use" in bench.tracker.warnings[0]
    bench.engine.slots = 3
    assert ids(bench.run(5))[-1] == [0, 2], "it is found when there is a slot"


def test_a_first_face_that_finds_the_engine_full_is_an_error_of_its_stream() -> None:
    bench = Bench(slots=0)
    bench.detector.found = [detection(60, 60)]
    bench.run(1)
    with pytest.raises(Overloaded):
        bench.run(1)


def test_a_sequence_that_the_engine_lost_goes_on_and_says_so_once() -> None:
    bench = Bench()
    bench.detector.found = [detection(100, 100)]
    bench.run(3)
    (name,) = bench.engine.memories
    bench.engine.memories.clear()  # as after a pause
    assert [result.resumed for result in bench.run(3)] == [True, False, False]
    assert bench.engine.memories[name][0] == 105.0, "its memory is the one it had"


def test_a_tracker_from_a_state_answers_as_the_one_that_it_was_taken_from() -> None:
    bench = Bench(max_faces=2)
    bench.detector.found = [detection(100, 100), detection(220, 120)]
    bench.run(4)
    other = Tracker.from_state(bench.tracker.state(), 2, engine=bench.engine, detector=bench.detector)
    result = other.track(WHITE, 4 / 25)
    (wanted,) = bench.run(1)
    assert (result.index, result.resumed) == (wanted.index, True)
    for face, same in zip(result.faces, wanted.faces, strict=True):
        assert face.track_id == same.track_id
        np.testing.assert_array_equal(face.landmarks.points, same.landmarks.points)


def test_frames_are_numbered_and_timed_by_themselves() -> None:
    bench = Bench()
    results = [bench.tracker.track(WHITE) for _ in range(3)]
    assert [(r.index, r.status) for r in results] == [(i, FrameStatus.OK) for i in range(3)]
    assert results[1].time_s > results[0].time_s
    late = bench.tracker.track(WHITE, 0.0)
    assert late.error is not None
    assert late.error.reason == "TIMESTAMP_NOT_GROWING"


@pytest.mark.parametrize("image", [np.zeros((9, 9), np.uint8), np.zeros((9, 9, 3)), np.zeros((0, 9, 3), np.uint8)])
def test_what_is_no_rgb_picture_is_refused(image: np.ndarray[Any, Any]) -> None:
    with pytest.raises(InvalidRequest, match=r"RGB uint8 \[H, W, 3\]"):
        Bench().tracker.track(image)


class Meeting(ScriptedEngine):
    """Each face's points lie where the test says, in pixels of its crop."""

    def __init__(self) -> None:
        super().__init__()
        self.shifts: dict[str, float] = {}

    def answer_step(self, request: StepRequest) -> StepResult:
        result = super().answer_step(request)
        return replace(result, points=result.points + (self.shifts.get(request.sequence, 0.0), 0.0))


def test_of_two_tracks_that_come_to_lie_on_one_face_the_older_one_stays() -> None:
    bench = Bench(max_faces=2)
    bench.engine = engine = Meeting()
    bench.tracker.engine = engine
    bench.detector.found = [detection(100, 100), detection(150, 100)]
    assert ids(bench.run(2)) == [[0, 1]] * 2
    _, second = engine.started
    engine.shifts[second] = -47.0 * 128 / 60  # onto the first one's face
    bench.detector.found = bench.detector.found[:1]
    results = bench.run(4)
    assert ids(results) == [[0]] * 4
    assert list(engine.memories) != [second]
    assert second not in engine.memories, "its slot is free"
    assert bench.counted["track_lost"] == 1
