"""What a variant's precision costs on labelled faces, by the protocol of red_align.datasets.protocol."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from export.runners import Runner
from red_align.datasets.labelled_faces import read_faces
from red_align.datasets.protocol import Draws, draw

MAX_LOSS = 0.1
"""By how many points (percent of the eye distance) a variant's NME may exceed that of fp32."""
_BATCH = 64
CALIBRATION_SEED = 7


@dataclass(frozen=True)
class Accuracy:
    """NME in percent of the outer eye distance of a first frame and of a tracked pass; median of the latter."""

    acquired: float
    tracked: float
    median: float

    def row(self, name: str) -> str:
        """A line of the table."""
        return f"{name:<14}{self.acquired:>10.3f}{self.tracked:>10.3f}{self.median:>10.3f}"

    def loss(self, fp32: Accuracy) -> float:
        """By how many points this one is worse, in whichever of both graphs it is more.

        Args:
            fp32: The accuracy to compare with.

        Returns:
            Points (percent of the eye distance); nan where a NaN was met.
        """
        return float(np.max([self.acquired - fp32.acquired, self.tracked - fp32.tracked]))


ACCURACY_HEAD = f"{'precision':<14}{'first %':>10}{'next %':>10}{'median %':>10}"


def validation_faces(folder: Path, draws: int = 5) -> Draws:
    """Crops of all faces below a folder, by the protocol.

    Args:
        folder: Pictures with labels beside them, see red_align.datasets.labelled_faces.
        draws: Draws of the box error a face.

    Returns:
        Crops uint8 [K, 128, 128, 3] with their points in crop pixels.

    Raises:
        ValueError: The folder has no labelled face.
    """
    return _drawn(folder, draws, seed=0)


def calibration_crops(folder: Path, most: int = 128) -> NDArray[np.uint8]:
    """Crops of faces spread over a folder, with box errors of their own.

    Args:
        folder: Pictures with labels beside them.
        most: Faces taken, at most.

    Returns:
        uint8 [K, 128, 128, 3].

    Raises:
        ValueError: The folder has no labelled face.
    """
    crops = _drawn(folder, 1, CALIBRATION_SEED).crops
    chosen: NDArray[np.uint8] = crops[np.linspace(0, len(crops) - 1, min(most, len(crops))).astype(int)]
    return chosen


def accuracy(runner: Runner, data: Draws) -> Accuracy:
    """Both graphs on every crop: a first frame from the mean shape, then the same view once more from its points.

    Args:
        runner: Who runs the graphs.
        data: Crops and their points.

    Returns:
        Errors in percent of the outer eye distance.
    """
    ids, (a, b) = list(runner.scheme.of_ibug68), runner.scheme.outer_eyes
    errors: list[list[NDArray[np.float64]]] = [[], []]
    for at in range(0, len(data.crops), _BATCH):
        crops, truth = data.crops[at : at + _BATCH], data.points[at : at + _BATCH][:, ids]
        n = len(crops)
        fresh = np.zeros((n, runner.memory_size), np.float32)
        first = runner.acquire(crops, np.tile(runner.mean, (n, 1)), fresh)
        then = runner.step(range(n), crops, first.points, np.ones(n, np.bool_), first.memory)
        eyes = np.linalg.norm(truth[:, a] - truth[:, b], axis=-1)
        for kept, points in zip(errors, (first.points, then.points), strict=True):
            kept.append(np.linalg.norm(points.reshape(n, -1, 2) - truth, axis=-1).mean(-1) / eyes)
    acquired, tracked = (100.0 * np.concatenate(kept) for kept in errors)
    return Accuracy(float(acquired.mean()), float(tracked.mean()), float(np.median(tracked)))


def _drawn(folder: Path, draws: int, seed: int) -> Draws:
    faces = read_faces(folder)
    if not faces:
        raise ValueError(f"{folder} has no labelled face")
    return draw(faces, upright=True, draws=draws, seed=seed)
