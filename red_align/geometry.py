"""Similarity transforms, boxes and regions, and the pixel convention that all modules share.

Coordinates are (x, y) in pixels, float64, x to the right and y down. (0, 0) is the CENTRE of the
top-left pixel, so an image of width w covers x in [-0.5, w - 0.5], and a 1-based ``.pts``
coordinate is ours plus one. Angles are radians, positive from +x towards +y (clockwise on screen).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.floating[Any]]
"""Points in pixels, shape [L, 2], any float dtype."""
GRID_STEPS = 16
"""Steps of ``FaceRegion.on_grid`` in a crop pixel: coarser ones can be seen as trembling (1/8: 3 % more)."""


@dataclass(frozen=True)
class Similarity:
    """Rotation, uniform scale and translation: ``p -> scale * R(angle) p + (tx, ty)``.

    Attributes:
        scale: Factor of lengths, above 0.
        angle: Rotation in radians, from +x towards +y.
        tx: Shift to the right, pixels of the target.
        ty: Shift downwards, pixels of the target.
    """

    scale: float
    angle: float
    tx: float
    ty: float

    @cached_property
    def matrix(self) -> NDArray[np.float64]:
        """The transform as float64 [2, 3], the form that OpenCV's warpAffine takes; not to be changed."""
        c, s = self.scale * math.cos(self.angle), self.scale * math.sin(self.angle)
        return np.array([[c, -s, self.tx], [s, c, self.ty]], dtype=np.float64)

    def apply(self, points: Points) -> NDArray[np.float64]:
        """Transform points.

        Args:
            points: [..., 2], any float dtype, pixels of the source.

        Returns:
            float64 [..., 2], pixels of the target.
        """
        linear, shift = self._parts
        return np.asarray(np.asarray(points, np.float64) @ linear + shift)

    @cached_property
    def _parts(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The matrix as ``apply`` needs it: its linear part transposed, and the shift."""
        return self.matrix[:, :2].T, self.matrix[:, 2]

    def inverse(self) -> Similarity:
        """The inverse transform, from the target to the source."""
        c, s = math.cos(-self.angle) / self.scale, math.sin(-self.angle) / self.scale
        return Similarity(1.0 / self.scale, -self.angle, -(c * self.tx - s * self.ty), -(s * self.tx + c * self.ty))

    def after(self, first: Similarity) -> Similarity:
        """The composition of two transforms.

        Args:
            first: Transform that is applied before this one; its target is this one's source.

        Returns:
            The transform from ``first``'s source to this one's target.
        """
        m = self.matrix
        tx, ty = m[:, :2] @ (first.tx, first.ty) + m[:, 2]
        return Similarity(self.scale * first.scale, self.angle + first.angle, float(tx), float(ty))


def fit_similarity(source: Points, target: Points) -> Similarity:
    """Least-squares similarity, without reflection, from one set of points to another.

    Closed form of Umeyama (1991) in two dimensions.

    Args:
        source: [L, 2], any float dtype, pixels.
        target: [L, 2], the corresponding points, pixels of another frame of coordinates.

    Returns:
        The transform from ``source`` to ``target``; scale 1 and angle 0 where the source points coincide.
    """
    # As complex numbers x + iy, of which a similarity is a multiple and a shift: a few calls rather than many.
    a, b = _complex(source), _complex(target)
    mean_a, mean_b = complex(a.sum()) / len(a), complex(b.sum()) / len(b)
    a = a - mean_a
    spread = float(np.vdot(a, a).real)
    turned = complex(np.vdot(a, b - mean_b))
    # Points that coincide differ from their mean by rounding, which must not pass for a shape.
    least = len(a) * (1e-9 * (1.0 + max(abs(mean_a.real), abs(mean_a.imag)))) ** 2
    if spread <= least or abs(turned) <= 0.0:
        shift = mean_b - mean_a
        return Similarity(1.0, 0.0, shift.real, shift.imag)
    factor = turned / spread
    shift = mean_b - factor * mean_a
    return Similarity(abs(factor), math.atan2(factor.imag, factor.real), shift.real, shift.imag)


def _complex(points: Points) -> NDArray[np.complex128]:
    """Points [L, 2] as x + iy, [L]."""
    return np.ascontiguousarray(points, np.float64).view(np.complex128)[:, 0]


def rotation_of(yaw: float, pitch: float, roll: float) -> NDArray[np.float64]:
    """Rotation of a head whose angles are known: R = Rz(roll) Ry(-yaw) Rx(-pitch), about x right, y down, z away.

    Args:
        yaw: Degrees, positive to the head's own left.
        pitch: Degrees, positive upwards.
        roll: Degrees, positive clockwise in the picture.

    Returns:
        float64 [3, 3], from the head's axes to the camera's.
    """
    a, b, c = -math.radians(yaw), -math.radians(pitch), math.radians(roll)
    about_x = np.array([[1, 0, 0], [0, math.cos(b), -math.sin(b)], [0, math.sin(b), math.cos(b)]])
    about_y = np.array([[math.cos(a), 0, math.sin(a)], [0, 1, 0], [-math.sin(a), 0, math.cos(a)]])
    about_z = np.array([[math.cos(c), -math.sin(c), 0], [math.sin(c), math.cos(c), 0], [0, 0, 1]])
    return np.asarray(about_z @ about_y @ about_x)


def angles_of(rotation: NDArray[np.floating[Any]]) -> tuple[float, float, float]:
    """Yaw, pitch and roll of a rotation [3, 3] in degrees: the inverse of ``rotation_of``."""
    r = np.asarray(rotation, np.float64)
    yaw = math.asin(min(max(float(r[2, 0]), -1.0), 1.0))
    pitch, roll = -math.atan2(float(r[2, 1]), float(r[2, 2])), math.atan2(float(r[1, 0]), float(r[0, 0]))
    return math.degrees(yaw), math.degrees(pitch), math.degrees(roll)


@dataclass(frozen=True, slots=True)
class FaceBox:
    """Axis-aligned box in frame pixels; (0, 0) is the centre of the top-left pixel.

    Attributes:
        x: Left edge.
        y: Upper edge.
        w: Width: the right edge is at x + w.
        h: Height: the lower edge is at y + h.

    Example:
        >>> import red_align
        >>> box = red_align.FaceBox(10.0, 20.0, 30.0, 40.0)
        >>> box.area, box.iou(red_align.FaceBox(10.0, 20.0, 30.0, 20.0))
        (1200.0, 0.5)
    """

    x: float
    y: float
    w: float
    h: float

    @classmethod
    def around(cls, points: Points) -> FaceBox:
        """The tight box of points.

        Args:
            points: [L, 2], any float dtype, frame pixels.

        Returns:
            The smallest box that holds all of them, frame pixels.
        """
        values = np.asarray(points)
        (x, y), (right, lower) = values.min(axis=0).tolist(), values.max(axis=0).tolist()
        return cls(x, y, right - x, lower - y)

    @property
    def area(self) -> float:
        """Square pixels; 0 for an empty box."""
        return max(self.w, 0.0) * max(self.h, 0.0)

    def iou(self, other: FaceBox) -> float:
        """Intersection over union.

        Args:
            other: Another box of the same frame.

        Returns:
            0, where they do not overlap, to 1, where they are the same; 0 for two empty boxes.
        """
        w = min(self.x + self.w, other.x + other.w) - max(self.x, other.x)
        h = min(self.y + self.h, other.y + other.h) - max(self.y, other.y)
        both = max(w, 0.0) * max(h, 0.0)
        either = self.area + other.area - both
        return both / either if either > 0.0 else 0.0


@dataclass(frozen=True)
class FaceRegion:
    """The square of a frame that the network's crop is taken from, turned so that the face is upright in the crop.

    Attributes:
        cx: Centre, x in frame pixels.
        cy: Centre, y in frame pixels.
        side: Side, frame pixels.
        angle: Roll of the head in radians, from +x towards +y.
    """

    cx: float
    cy: float
    side: float
    angle: float

    def to_frame(self, size: int) -> Similarity:
        """The transform from a crop to the frame; computed once for each size.

        Args:
            size: Side of the crop, pixels.

        Returns:
            Crop pixels to frame pixels.
        """
        found = self._to_frame.get(size)
        if found is None:
            # By hand: arrays of two numbers cost more than all of this.
            middle, scale = (size - 1) / 2.0, self.side / size
            c, s = scale * math.cos(self.angle), scale * math.sin(self.angle)
            tx, ty = self.cx - (c * middle - s * middle), self.cy - (s * middle + c * middle)
            found = self._to_frame[size] = Similarity(scale, self.angle, tx, ty)
        return found

    @cached_property
    def _to_frame(self) -> dict[int, Similarity]:
        return {}

    def on_grid(self, size: int) -> FaceRegion:
        """The nearest region whose crop's edges lie on a grid of 1 / GRID_STEPS crop pixels (side and angle too).

        Points that differ by rounding alone then give the very same crop, and rounding is not fed back from
        frame to frame.

        Args:
            size: Side of the crop, pixels.

        Returns:
            The region on the grid; one that is empty or not finite is returned as it is.
        """
        if self.side <= 0.0 or not math.isfinite(self.cx + self.cy + self.side + self.angle):
            return self
        half = 2.0 / (size * GRID_STEPS)  # One step at the edge, which is half a side away from the centre.
        side = math.exp(round(math.log(self.side) / half) * half)
        step = side / (size * GRID_STEPS)
        return FaceRegion(
            round(self.cx / step) * step, round(self.cy / step) * step, side, round(self.angle / half) * half
        )

    def scaled(self, share: float) -> FaceRegion:
        """The region with the same centre and angle, and ``share`` of the side."""
        return FaceRegion(self.cx, self.cy, share * self.side, self.angle)

    def inside(self, other: FaceRegion, size: int) -> FaceRegion | None:
        """This region as part of another region's crop.

        Args:
            other: The region that was cut.
            size: Side of its crop, pixels.

        Returns:
            The region in pixels of that crop; None where it reaches beyond it.
        """
        to_crop = other.to_crop(size)
        cx, cy = to_crop.apply(np.array([self.cx, self.cy]))
        side, angle = to_crop.scale * self.side, self.angle - other.angle
        reach = 0.5 * side * (abs(math.cos(angle)) + abs(math.sin(angle)))
        if not (min(cx, cy) - reach >= -0.5 and max(cx, cy) + reach <= size - 0.5):  # not "<": it may be NaN
            return None
        return FaceRegion(float(cx), float(cy), side, angle)

    def to_crop(self, size: int) -> Similarity:
        """The transform from the frame to a crop.

        Args:
            size: Side of the crop, pixels.

        Returns:
            Frame pixels to crop pixels.
        """
        return self.to_frame(size).inverse()


def openface_angles(rotation: NDArray[np.floating[Any]]) -> tuple[float, float, float]:
    """OpenFace's Rx, Ry and Rz of a rotation: it is Rx, then Ry, then Rz, multiplied from the left.

    Args:
        rotation: [3, 3], from the head's axes to the camera's (x right, y down, z away from it).

    Returns:
        Radians: Rx is positive where a face looks down, Ry where it turns to the left of the picture, Rz where it rolls
        clockwise in the picture.
    """
    r = np.asarray(rotation, np.float64)
    turn = math.asin(min(max(float(r[0, 2]), -1.0), 1.0))
    return math.atan2(-float(r[1, 2]), float(r[2, 2])), turn, math.atan2(-float(r[0, 1]), float(r[0, 0]))
