"""Features of a face as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Pose:
    """Where a head is and where it looks, in the camera's frame: x to the right, y down, z away from the camera.

    Angles are 0 for a face that looks along the camera's axis, upright. A person who turns the head to their own left,
    which is the right of the picture, has a positive yaw.

    Attributes:
        yaw: Degrees, positive towards the right of the picture.
        pitch: Degrees, positive upwards.
        roll: Degrees, positive clockwise on screen.
        translation: x, y and z in millimetres of the point between the outer eye corners, for a head of usual size.
        focal_px: Focal length that was taken, pixels.
        error: How far the head's shape, as it was placed, lies from the points: mean over the points that were used, in
            shares of the distance of the outer eye corners.
    """

    yaw: float
    pitch: float
    roll: float
    translation: tuple[float, float, float]
    focal_px: float
    error: float


Expression = Mapping[str, float]
"""Coefficients by their names (``red_align.features.expression.NAMES``), 0 to 1."""


@dataclass(frozen=True, slots=True, eq=False)
class Alignment:
    """How a face is brought to the place where networks for face recognition want it.

    Attributes:
        matrix: float64 [2, 3], from pixels of the frame to pixels of the aligned crop, as OpenCV's warpAffine takes it.
        crop: The aligned crop, RGB uint8 [112, 112, 3]; None where it was not asked for.
    """

    matrix: NDArray[np.float64]
    crop: NDArray[np.uint8] | None = None
