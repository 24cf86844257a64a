"""What makes crops harder: uneven light, strong blur, and something large before the face."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Crop = NDArray[np.uint8]


def shaded(crop: Crop, rng: Generator) -> Crop:
    """Uneven light on a crop uint8 [H, W, 3]: a smooth field of gains, as of a lamp at one side or of a shadow's edge.

    The field is interpolated between 2x2 to 4x4 random gains of e^N(0, 0.5); a shadow's is all but a step.
    """
    height, width = crop.shape[:2]
    cells = int(rng.integers(2, 5))
    field = cv2.resize(
        rng.normal(0.0, 0.5, (cells, cells)).astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC
    )
    if rng.random() < 0.3:  # One side of a level is in the shade, with an edge of some pixels.
        field = -rng.uniform(0.3, 1.1) / (1.0 + np.exp(-8.0 * (field - np.float32(np.median(field)))))
    lit = crop * np.exp(field - field.mean())[:, :, None]
    return np.asarray(np.clip(lit, 0, 255), np.uint8)


def erased(crop: Crop, other: Crop, rng: Generator) -> Crop:
    """Something large before the face: an ellipse or a turned rectangle of 4 to 30 % of a crop uint8 [S, S, 3].

    It is of one colour, of noise, or shows ``other`` (uint8 [S, S, 3]), mirrored or upside down: skin among others.
    """
    size = crop.shape[0]
    area, aspect = rng.uniform(0.04, 0.30) * size * size, float(np.exp(rng.uniform(-1.0, 1.0)))
    axes = float(np.sqrt(area * aspect)), float(np.sqrt(area / aspect))
    centre = tuple(float(v) for v in rng.uniform(0.1 * size, 0.9 * size, 2))
    turned = (centre, axes, float(rng.uniform(0, 180)))
    mask = np.zeros((size, size), np.uint8)
    if rng.random() < 0.5:
        cv2.ellipse(mask, turned, 255, -1)
    else:
        cv2.fillConvexPoly(mask, np.rint(cv2.boxPoints(turned)).astype(np.int32), 255)
    kind = rng.random()
    if kind < 0.3:
        cover = np.full_like(crop, 0) + rng.integers(0, 256, 3).astype(np.uint8)
    elif kind < 0.45:
        cover = rng.integers(0, 256, crop.shape).astype(np.uint8)
    else:
        cover = np.asarray(cv2.flip(other, int(rng.integers(-1, 2))), np.uint8)
    soft = cv2.GaussianBlur(mask, (0, 0), float(rng.uniform(0.5, 1.5))).astype(np.float32)[:, :, None] / 255.0
    return np.rint(crop + (cover.astype(np.float32) - crop) * soft).astype(np.uint8)


def low_resolution(crop: Crop, rng: Generator) -> Crop:
    """A face that is small in its frame: the crop (uint8 [S, S, 3]) from 20 to 48 pixels enlarged."""
    size = crop.shape[0]
    side = int(rng.uniform(20, 48))
    small = cv2.resize(crop, (side, side), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (size, size), interpolation=cv2.INTER_LINEAR), np.uint8)
