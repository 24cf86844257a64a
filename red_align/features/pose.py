"""Head pose: a standard head is turned and moved until its points lie where those of the picture are (PnP)."""

from __future__ import annotations

from functools import cache
from importlib import resources

import cv2
import numpy as np
from numpy.typing import NDArray

from red_align.features.values import Pose
from red_align.geometry import Points, angles_of

FIRST = 17
"""The head has iBUG's points from here on: those of the jaw follow the outline, and have no fixed place on a head."""
RIGID = (*range(27, 36), 36, 39, 42, 45, 48, 54)
"""Points that the pose is fitted to: nose, corners of eyes and mouth; lids, brows and lips move by themselves."""
LEAST_PX = 2.0
"""Points that lie closer together are no face."""
EYE_CORNERS_MM = 90.0
"""Assumed distance of the outer eye corners, that of adults on average: the unit of translation."""


@cache
def head_shape() -> NDArray[np.float64]:
    """The standard head: iBUG's points 17 to 67, float64 [51, 3], millimetres.

    x to the person's left, y down, z into the head; (0, 0, 0) is the middle between the outer eye corners. Fitted by
    structure from motion under weak perspective to labelled faces and their mirror images (docs/features.md).
    """
    text = resources.files("red_align.features").joinpath("head_shape.csv").read_text("ascii")
    shape = np.array([[float(v) for v in line.split(",")] for line in text.split()], np.float64)
    if shape.shape != (68 - FIRST, 3):
        raise ValueError(f"head shape file is damaged: shape {shape.shape}")
    shape.setflags(write=False)
    return shape


def assumed_focal(width: int, height: int) -> float:
    """The focal length that is taken where none is known: the frame's longer side, pixels (53 degrees along it)."""
    return float(max(width, height))


def head_pose(points: Points, width: int, height: int, focal_px: float = 0.0) -> Pose | None:
    """The pose of one head.

    Args:
        points: [68, 2], iBUG's, any float dtype, pixels of the upright frame.
        width: Of the frame, pixels; the camera's axis goes through its middle.
        height: Likewise.
        focal_px: Focal length in pixels; 0 for ``assumed_focal``.

    Returns:
        Angles in degrees and translation in millimetres; see Pose. None where the points are no face: not finite, or
        all in one place.
    """
    focal = focal_px or assumed_focal(width, height)
    target = np.asarray(points, np.float64)[list(RIGID)]
    if not np.isfinite(target).all() or float(np.ptp(target, axis=0).max()) < LEAST_PX:
        return None
    source, inverse = _rigid()
    turn, shift = _start(target, inverse, focal, (width - 1) / 2.0, (height - 1) / 2.0)
    camera = np.array([[focal, 0.0, (width - 1) / 2.0], [0.0, focal, (height - 1) / 2.0], [0.0, 0.0, 1.0]])
    found, turned, shifted = cv2.solvePnP(source, target, camera, None, turn, shift, True, cv2.SOLVEPNP_ITERATIVE)
    if not found or float(shifted[2, 0]) <= 0.0:
        return None
    yaw, pitch, roll = angles_of(np.asarray(cv2.Rodrigues(turned)[0], np.float64))
    return Pose(yaw, pitch, roll, np.asarray(shifted[:, 0], np.float64), focal)


def project(shape: NDArray[np.float64], pose: Pose, width: int, height: int) -> NDArray[np.float64]:
    """Where points of a head lie in the picture.

    Args:
        shape: float64 [n, 3], millimetres, as ``head_shape``.
        pose: Of the head.
        width: Of the frame, pixels.
        height: Likewise.

    Returns:
        float64 [n, 2], pixels.
    """
    seen = shape @ pose.rotation.T + pose.translation
    middle = np.array([(width - 1) / 2.0, (height - 1) / 2.0])
    return np.asarray(pose.focal_px * seen[:, :2] / seen[:, 2:] + middle)


@cache
def _rigid() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The points that the pose is fitted to, [15, 3], and the pseudo-inverse of them with a constant, [4, 15]."""
    source = head_shape()[np.array(RIGID) - FIRST]
    return source, np.linalg.pinv(np.c_[source, np.ones(len(source))])


def _start(
    target: NDArray[np.float64], inverse: NDArray[np.float64], focal: float, cx: float, cy: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Rotation vector and translation under weak perspective: a linear fit, made a rotation."""
    affine = (inverse @ target).T
    u, sizes, v = np.linalg.svd(affine[:, :3], full_matrices=False)
    two = u @ v
    rotation = np.vstack([two, np.cross(two[0], two[1])])
    depth = focal / max(float(sizes.mean()), 1e-9)
    x, y = affine[:, 3]
    shift = np.array([[(x - cx) / focal * depth], [(y - cy) / focal * depth], [depth]])
    return np.asarray(cv2.Rodrigues(rotation)[0], np.float64), shift
