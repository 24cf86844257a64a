"""A head in three dimensions that can be turned: the astronaut's picture laid over the standard head."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from red_align.features.pose import FIRST, head_pose, head_shape
from red_align.geometry import Points, rotation_of
from tests.support.media import Image, astronaut

SIDE = 384
"""Width and height of rendered pictures, pixels."""
_PIVOT_MM = 70.0
"""The neck's axis lies so far behind the eyes."""


class Head:
    """The astronaut's head.

    Args:
        points: [68, 2], her points in her picture, pixels.
    """

    def __init__(self, points: Points) -> None:
        left, top, zoom = int(points[27, 0]) - 96, int(points[27, 1]) - 84, SIDE // 192
        picture = astronaut()[max(top, 0) : top + 192, left : left + 192]
        above = cv2.copyMakeBorder(picture, max(-top, 0), 0, 0, 0, cv2.BORDER_REPLICATE)
        self._picture = np.asarray(cv2.resize(above, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC), np.uint8)
        points = (np.asarray(points, np.float64) - (left, top)) * zoom + (zoom - 1) / 2.0
        pose = head_pose(points, SIDE, SIDE)
        assert pose is not None
        self.rotation, self._pose = pose.rotation, pose
        y, x = np.mgrid[:SIDE, :SIDE].astype(np.float64)
        depth = self._depth(points, x, y)
        middle = (SIDE - 1) / 2.0
        self._surface = np.stack(
            [(x - middle) * depth / pose.focal_px, (y - middle) * depth / pose.focal_px, depth], -1
        )

    def turned(self, yaw: float, pitch: float, roll: float) -> Image:
        """Her picture after the head turned by these angles (degrees) about the camera's axes, RGB [SIDE, SIDE, 3].

        ``rotation`` is then ``rotation_of(yaw, pitch, roll) @ rotation``.
        """
        pivot = self._pose.translation + (0.0, 0.0, _PIVOT_MM)
        moved = (self._surface - pivot) @ rotation_of(yaw, pitch, roll).T + pivot
        middle = (SIDE - 1) / 2.0
        column, row = (
            np.rint(self._pose.focal_px * moved[..., i] / moved[..., 2] + middle).astype(int) for i in (0, 1)
        )
        seen = (column >= 0) & (column < SIDE) & (row >= 0) & (row < SIDE)
        order = np.argsort(-moved[..., 2][seen])  # what is nearer is drawn later
        out, drawn = np.zeros_like(self._picture), np.zeros((SIDE, SIDE), np.uint8)
        out[row[seen][order], column[seen][order]] = self._picture[seen][order]
        drawn[row[seen], column[seen]] = 1
        return np.asarray(cv2.inpaint(out, 1 - drawn, 2, cv2.INPAINT_TELEA), np.uint8)

    def _depth(
        self, points: NDArray[np.float64], x: NDArray[np.float64], y: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Distance of each pixel from the camera, mm: a thin plate through the standard head, falling off around it."""
        placed = head_shape() @ self.rotation.T + self._pose.translation
        places, depths = points[FIRST:], placed[:, 2]
        # The oval of the face lies behind the eyes, its border farther back.
        centre, reach = points[30], 1.15 * np.linalg.norm(points[45] - points[36])
        turn = np.linspace(0.0, 2.0 * np.pi, 24, endpoint=False)
        ring = centre + reach * np.stack([0.95 * np.cos(turn), 1.25 * np.sin(turn)], 1)
        places = np.concatenate([places, ring])
        depths = np.concatenate([depths, np.full(24, self._pose.translation[2] + 60.0)])
        weights = np.linalg.solve(_plate(places, places) + 1e-6 * np.eye(len(places)), depths - depths.mean())
        step = 4
        coarse = np.stack([x[::step, ::step], y[::step, ::step]], -1).reshape(-1, 2)
        field = (_plate(coarse, places) @ weights + depths.mean()).reshape(SIDE // step, SIDE // step)
        field = cv2.resize(field.astype(np.float32), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
        return np.clip(np.asarray(field, np.float64), depths.min() - 5.0, depths.max())


def _plate(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distances of all pairs, the kernel of a smooth interpolation."""
    return np.asarray(np.linalg.norm(a[:, None] - b[None], axis=2))
