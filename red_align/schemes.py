"""Point schemes: which points a network predicts, their mirror pairs and their mean shape."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from importlib import resources
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from red_align.contract import CROP_SIZE

# iBUG 68 mark-up of 300-W (Sagonas et al. 2013), here 0-based.
_MIRROR_68 = (
    [16 - i for i in range(17)]  # jaw
    + [26 - i for i in range(10)]  # brows
    + [27, 28, 29, 30, 35, 34, 33, 32, 31]  # nose
    + [45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40]  # eyes
    + [54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55]  # outer lips
    + [64, 63, 62, 61, 60, 67, 66, 65]  # inner lips
)
# The seven points of Peng et al. 2016, section 4: eye corners, nose tip, mouth corners (1-based 37 40 43 46 31 49 55).
_SEVEN_OF_68 = (36, 39, 42, 45, 30, 48, 54)

# Right and left are the person's own.
_CONTOURS_68 = (
    ("jaw", range(17), False),
    ("right brow", range(17, 22), False),
    ("left brow", range(22, 27), False),
    ("nose bridge", range(27, 31), False),
    ("nostrils", range(31, 36), False),
    ("right eye", range(36, 42), True),
    ("left eye", range(42, 48), True),
    ("outer lips", range(48, 60), True),
    ("inner lips", range(60, 68), True),
)


@dataclass(frozen=True, slots=True)
class Contour:
    """A line of a face.

    Attributes:
        name: Such as ``jaw``.
        points: Indices of the points that it joins, in order.
        closed: Whether its last point joins its first.
    """

    name: str
    points: tuple[int, ...]
    closed: bool = False

    @property
    def segments(self) -> tuple[tuple[int, int], ...]:
        """Pairs of points that are joined."""
        ends = self.points[1:] + (self.points[:1] if self.closed else ())
        return tuple(zip(self.points, ends, strict=False))


class NamedPoints(Protocol):
    """What an answer says of its points: a PointScheme, or a part of one."""

    @property
    def name(self) -> str:
        """Such as ``ibug68``."""
        ...

    @property
    def num_points(self) -> int:
        """How many there are."""
        ...


@dataclass(frozen=True)
class PointScheme:
    """A named set of L facial points; indices are from 0.

    Attributes:
        name: ``ibug68`` or ``ibug7``.
        mirror: ``mirror[i]`` is the index that point i has in a mirrored face.
        outer_eyes: Indices of the outer eye corners, whose distance normalises errors.
        of_ibug68: Indices of the points among the 68 of iBUG.
        contours: Which points lines join.
    """

    name: str
    mirror: tuple[int, ...]
    outer_eyes: tuple[int, int]
    of_ibug68: tuple[int, ...]
    contours: tuple[Contour, ...] = ()

    @property
    def num_points(self) -> int:
        """L, the number of points."""
        return len(self.mirror)

    @cached_property
    def mean_shape(self) -> NDArray[np.float64]:
        """The mean face, float64 [L, 2], pixels of the 128x128 crop; read-only."""
        shape = _mean_shape_68()[list(self.of_ibug68)]
        shape.setflags(write=False)
        return shape

    def eye_distance(self, points: NDArray[np.floating]) -> float:
        """Distance of the outer eye corners.

        Args:
            points: [L, 2], any float dtype.

        Returns:
            The distance in the unit of the points.
        """
        a, b = self.outer_eyes
        return float(np.linalg.norm(np.asarray(points[a], np.float64) - np.asarray(points[b], np.float64)))


IBUG68 = PointScheme(
    name="ibug68",
    mirror=tuple(_MIRROR_68),
    outer_eyes=(36, 45),
    of_ibug68=tuple(range(68)),
    contours=tuple(Contour(name, tuple(points), closed) for name, points, closed in _CONTOURS_68),
)
IBUG7 = PointScheme(
    name="ibug7",
    mirror=(3, 2, 1, 0, 4, 6, 5),
    outer_eyes=(0, 3),
    of_ibug68=_SEVEN_OF_68,
    contours=(Contour("right eye", (0, 1)), Contour("left eye", (2, 3)), Contour("mouth", (5, 6))),
)
SCHEMES = {scheme.name: scheme for scheme in (IBUG68, IBUG7)}


def scheme_of_count(num_points: int) -> PointScheme | None:
    """The scheme that has this many points; None where there is none.

    Args:
        num_points: L.
    """
    return next((scheme for scheme in SCHEMES.values() if scheme.num_points == num_points), None)


@cache
def _mean_shape_68() -> NDArray[np.float64]:
    """Mean shape file: 68 lines ``x,y`` in pixels of the 128x128 crop."""
    text = resources.files("red_align").joinpath("mean_shape_ibug68.csv").read_text("ascii")
    shape = np.array([[float(v) for v in line.split(",")] for line in text.split()], np.float64)
    if shape.shape != (68, 2) or not ((shape > 0) & (shape < CROP_SIZE)).all():
        raise ValueError(f"mean shape file is damaged: shape {shape.shape}")
    return shape
