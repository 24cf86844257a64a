"""A camera that pans: one face is one track, and one that was lost for a moment goes on under its number."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest

from red_align.clip.landmarks import Columns
from red_align.formats.openface import CsvWriter
from red_align.frames import Frame, FrameResult, StreamEnd, VideoInfo
from red_align.media.serialization import frame_from_values, frame_values
from red_align.schemes import IBUG68
from red_align.tracking.options import TrackingOptions
from red_align.tracking.state import TrackerState
from red_align.tracking.tracker import Tracker
from tests.support.engines import detection
from tests.support.media import Image, astronaut, carphone_frames
from tests.unit.red_align.tracking.test_tracker import Bench, ids, picture


def panned(pictures: list[Image], step: float, width: int) -> list[Image]:
    """The pictures, moved by ``step`` pixels a frame to the right and back over a still, blurred background."""
    height, inner = pictures[0].shape[:2]
    noise = np.random.default_rng(0).integers(0, 255, (height // 10, width // 10, 3)).astype(np.uint8)
    background = cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
    frames, x = [], 0.0
    for image in pictures:
        move = np.array([[1.0, 0.0, x], [0.0, 1.0, 0.0]])
        moved = cv2.warpAffine(image, move, (width, height))
        shown = cv2.warpAffine(np.ones((height, inner), np.uint8), move, (width, height))
        frames.append(np.where(shown[..., None] > 0, moved, background).astype(np.uint8))
        x += step
        if not 0 <= x <= width - inner:
            step = -step
            x += 2 * step
    return frames


@pytest.mark.parametrize("share", [0.16, 0.18, 0.20, 0.30])
@pytest.mark.parametrize("source", ["portrait", "talking"])
def test_a_face_keeps_its_number_through_a_pan(source: str, share: float) -> None:
    """``share`` of a face's width a frame, over 50 frames that all show it."""
    if source == "portrait":
        small = np.asarray(cv2.resize(astronaut(), (154, 154), interpolation=cv2.INTER_AREA), np.uint8)
        frames = panned([small] * 50, share * 32, 400)
    else:
        frames = panned(list(carphone_frames()[:50]), share * 60, 480)
    with Tracker() as tracker:
        results = [tracker.process(Frame(i, i / 25, image)) for i, image in enumerate(frames)]
    assert ids(results) == [[0]] * 50
    assert min(result.faces[0].score for result in results) > 0.3


def lost_for(bench: Bench, frames: int, image: Image) -> None:
    bench.engine.step_confidence = bench.engine.acquire_confidence = 0.05
    assert ids(bench.run(frames, image)) == [[]] * frames
    bench.engine.step_confidence = bench.engine.acquire_confidence = 0.9


def reacquired(results: list[FrameResult]) -> list[bool]:
    return [face.reacquired for result in results for face in result.faces]


def test_a_face_that_is_back_within_half_a_second_keeps_its_number_and_says_so_once() -> None:
    bench = Bench(search_every=1)
    bench.detector.found = [detection(100, 100)]
    assert reacquired(bench.run(3, picture(0))) == [False] * 3
    lost_for(bench, 8, picture(0))
    results = bench.run(3, picture(0))
    assert ids(results) == [[0]] * 3
    assert reacquired(results) == [True, False, False]
    assert bench.counted["track_begun"] == 1
    assert bench.counted["track_redetected"] == 1


@pytest.mark.parametrize("why", ["late", "far", "other", "larger"])
def test_a_face_that_comes_late_far_away_or_looks_otherwise_is_a_new_track(why: str) -> None:
    bench = Bench(search_every=1)
    bench.detector.found = [detection(100, 100)]
    bench.run(3, picture(0))
    image = picture(1) if why == "other" else picture(0)
    lost_for(bench, 13 if why == "late" else 3, image)
    if why in ("far", "larger"):
        bench.detector.found = [detection(230, 100) if why == "far" else detection(100, 100, 110)]
    results = bench.run(2, image)
    assert ids(results) == [[1]] * 2
    assert reacquired(results) == [False, False]


def test_two_faces_that_are_back_have_each_its_own_number_and_column() -> None:
    bench = Bench(max_faces=2, search_every=1)
    bench.detector.found = [detection(80, 100, 60), detection(240, 140, 66)]
    columns = Columns(2, 68)
    results = bench.run(3, picture(0))
    bench.engine.step_confidence = bench.engine.acquire_confidence = 0.05
    results += bench.run(2, picture(0))
    bench.engine.step_confidence = bench.engine.acquire_confidence = 0.9
    bench.detector.found.reverse()
    results += bench.run(2, picture(0))
    wanted = [[1, 0], [1, 0], [1, 0], [], [], [1, 0], [1, 0]]
    assert [sorted(frame) for frame in ids(results)] == [sorted(frame) for frame in wanted]
    for result in results:
        columns.add(result)
    clip = columns.landmarks(VideoInfo(320, 240, 25.0), StreamEnd(True, 7))
    assert clip.track_ids[:, 0].tolist() == [0, 0, 0, -1, -1, 0, 0]
    assert clip.track_ids[:, 1].tolist() == [1, 1, 1, -1, -1, 1, 1]
    assert clip.reacquired.tolist() == [[False, False]] * 5 + [[True, True], [False, False]]


def test_a_tracker_that_goes_on_elsewhere_knows_the_faces_that_were_lost() -> None:
    bench = Bench(search_every=1)
    bench.detector.found = [detection(100, 100)]
    bench.run(3, picture(0))
    lost_for(bench, 2, picture(0))
    state = TrackerState.from_bytes(bench.tracker.state().to_bytes())
    assert [face.track_id for face in state.lost] == [0]
    options = TrackingOptions(search_every=1)
    other = Tracker.from_state(state, engine=bench.engine, detector=bench.detector, options=options)
    (face,) = other.track(picture(0), 5 / 25).faces
    assert (face.track_id, face.reacquired) == (0, True)
    bench.tracker.restore(state, same_clock=False)
    assert not bench.tracker.state().lost, "times begin anew: half a second says nothing"


def test_results_say_that_a_face_is_back_in_every_form() -> None:
    bench = Bench(search_every=1)
    bench.detector.found = [detection(100, 100)]
    bench.run(3, picture(0))
    lost_for(bench, 1, picture(0))
    back, after = bench.run(2, picture(0))
    values: Any = [frame_values(result)["faces"][0] for result in (back, after)]
    assert values[0]["reacquired"] is True
    assert "reacquired" not in values[1]
    assert [frame_from_values(frame_values(r)).faces[0].reacquired for r in (back, after)] == [True, False]
    writer = CsvWriter(IBUG68)
    assert writer.begin(VideoInfo(1, 1, 1.0)).endswith(b",y_67,reacquired\n")
    assert writer.frame(back).endswith(b",1\n")
    assert writer.frame(after).endswith(b",0\n")


def test_a_slow_face_is_not_led_and_a_pause_leads_nowhere() -> None:
    bench = Bench()
    bench.detector.found = [detection(100, 100)]
    bench.run(3, picture(0))
    (track,) = bench.tracker._tracks
    region, points = track.region, track.points
    track.motion = (0.09 * region.side * 25, 0.0)
    assert track.lead(1 / 25) is region
    assert (track.region is region, track.points is points) == (True, True)
    track.motion = (0.2 * region.side * 25, 0.0)
    track.lead(1.0)
    assert track.region is region, "nobody knows where it is a second later"
    track.lead(1 / 25)
    assert track.region.cx - region.cx == pytest.approx(0.2 * region.side, rel=0.01)
    np.testing.assert_allclose(track.points - points, [[track.region.cx - region.cx, 0.0]] * 68, atol=1e-9)
