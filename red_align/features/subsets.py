"""Fewer of the 68 points: the inner 51, the seven of Peng et al., the five of ArcFace's template."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from red_align.errors import InvalidRequest
from red_align.geometry import Points
from red_align.schemes import IBUG7, PointScheme

EYES = (tuple(range(36, 42)), tuple(range(42, 48)))
"""Points of the eyes among iBUG's 68: that on the left of the picture (the person's right), that on its right."""
NOSE_TIP, MOUTH_CORNERS = 30, (48, 54)


@dataclass(frozen=True)
class PointSubset:
    """Points made from iBUG's 68.

    Attributes:
        name: Name that answers have as their scheme.
        sources: For each point those of the 68 whose mean it is, from 0.
    """

    name: str
    sources: tuple[tuple[int, ...], ...]

    @property
    def num_points(self) -> int:
        """How many there are."""
        return len(self.sources)

    def points(self, points: Points) -> NDArray[np.float64]:
        """Points [68, 2] to [num_points, 2], same pixels."""
        return _means(points, self.sources)

    def confidence(self, confidence: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
        """Confidences [68] to [num_points]: the mean of those that a point is made of."""
        return _means(confidence, self.sources).astype(np.float32)


INNER51 = PointSubset("ibug51", tuple((i,) for i in range(17, 68)))
SEVEN = PointSubset(IBUG7.name, tuple((i,) for i in IBUG7.of_ibug68))
FIVE = PointSubset("arcface5", (*EYES, (NOSE_TIP,), *((i,) for i in MOUTH_CORNERS)))
SUBSETS = {subset.num_points: subset for subset in (FIVE, SEVEN, INNER51)}
"""Subsets by their number of points: 5, 7 and 51."""


def five_points(points: Points) -> NDArray[np.float64]:
    """Centres of the eyes, nose tip, mouth corners, each pair from the left of the picture.

    Args:
        points: [68, 2], any float dtype.

    Returns:
        float64 [5, 2], same pixels.
    """
    return FIVE.points(points)


def subset_of(count: int, scheme: PointScheme) -> PointSubset | None:
    """The subset of so many points.

    Args:
        count: 5, 7, 51, or the scheme's own number; 0 for that.
        scheme: Of the model.

    Returns:
        The subset; None for all points of the model.

    Raises:
        InvalidRequest: There is none of so many, or the model has other points than the 68.
    """
    if count in (0, scheme.num_points):
        return None
    if count not in SUBSETS or scheme.num_points != 68:
        known = (*SUBSETS, 68) if scheme.num_points == 68 else (scheme.num_points,)
        raise InvalidRequest(f"points is {count}, it must be one of {', '.join(map(str, known))}")
    return SUBSETS[count]


def _means(values: NDArray[np.floating[Any]], sources: tuple[tuple[int, ...], ...]) -> NDArray[np.float64]:
    array = np.asarray(values, np.float64)
    if all(len(source) == 1 for source in sources):
        return array[[source[0] for source in sources]]
    return np.stack([array[list(source)].mean(axis=0) for source in sources])
