"""Fewer points of the 68, for those who need no more."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from red_align.frames import Landmarks
from red_align.geometry import Points

SEVEN = (36, 39, 42, 45, 30, 48, 54)
"""Eye corners from the right one's outer to the left one's outer, nose tip, mouth corners: the seven of Peng et al."""
INNER = tuple(range(17, 68))
"""All but the jaw."""
COUNTS = (5, 7, 51, 68)
"""Numbers of points that can be asked for."""
_EYES = (range(36, 42), range(42, 48))
_REST = (30, 48, 54)


def five_points(points: Points) -> NDArray[np.float64]:
    """Centres of both eyes, nose tip, mouth corners.

    Args:
        points: [68, 2], any float dtype.

    Returns:
        float64 [5, 2], right eye, left eye, nose, right corner, left corner (the person's own right and left).
    """
    values = np.asarray(points, np.float64)
    return np.stack([*(values[list(eye)].mean(0) for eye in _EYES), *values[list(_REST)]])


def subset(landmarks: Landmarks, count: int) -> Landmarks:
    """Fewer points of a face.

    Args:
        landmarks: Of the 68 points.
        count: 5 (eye centres, nose tip, mouth corners), 7 (``SEVEN``), 51 (``INNER``) or 68.

    Returns:
        The points with their confidences; that of an eye's centre is the mean of its points'.

    Raises:
        ValueError: There is no such subset.
    """
    if count == 68:
        return landmarks
    if count == 5:
        sure = landmarks.confidence
        means = [sure[list(eye)].mean() for eye in _EYES]
        confidence = np.array([*means, *sure[list(_REST)]], landmarks.confidence.dtype)
        return Landmarks(five_points(landmarks.points), confidence)
    if count not in COUNTS:
        raise ValueError(f"there is no subset of {count} points, only of {', '.join(map(str, COUNTS))}")
    chosen = list(SEVEN if count == 7 else INNER)
    return Landmarks(landmarks.points[chosen], landmarks.confidence[chosen])
