"""The protocol of the accuracy figures: which crops of labelled faces a network is evaluated on.

Box from the truth with shift N(0, 4 %), scale +-8 %, rotation +-10 degrees, seed 0, 5 draws; error is the
mean point distance over the distance of the outer eye corners. ``upright`` takes the roll from the truth,
as tracking takes it from the last points; without it the box is the plain axis-aligned one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from red_align.contract import CROP_SIZE
from red_align.crop import crop_face
from red_align.datasets.labelled_faces import LabelledFace
from red_align.geometry import FaceRegion
from red_align.schemes import IBUG68
from red_align.tracking.rules import REGION_MARGIN, region_from_landmarks, upright_region


@dataclass(frozen=True)
class Draws:
    """Crops with the true points in them.

    Attributes:
        crops: RGB uint8 [N, 128, 128, 3].
        points: float64 [N, 68, 2], crop pixels.
    """

    crops: NDArray[np.uint8]
    points: NDArray[np.float64]


def protocol_region(points: NDArray[np.float64], upright: bool, rng: np.random.Generator) -> FaceRegion:
    """One draw of the box error.

    Args:
        points: True points, float64 [68, 2], image pixels.
        upright: Whether the region is turned by the head's roll.
        rng: Source of the error.

    Returns:
        The region in image pixels.
    """
    region = region_from_landmarks(points, IBUG68) if upright else upright_region(points, 0.0)
    dx, dy = rng.normal(0, 0.04, 2) * region.side / REGION_MARGIN
    scale, turn = 1 + rng.uniform(-0.08, 0.08), np.deg2rad(rng.uniform(-10, 10))
    return FaceRegion(region.cx + dx, region.cy + dy, region.side * scale, region.angle + turn)


def draw(faces: Iterable[LabelledFace], *, upright: bool, draws: int = 5, seed: int = 0) -> Draws:
    """Crops of all faces, several times, one round after another.

    Args:
        faces: The labelled faces.
        upright: Whether regions are turned by the head's roll.
        draws: Rounds.
        seed: Of the box errors.

    Returns:
        Crops and points, N = draws times the number of faces.
    """
    rng = np.random.default_rng(seed)
    kept = list(faces)
    crops, points = [], []
    for _ in range(draws):
        for face in kept:
            region = protocol_region(face.points, upright, rng)
            crops.append(crop_face(face.image, region))
            points.append(region.to_crop(CROP_SIZE).apply(face.points))
    return Draws(np.stack(crops), np.stack(points))


def auroc(positive: NDArray[np.float64], negative: NDArray[np.float64]) -> float:
    """Area under the ROC curve: the probability that a positive scores above a negative (ties count half).

    Args:
        positive: Scores of the positives, float64 [N].
        negative: Scores of the negatives, float64 [M].

    Returns:
        0 to 1; NaN where there are no positives or no negatives.
    """
    values = np.concatenate([positive, negative])
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2.0)[place]
    n, m = len(positive), len(negative)
    if not n or not m:
        return float("nan")
    return float((ranks[:n].sum() - n * (n + 1) / 2.0) / (n * m))
