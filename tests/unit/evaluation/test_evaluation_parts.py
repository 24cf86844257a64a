"""Parts of the evaluation over an engine that the test scripts: recording, motion, pictures without a face."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from evaluation.metrics import second_differences
from evaluation.motion import FRAMES, RADIUS, circle, moved
from evaluation.negatives import half_shifted, without_face
from evaluation.recording import RecordingEngine
from evaluation.tracks import in_place_of
from red_align.engine.base import StepRequest, StepResult
from red_align.frames import Frame
from red_align.tracking.tracker import Tracker
from tests.support.engines import MEAN, AnsweringEngine, ScriptedDetector, detection
from tests.support.faces import ASTRONAUT_POINTS, astronaut_face, dots, dotted_face

OTHER = np.zeros((68, 2), np.float32)
OTHER[::2, 0] = 1.0


class TwoAnswers(AnsweringEngine):
    """A tracked step finds the mean shape; an acquisition finds every other point 2 px to the right."""

    def __init__(self) -> None:
        self.confidence = 0.9

    def answer_acquire(self, request: StepRequest) -> StepResult:
        return StepResult(MEAN + 2 * OTHER, np.full(68, 0.9, np.float32), np.zeros(4, np.float32))

    def answer_step(self, request: StepRequest) -> StepResult:
        return StepResult(MEAN, np.full(68, self.confidence, np.float32), np.zeros(4, np.float32))


def test_the_recorder_gives_both_answers_in_pixels_of_the_frame() -> None:
    engine, detector = TwoAnswers(), ScriptedDetector()
    detector.found = [detection(160, 120, 64.0)]
    recorder = RecordingEngine(engine)
    with Tracker(engine=recorder, detector=detector) as tracker:
        frames = [Frame(t, t / 25, np.full((240, 320, 3), 9, np.uint8)) for t in range(4)]
        assert recorder.take(tracker.process(frames[0])) is None, "a first frame is no step"
        result = tracker.process(frames[1])
        pair = recorder.take(result)
        assert pair is not None
        np.testing.assert_allclose(pair.tracked, result.faces[0].landmarks.points, atol=1e-6)
        # The crop is about 64 px wide: 2 of its 128 pixels are about one of the frame.
        np.testing.assert_allclose(pair.still - pair.tracked, OTHER, atol=0.15)
        assert recorder.take(result) is None, "each pair is given once"
        engine.confidence = 0.05
        assert recorder.take(tracker.process(frames[2])) is None, "the face was acquired again: no step's answer"


@pytest.mark.parametrize("speed", [0.01, 0.05])
def test_the_circle_begins_in_place_and_has_the_speed_that_was_asked(speed: float) -> None:
    path = circle(100.0, speed)
    assert path.shape == (FRAMES, 2)
    assert np.abs(path[0]).max() == 0.0
    steps = np.linalg.norm(np.diff(path, axis=0), axis=1)
    np.testing.assert_allclose(steps, 100.0 * speed, rtol=0.01)
    assert np.linalg.norm(path, axis=1).max() <= 2 * RADIUS * 100.0 + 1e-6


def test_a_moved_picture_moves_by_parts_of_pixels() -> None:
    image = dotted_face().image
    before, after = np.stack(dots(image)), np.stack(dots(moved(image, np.array([3.25, -1.5]))))
    np.testing.assert_allclose(after - before, [[3.25, -1.5]] * 2, atol=0.06)


def test_a_picture_without_its_face_keeps_the_rest() -> None:
    face = astronaut_face()
    empty = without_face(face, np.random.default_rng(0))
    low, high = ASTRONAUT_POINTS.min(0).astype(int), ASTRONAUT_POINTS.max(0).astype(int)
    changed = (empty != face.image).any(-1)
    assert changed[low[1] : high[1], low[0] : high[0]].mean() > 0.95
    assert not changed[300:].any()
    assert (half_shifted(face, np.random.default_rng(0)).shape) == (128, 128, 3)


def test_another_face_comes_to_lie_at_the_same_position() -> None:
    face = dotted_face()
    other = replace(face, image=np.roll(face.image, (9, -14), axis=(0, 1)), points=face.points + (-14, 9))
    found = np.stack(dots(in_place_of(face, other)))
    np.testing.assert_allclose(found, face.points[[36, 45]], atol=0.1)


def test_one_point_counts_as_much_as_its_share() -> None:
    points = np.repeat(MEAN[None].astype(np.float64), 3, axis=0)
    points[1, 7] += (3.0, 4.0)
    assert second_differences(points, np.full(3, 50.0)) == pytest.approx([2 * 5.0 / 68 / 50.0])
