"""Crops that hold no whole face, cut from labelled pictures: the confidence must separate them from faces."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from red_align.crop import crop_face
from red_align.datasets.labelled_faces import LabelledFace
from red_align.geometry import FaceRegion
from red_align.schemes import IBUG68
from red_align.tracking.rules import REGION_MARGIN, region_from_landmarks

Crop = NDArray[np.uint8]


def half_shifted(face: LabelledFace, rng: Generator) -> Crop:
    """The face's region moved by half the side of its box, in any direction."""
    region = region_from_landmarks(face.points, IBUG68)
    angle, reach = rng.uniform(0, 2 * np.pi), 0.5 * region.side / REGION_MARGIN * np.sqrt(2.0)
    cx, cy = region.cx + np.cos(angle) * reach, region.cy + np.sin(angle) * reach
    return crop_face(face.image, FaceRegion(float(cx), float(cy), region.side, region.angle))


def background(face: LabelledFace, rng: Generator) -> Crop:
    """The region with the face painted over by a stretched strip of the picture's edge."""
    region = region_from_landmarks(face.points, IBUG68)
    return crop_face(without_face(face, rng), region)


def without_face(face: LabelledFace, rng: Generator) -> NDArray[np.uint8]:
    """The picture with its face, and a fifth around it, painted over."""
    image = face.image.copy()
    height, width = image.shape[:2]
    low, high = face.points.min(0), face.points.max(0)
    pad = (high - low) * (0.2, 0.2)
    x0, y0 = (int(v) for v in np.maximum(low - pad - (0.0, pad[1]), 0))  # the forehead has no points
    x1, y1 = (int(v) for v in np.minimum(high + pad, (width, height)))
    left = image[:, : max(x0, 8)]
    right = image[:, min(x1, width - 8) :]
    strip = left if rng.random() < 0.5 else right
    image[y0:y1, x0:x1] = cv2.resize(strip, (x1 - x0, y1 - y0), interpolation=cv2.INTER_LINEAR)
    return image
