"""Faces that lie on their side or hang upside down are found by searches of the turned frame, at a bounded cost."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from red_align.frames import Frame
from red_align.tracking.detector import Detection, YuNetDetector, detect
from red_align.tracking.options import TrackingOptions
from red_align.tracking.tracker import Tracker
from tests.support.engines import ScriptedDetector, detection
from tests.support.media import Image, astronaut
from tests.unit.red_align.tracking.test_tracker import WHITE, Bench, ids


def turned(image: Image, quarters: int) -> Image:
    return np.ascontiguousarray(np.rot90(image, quarters))


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_face_turned_by_quarters_has_the_points_of_the_upright_one(quarters: int) -> None:
    """In its very first frame, so that a photograph will do; and it is followed from there."""
    wide = np.ascontiguousarray(astronaut()[:400])
    with Tracker() as one:
        (wanted,) = one.process(Frame(0, 0.0, wide)).faces
    with Tracker() as other:
        results = [other.process(Frame(i, i / 25, turned(wide, quarters))) for i in range(5)]
    assert ids(results) == [[0]] * 5
    x, y = results[0].faces[0].landmarks.points.T
    height, width = wide.shape[:2]
    back = {1: (width - 1 - y, x), 2: (width - 1 - x, height - 1 - y), 3: (y, height - 1 - x)}[quarters]
    off = np.abs(np.stack(back, 1) - wanted.landmarks.points).mean()
    assert off < 0.02 * wanted.box.w


def test_without_turned_searches_such_a_face_is_not_found() -> None:
    with Tracker(options=TrackingOptions(search_turned_every=0)) as tracker:
        assert tracker.process(Frame(0, 0.0, turned(astronaut(), 1))).faces == ()


@pytest.mark.parametrize("turn", [1, 2, 3])
def test_detections_of_a_turned_frame_are_in_pixels_of_the_frame_as_it_is(turn: int) -> None:
    """For YuNet, and for a detector that knows nothing of turns."""

    class Upright(ScriptedDetector):
        def detect(self, image: np.ndarray[Any, Any]) -> list[Detection]:
            return YuNetDetector().detect(image)

    wide = np.ascontiguousarray(astronaut()[:400])
    (wanted,) = YuNetDetector().detect(wide)
    lying = turned(wide, -turn)
    for detector in (YuNetDetector(), Upright()):
        (found,) = detect(detector, lying, turn)
        square = turned(np.zeros((*wide.shape[:2], 1), np.uint8), 0)
        box = wanted.box
        square[round(box.y) : round(box.y + box.h), round(box.x) : round(box.x + box.w)] = 1
        rows, columns, _ = np.nonzero(turned(square, -turn))
        assert found.box.x == pytest.approx(columns.min(), abs=2)
        assert found.box.y == pytest.approx(rows.min(), abs=2)
        assert found.box.w == pytest.approx(np.ptp(columns), abs=3)
        assert found.region.side == pytest.approx(wanted.region.side, rel=0.02)
        assert np.cos(found.region.angle - wanted.region.angle - turn * np.pi / 2) > 0.99


class Turns(ScriptedDetector):
    """Keeps the shape of what it was asked for: turned frames of WHITE stand upright."""

    def __init__(self) -> None:
        super().__init__()
        self.frames: list[list[bool]] = []

    def detect(self, image: np.ndarray[Any, Any]) -> list[Detection]:
        self.frames[-1].append(image.shape[0] > image.shape[1])
        return super().detect(image)


def test_the_first_frame_is_searched_in_all_turns_and_later_ones_in_one_turn_now_and_then() -> None:
    detector = Turns()
    bench = Bench(search_every=2)
    tracker = Tracker(
        engine=bench.engine, detector=detector, options=TrackingOptions(search_every=2, search_turned_every=6)
    )
    for index in range(25):
        detector.frames.append([])
        tracker.process(Frame(index, index / 25, WHITE))
    assert detector.frames[0] == [False, True, True, False]
    assert [len(calls) for calls in detector.frames[1:13]] == [0, 1, 0, 1, 0, 2] * 2
    extra = [calls[1] for calls in detector.frames[1:] if len(calls) == 2]
    assert extra == [True, True, False, True], "one side, the other, upside down, and so on"


def test_a_clip_whose_face_is_found_upright_is_not_searched_turned_when_it_is_lost() -> None:
    bench = Bench(search_every=1, search_turned_every=5)
    bench.detector.found = [detection(100, 100)]
    bench.run(3)
    assert bench.detector.calls == 1
    bench.detector.found = []
    bench.engine.step_confidence = bench.engine.acquire_confidence = 0.05
    bench.run(4)
    assert bench.detector.calls == 5
    bench.run(1)
    assert bench.detector.calls == 7
