"""Labelled pictures in known motion: does following a face lose accuracy against single frames, and does it lag?

Each picture goes round a circle of a fifth of the face's size, its rim as fast as asked, and is followed by the
library's tracker with its own detector. The same crops without prior and memory are the comparison.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from evaluation.metrics import Array, lag_frames, point_errors
from evaluation.recording import RecordingEngine
from red_align.datasets.labelled_faces import LabelledFace
from red_align.engine.base import Engine
from red_align.tracking.detector import Detector
from red_align.tracking.options import TrackingOptions
from red_align.tracking.tracker import Tracker

RADIUS = 0.2
FRAMES = 24


@dataclass(frozen=True)
class MotionFigures:
    """Of one speed: NME of tracked and of single frames, lag of the track in frames, faces lost or not found."""

    speed: float
    tracked: float
    still: float
    lag: float
    lost: int


def evaluate_motion(
    engine: Engine, detector: Detector, options: TrackingOptions, faces: Sequence[LabelledFace], speed: float
) -> MotionFigures:
    """Follow every face while its picture moves.

    Args:
        engine: Runs the network.
        detector: Finds the faces.
        options: Of the tracker.
        faces: The pictures.
        speed: Share of the face's size that it moves a frame.
    """
    tracked, still, lags, lost = [], [], [], 0
    for face in faces:
        found = _follow(engine, detector, options, face, speed)
        if found is None:
            lost += 1
            continue
        errors, alone, lag = found
        tracked.append(errors)
        still.append(alone)
        lags.append(lag)
    return MotionFigures(speed, _mean(tracked), _mean(still), _mean(lags), lost)


def _mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else float("nan")


def _follow(
    engine: Engine, detector: Detector, options: TrackingOptions, face: LabelledFace, speed: float
) -> tuple[float, float, float] | None:
    recorder = RecordingEngine(engine)
    scheme = engine.info.scheme
    ids = list(scheme.of_ibug68)
    path = circle(float(np.ptp(face.points, axis=0).max()), speed)
    tracked, still, truth = [], [], []
    with Tracker(engine=recorder, detector=detector, options=options) as tracker:
        for t, shift in enumerate(path):
            pair = recorder.take(tracker.track(moved(face.image, shift), t / 25.0))
            if t == 0:
                continue
            if pair is None:
                return None
            tracked.append(pair.tracked)
            still.append(pair.still)
            truth.append(face.points[ids] + shift)
    errors = [point_errors(p, q, scheme).mean() for p, q in zip(tracked, truth, strict=True)]
    alone = [point_errors(p, q, scheme).mean() for p, q in zip(still, truth, strict=True)]
    return float(np.mean(errors)), float(np.mean(alone)), lag_frames(np.array(tracked), np.array(truth))


def circle(size: float, speed: float) -> Array:
    """Shifts [FRAMES, 2] in pixels of a face of ``size`` that begins where it is."""
    angle = np.arange(FRAMES) * speed / RADIUS
    return np.stack([np.cos(angle) - 1.0, np.sin(angle)], axis=1) * RADIUS * size


def moved(image: np.ndarray, shift: Array) -> np.ndarray:
    """The picture moved by whole and part pixels; its edge goes on where it has moved away."""
    height, width = image.shape[:2]
    matrix = np.array([[1.0, 0.0, shift[0]], [0.0, 1.0, shift[1]]])
    return cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
