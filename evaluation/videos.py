"""Videos through the library's tracker: 300-VW folders with labels, and plain clips for jitter alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evaluation.metrics import Array, lag_frames, second_differences, smoothed, without_head_motion
from evaluation.recording import Pair, RecordingEngine
from red_align.datasets.labelled_faces import VIDEO_NAMES
from red_align.datasets.pts import read_pts
from red_align.engine.base import Engine
from red_align.frames import FrameResult
from red_align.geometry import Points
from red_align.media.reader import DecodeLimits, open_media
from red_align.schemes import IBUG68
from red_align.tracking.detector import Detector
from red_align.tracking.options import TrackingOptions
from red_align.tracking.tracker import Tracker

CLIP_SUFFIXES = (".mp4", ".avi", ".mpg", ".mov", ".mkv", ".webm")

LAG_SIGMA, LAG_LEAST_FRAMES = 1.5, 30
"""Frames over which both tracks are smoothed before their delay is sought, and how many it takes."""


@dataclass(frozen=True)
class ClipFigures:
    """Of one clip. Jitter is the mean second difference over the eye distance; nan where there is none.

    ``still`` is the jitter of the same network on the same crops without prior and memory; ``truth`` that of the
    labels; ``errors`` [labelled frames] the NME, infinite where the face was missed. ``lag`` and ``own_lag``
    are frames behind the single-frame points: of the track, and of expression, without the motion of the head.
    """

    name: str
    frames: int
    without_face: int
    tracks: int
    jitter: float
    still: float
    lag: float
    own_lag: float
    truth: float
    errors: Array


@dataclass
class _Run:
    """Frames one after another that one track holds."""

    tracked: list[Array]
    still: list[Array]


def evaluate_clip(engine: Engine, detector: Detector, options: TrackingOptions, path: Path) -> ClipFigures:
    """Follow one face through a clip as ``POST /align`` does, and compare with the labels beside it if there are.

    Args:
        engine: Runs the network.
        detector: Finds the face.
        options: Of the tracker.
        path: The clip.

    Raises:
        UnreadableMedia: The clip does not open.
    """
    recorder = RecordingEngine(engine)
    scheme = engine.info.scheme
    truth = labels(path)
    runs: list[_Run] = []
    errors, tracks, without, count = [], set(), 0, 0
    last = -1
    reader = open_media(path, DecodeLimits())
    with Tracker(engine=recorder, detector=detector, options=options) as tracker:
        for result in map(tracker.process, reader.frames()):
            count += 1
            without += not result.faces
            tracks |= {face.track_id for face in result.faces}
            if (known := truth.get(result.index)) is not None:
                errors.append(_error(result, known[list(scheme.of_ibug68)], IBUG68.eye_distance(known)))
            pair = recorder.take(result)
            last = _extend(runs, pair, result, last)
    reader.close()
    long = [run for run in runs if len(run.tracked) >= 3]
    eyes = [np.array([scheme.eye_distance(p) for p in run.tracked]) for run in long]
    return ClipFigures(
        path.parent.name + "/" + path.name if truth else path.name,
        count,
        without,
        len(tracks),
        _jitter([np.array(run.tracked) for run in long], eyes),
        _jitter([np.array(run.still) for run in long], eyes),
        *_lags(long),
        _truth_jitter(truth),
        np.array(errors),
    )


def labels(path: Path) -> dict[int, Array]:
    """300-VW: ``annot/000001.pts`` beside the video is frame 0."""
    if path.name not in VIDEO_NAMES:
        return {}
    return {int(p.stem) - 1: read_pts(p) for p in sorted((path.parent / "annot").glob("*.pts"))}


def find_clips(folder: Path) -> Iterator[Path]:
    """All videos below a folder."""
    yield from sorted(p for p in folder.rglob("*") if p.suffix.lower() in CLIP_SUFFIXES)


def _extend(runs: list[_Run], pair: Pair | None, result: FrameResult, last: int) -> int:
    """Add a frame to the run of its track, or begin a new one; gives the track, or -1."""
    if pair is None:
        return -1
    track = result.faces[0].track_id
    if track != last:
        runs.append(_Run([], []))
    runs[-1].tracked.append(pair.tracked)
    runs[-1].still.append(pair.still)
    return track


def _error(result: FrameResult, truth: Points, eyes: float) -> float:
    if not result.faces:
        return float("inf")
    found = np.asarray(result.faces[0].landmarks.points)
    return float(np.linalg.norm(found - truth, axis=1).mean() / eyes)


def _jitter(runs: list[Array], eyes: list[Array]) -> float:
    bends = [second_differences(points, eye) for points, eye in zip(runs, eyes, strict=True)]
    return float(np.concatenate(bends).mean()) if bends else float("nan")


def _lags(runs: list[_Run]) -> tuple[float, float]:
    """Of the longest run: a short one moves too little for a delay to show."""
    run = max(runs, key=lambda r: len(r.tracked), default=_Run([], []))
    if len(run.tracked) < LAG_LEAST_FRAMES:
        return float("nan"), float("nan")
    tracked, still = smoothed(np.array(run.tracked), LAG_SIGMA), smoothed(np.array(run.still), LAG_SIGMA)
    return lag_frames(tracked, still), lag_frames(without_head_motion(tracked), without_head_motion(still))


def _truth_jitter(truth: dict[int, Array]) -> float:
    """Jitter of the labels themselves, all 68 points, where three frames in a row have some."""
    middle = [t for t in truth if t - 1 in truth and t + 1 in truth]
    if not middle:
        return float("nan")
    three = [np.stack([truth[t - 1], truth[t], truth[t + 1]]) for t in middle]
    eyes = [np.full(3, IBUG68.eye_distance(truth[t])) for t in middle]
    return _jitter(three, eyes)
