"""What a face does, from its points: openings of eyes and mouth, and a named set of coefficients.

Points are first turned to the front (``frontal``), since a turned head narrows the mouth and lowers the brows in the
picture. Measures are taken there, in shares of the distance of the outer eye corners, and compared with the person's
neutral face (``Neutral``). docs/features.md has the formulas.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from red_align.features.pose import EYE_CORNERS_MM, FIRST, head_shape
from red_align.features.values import COEFFICIENTS, Expression, Pose
from red_align.geometry import Points

Measures = NDArray[np.float64]
"""Values of MEASURES, float64 [13]."""

MEASURES = (
    "eye_opening_left",
    "eye_opening_right",
    "brow_inner",
    "brow_outer_left",
    "brow_outer_right",
    "brow_left",
    "brow_right",
    "corner_drop_left",
    "corner_drop_right",
    "corner_out_left",
    "corner_out_right",
    "mouth_gap",
    "mouth_opening",
)
"""Ratios of the eyes, heights of brows over them, mouth corners below the nose and off the middle, the lips' gap."""
USUAL: Measures = np.array([0.32, 0.32, 0.23, 0.275, 0.275, 0.262, 0.262, 0.257, 0.257, 0.3, 0.3, 0.0, 0.0])
"""Measures of a neutral face: between medians of 440 labelled faces with closed mouths and of 14 tracked people."""


def frontal(points: Points, pose: Pose, width: int, height: int) -> NDArray[np.float64]:
    """Points 17 to 67 as they would lie in a picture of the face from the front.

    Each point is taken to be as deep as that of the standard head. Beyond some 45 degrees of yaw the hidden half of a
    face is a guess.

    Args:
        points: [68, 2], iBUG's, pixels of the upright frame.
        pose: Of this face.
        width: Of the frame, pixels.
        height: Likewise.

    Returns:
        float64 [51, 2] in shares of the distance of the outer eye corners, x to the person's left, y down.
    """
    r, shape = pose.rotation, head_shape()
    away = shape @ r[2] + pose.translation[2]
    middle = np.array([(width - 1) / 2.0, (height - 1) / 2.0])
    seen = (np.asarray(points, np.float64)[FIRST:] - middle) * (away / pose.focal_px)[:, None]
    flat = seen - pose.translation[:2] - shape[:, 2:] * r[:2, 2]
    turned = flat @ np.linalg.inv(r[:2, :2]).T
    return np.asarray((turned - (turned[36 - FIRST] + turned[45 - FIRST]) / 2.0) / EYE_CORNERS_MM)


def measures(front: NDArray[np.float64]) -> Measures:
    """MEASURES of points that ``frontal`` gave, float64 [13]."""
    f = front

    def at(*numbers: int) -> NDArray[np.float64]:
        return f[[number - FIRST for number in numbers]]

    def height(upper: tuple[int, ...], lower: tuple[int, ...]) -> float:
        return float(at(*lower)[:, 1].mean() - at(*upper)[:, 1].mean())

    gap = float(np.linalg.norm(at(61, 62, 63) - at(67, 66, 65), axis=1).mean())
    middle, width = float(at(27, 30, 33, 51, 57)[:, 0].mean()), float(np.linalg.norm(f[31] - f[37]))
    return np.array(
        [
            _aspect(f[42 - FIRST : 48 - FIRST]),
            _aspect(f[36 - FIRST : 42 - FIRST]),
            height((21, 22), (39, 42)),
            height((24, 25), (42, 45)),
            height((18, 19), (36, 39)),
            height((22, 23, 24), (42, 45)),
            height((19, 20, 21), (36, 39)),
            height((33,), (54,)),
            height((33,), (48,)),
            float(f[54 - FIRST, 0]) - middle,
            middle - float(f[48 - FIRST, 0]),
            gap,
            gap / max(width, 1e-9),
        ]
    )


def coefficients(values: Measures, neutral: Measures) -> dict[str, float]:
    """Coefficients by name, each 0 to 1, three decimals.

    Args:
        values: Measures of the face.
        neutral: Of the same face at rest.
    """
    ratio = values[:2] / np.maximum(neutral[:2], 1e-6)
    up = values[2:7] - neutral[2:7]
    drop, out = values[7:9] - neutral[7:9], values[9:11] - neutral[9:11]
    gap, width = float(values[11]), float(values[9] + values[10])
    narrow = (float(neutral[9] + neutral[10]) - width) / 0.16
    opened = _unit(gap / 0.12)
    smile = _unit(-drop / 0.09) * _unit(0.5 + out / 0.06)
    # The opening jaw takes the corners down and in with it.
    frown = _unit((drop - 0.35 * gap) / 0.09)
    stretch = _unit((out - 0.01) / 0.08) * (1.0 - smile)
    pucker = float(_unit(narrow))
    values_in_order = (
        *_unit((0.95 - ratio) / 0.22),
        *_unit((ratio - 1.08) / 0.3),
        float(_unit(up[0] / 0.10)),
        *_unit(up[1:3] / 0.10),
        *_unit(-up[3:5] / 0.07),
        *smile,
        *frown,
        *stretch,
        pucker * (1.0 - float(opened)),
        pucker * float(opened),
        float(_unit(gap / 0.30)),
    )
    return {name: round(float(value), 3) for name, value in zip(COEFFICIENTS, values_in_order, strict=True)}


def expression_of(values: Measures, shares: dict[str, float], closed: tuple[bool, bool], blinks: int) -> Expression:
    """An Expression from its parts: measures, coefficients, which eyes are shut, and blinks so far."""
    left, right, opening = float(values[0]), float(values[1]), float(values[12])
    return Expression(left, right, opening, *closed, blinks, shares)


class Neutral:
    """A track's face at rest: measures that follow what it mostly does, begun at USUAL.

    Running quantiles: of an eye's opening the upper fifth, since it shuts now and then, of the others the median. What
    lasts for longer than some ten seconds, such as a smile, becomes neutral in part; how far is bounded.
    """

    _SHARE = np.array([0.8, 0.8, *[0.5] * 9, 0.0, 0.0])
    _RATE = np.array([0.05, 0.05, *[0.003] * 9, 0.0, 0.0])  # a second
    _REACH = np.array([0.12, 0.12, *[0.08] * 9, 0.0, 0.0])

    def __init__(self) -> None:
        self.values = USUAL.copy()
        self._age_s = -1.0

    def update(self, values: Measures, gap_s: float) -> Measures:
        """The neutral face after one more frame.

        Args:
            values: Measures of this frame.
            gap_s: Time since the last one, seconds.
        """
        gap_s = min(max(gap_s, 0.0), 0.2)
        if self._age_s < 0.0:  # Eyes are mostly open, and how wide differs most between people.
            self._age_s, self.values[:2] = 0.0, values[:2]
        # Faster in the first seconds, when nothing is known of this face.
        step = self._RATE * gap_s * (1.0 + 4.0 / (1.0 + self._age_s))
        self._age_s += gap_s
        moved = self.values + step * (self._SHARE - (values < self.values)) * 2.0
        self.values = np.clip(moved, USUAL - self._REACH, USUAL + self._REACH)
        return self.values


def _aspect(eye: NDArray[np.float64]) -> float:
    """Eye aspect ratio (Soukupová and Čech 2016) of the six points of an eye [6, 2]."""
    heights = np.linalg.norm(eye[[1, 2]] - eye[[5, 4]], axis=1).sum()
    return float(heights / max(2.0 * np.linalg.norm(eye[0] - eye[3]), 1e-9))


def _unit(value: Any) -> NDArray[np.float64]:
    return np.clip(np.asarray(value, np.float64), 0.0, 1.0)
