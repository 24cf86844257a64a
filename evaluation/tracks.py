"""Loss and return on made clips: the face goes and comes back; another face is there at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from evaluation.negatives import without_face
from red_align.datasets.labelled_faces import LabelledFace
from red_align.engine.base import Engine
from red_align.geometry import fit_similarity
from red_align.tracking.detector import Detector
from red_align.tracking.options import TrackingOptions
from red_align.tracking.tracker import Tracker

Image = NDArray[np.uint8]
BEFORE, GONE, AFTER = 10, 12, 12
NEVER = 99


@dataclass(frozen=True)
class TrackFigures:
    """In which frame something happened, one number a clip: 1 is the very frame of the change, NEVER is never.

    ``lost``: a face that vanished is given up. ``back``: one that came back is found. ``cut``:
    after a hard cut to another face at the same position there is a new track. ``skipped``: pictures whose face
    was not found at the beginning; ``others``: pictures left out because another face stays when this one goes.
    """

    lost: list[int]
    back: list[int]
    cut: list[int]
    skipped: int
    others: int


def evaluate_tracks(
    engine: Engine, detector: Detector, options: TrackingOptions, faces: Sequence[LabelledFace]
) -> TrackFigures:
    """One clip of loss and return a face, one cut to the face half the list away: neighbours may be one person.

    Args:
        engine: Runs the network.
        detector: Finds the faces.
        options: Of the trackers.
        faces: The pictures.
    """
    rng = np.random.default_rng(0)
    lost, back, cut, skipped, others = [], [], [], 0, 0
    half = (len(faces) + 1) // 2
    for face, other in zip(faces, [*faces[half:], *faces[:half]], strict=True):
        empty = without_face(face, rng)
        if detector.detect(empty):
            others += 1
            continue
        clip = [face.image] * BEFORE + [empty] * GONE + [face.image] * AFTER
        ids = track_ids(Tracker(engine=engine, detector=detector, options=options), clip, rng)
        if ids[BEFORE - 1] is None:
            skipped += 1
            continue
        gone, there = ids[BEFORE : BEFORE + GONE], ids[BEFORE + GONE :]
        lost.append(next((i for i, k in enumerate(gone, 1) if k is None), NEVER))
        back.append(next((i for i, k in enumerate(there, 1) if k is not None), NEVER))
        clip = [face.image] * BEFORE + [in_place_of(face, other)] * AFTER
        ids = track_ids(Tracker(engine=engine, detector=detector, options=options), clip, rng)
        first = ids[BEFORE - 1]
        cut.append(next((i for i, k in enumerate(ids[BEFORE:], 1) if k not in (None, first)), NEVER))
    return TrackFigures(lost, back, cut, skipped, others)


def track_ids(tracker: Tracker, clip: Sequence[Image], rng: np.random.Generator) -> list[int | None]:
    """The track of each frame.

    Args:
        tracker: A new one; it is closed.
        clip: Frames, RGB uint8 [H, W, 3]; each gets noise of its own, as a camera's has.
        rng: Makes the noise.

    Returns:
        Track ids, None where no face is followed.
    """
    ids: list[int | None] = []
    for t, image in enumerate(clip):
        noisy = np.clip(image + rng.normal(0, 2.0, image.shape), 0, 255).astype(np.uint8)
        result = tracker.track(noisy, t / 25.0)
        ids.append(result.faces[0].track_id if result.faces else None)
    tracker.close()
    return ids


def in_place_of(face: LabelledFace, other: LabelledFace) -> Image:
    """The other's picture, moved so that its face lies where the first one's does."""
    matrix = fit_similarity(other.points, face.points).matrix
    height, width = face.image.shape[:2]
    moved = cv2.warpAffine(other.image, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, np.uint8)
