"""Expression coefficients, 0 to 1, from the 68 points alone.

Names are those of ARKit's blendshapes where the meaning is the same; left and right are the person's own. Each is a
length on the face, in distances of the outer eye corners with the head's turn taken out, placed between two figures:
what most people have at rest while they talk, and what hardly anyone exceeds (percentiles of tracked points of talking
people and of labels of 300-W). A person's own rest is not known, so a face with high brows has some ``browInnerUp`` at
rest. Points show no cheeks, tongue or gaze, so ARKit's names for those are missing. The opening of an eye is its aspect
ratio (Soukupova and Cech, Real-Time Eye Blink Detection using Facial Landmarks, CVWW 2016).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from red_align.frames import Expression, Pose
from red_align.geometry import Points

_RIGHT_EYE, _LEFT_EYE = 36, 42
_LEAST_COSINE = 0.5
"""A head turned further shows too little of a length to be put right."""


@dataclass(frozen=True, slots=True)
class _Between:
    """A coefficient: 0 at ``rest``, 1 at ``full``, in the unit of what is measured."""

    measure: str
    rest: float
    full: float


_COEFFICIENTS = {
    "eyeBlinkLeft": _Between("left_eye", 0.24, 0.15),
    "eyeBlinkRight": _Between("right_eye", 0.24, 0.15),
    "eyeWideLeft": _Between("left_eye", 0.38, 0.48),
    "eyeWideRight": _Between("right_eye", 0.38, 0.48),
    "jawOpen": _Between("mouth", 0.04, 0.38),
    "mouthSmileLeft": _Between("left_corner", -0.04, 0.06),
    "mouthSmileRight": _Between("right_corner", -0.04, 0.06),
    "mouthFrownLeft": _Between("left_corner", -0.15, -0.25),
    "mouthFrownRight": _Between("right_corner", -0.15, -0.25),
    "mouthStretchLeft": _Between("left_width", 0.33, 0.42),
    "mouthStretchRight": _Between("right_width", 0.33, 0.42),
    "mouthPucker": _Between("width", 0.56, 0.43),
    "browInnerUp": _Between("inner_brows", 0.29, 0.38),
    "browOuterUpLeft": _Between("left_outer_brow", 0.29, 0.38),
    "browOuterUpRight": _Between("right_outer_brow", 0.29, 0.38),
    "browDownLeft": _Between("left_inner_brow", 0.18, 0.10),
    "browDownRight": _Between("right_inner_brow", 0.18, 0.10),
}
NAMES = tuple(_COEFFICIENTS)
"""Names of all coefficients, in the order in which they are given."""
OPENINGS = ("eyeOpeningLeft", "eyeOpeningRight", "mouthOpening")
"""Names of the plain ratios that are given beside them."""


def expression(points: Points, pose: Pose | None = None) -> Expression | None:
    """Coefficients of a face.

    Args:
        points: [68, 2], any float dtype, pixels of the upright frame.
        pose: Of the head, whose turn is then taken out; without it that of the eyes' line alone.

    Returns:
        ``NAMES`` and ``OPENINGS``: coefficients from 0 to 1; the openings as ratios, an eye's height over its width and
        the gap of the lips over the distance of the outer eye corners. None where the points are no face.
    """
    found = measures(points, pose)
    if found is None:
        return None
    values = {name: _placed(found[c.measure], c) for name, c in _COEFFICIENTS.items()}
    return values | {
        "eyeOpeningLeft": found["left_eye"],
        "eyeOpeningRight": found["right_eye"],
        "mouthOpening": found["mouth"],
    }


def measures(points: Points, pose: Pose | None = None) -> dict[str, float] | None:
    """The lengths that coefficients are made of, by their names; see ``expression``."""
    values = np.asarray(points, np.float64)
    across = values[45] - values[36]
    if not math.isfinite(float(values.sum())) or not float(across @ across) > 0.0:
        return None
    p = _upright(values, math.atan2(across[1], across[0]), pose)
    middle, lip = 0.5 * (p[39, 0] + p[42, 0]), p[51, 1]
    return {
        "left_eye": _eye(p, _LEFT_EYE),
        "right_eye": _eye(p, _RIGHT_EYE),
        "mouth": max(0.0, float((p[65:68, 1] - p[[63, 62, 61], 1]).mean())),
        "left_corner": float(lip - p[54, 1]),
        "right_corner": float(lip - p[48, 1]),
        "left_width": float(p[54, 0] - middle),
        "right_width": float(middle - p[48, 0]),
        "width": float(np.hypot(*(p[54] - p[48]))),
        "inner_brows": 0.5 * float(p[39, 1] - p[21, 1] + p[42, 1] - p[22, 1]),
        "left_inner_brow": float(p[42, 1] - p[22, 1]),
        "right_inner_brow": float(p[39, 1] - p[21, 1]),
        "left_outer_brow": float(p[45, 1] - p[25, 1]),
        "right_outer_brow": float(p[36, 1] - p[18, 1]),
    }


def _upright(points: NDArray[np.float64], roll: float, pose: Pose | None) -> NDArray[np.float64]:
    """Points with roll taken out and turns put right, in distances of the outer eye corners."""
    c, s = math.cos(roll), math.sin(roll)
    upright = (points - points[27]) @ np.array([[c, -s], [s, c]])
    if pose is not None:
        upright[:, 0] /= max(math.cos(math.radians(pose.yaw)), _LEAST_COSINE)
        upright[:, 1] /= max(math.cos(math.radians(pose.pitch)), _LEAST_COSINE)
    return np.asarray(upright / np.hypot(*(upright[45] - upright[36])), np.float64)


def _eye(p: NDArray[np.float64], first: int) -> float:
    """The aspect ratio of the eye whose six points begin at ``first``."""
    heights = np.hypot(*(p[[first + 1, first + 2]] - p[[first + 5, first + 4]]).T).sum()
    return float(heights / (2.0 * max(np.hypot(*(p[first] - p[first + 3])), 1e-6)))


def _placed(value: float, between: _Between) -> float:
    return min(max((value - between.rest) / (between.full - between.rest), 0.0), 1.0)
