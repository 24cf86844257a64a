"""Head pose: a rigid head's points, placed so that a pinhole camera sees them where the face's points are.

The shape (head_shape.csv, millimetres) is that of the 68 points on MediaPipe's canonical face model (Apache 2.0), made
symmetric; x to the person's left, which is the right of the picture, y down, z away from the camera; the origin lies
between the outer eye corners.
"""

from __future__ import annotations

import math
from functools import cache
from importlib import resources

import cv2
import numpy as np
from numpy.typing import NDArray

from red_align.frames import Pose
from red_align.geometry import Points

RIGID = (*range(27, 48), 48, 54)
"""Points that hardly move with the expression: nose, eyes, mouth corners. Brows, lips and chin move, and the points of
the jaw in a 2D mark-up slide along the cheek when the head turns."""
_LEAST_EYES_PX = 2.0


def assumed_focal_px(frame_size: tuple[int, int]) -> float:
    """Focal length in pixels where nobody gives one: the longer side of the frame, a field of view of 53 degrees.

    Args:
        frame_size: Width and height of the upright frame, pixels.
    """
    return float(max(frame_size))


def head_pose(points: Points, frame_size: tuple[int, int], focal_px: float | None = None) -> Pose | None:
    """Pose of a head from its points.

    Args:
        points: [68, 2], any float dtype, pixels of the upright frame.
        frame_size: Width and height of the frame, pixels; the camera's axis goes through its centre.
        focal_px: Focal length of the camera, pixels; by default ``assumed_focal_px``. Angles hardly depend on it, the
            distance does.

    Returns:
        The pose; None where the points are not finite or no face (all in one place).
    """
    values = np.asarray(points, np.float64)
    eyes = float(np.linalg.norm(values[45] - values[36]))
    if not math.isfinite(float(values.sum())) or eyes < _LEAST_EYES_PX:
        return None
    focal = assumed_focal_px(frame_size) if focal_px is None else float(focal_px)
    centre = (frame_size[0] - 1) / 2.0, (frame_size[1] - 1) / 2.0
    # In units of the focal length the camera is the same for every clip, and steps are well scaled.
    seen = (values[list(RIGID)] - centre) / focal
    shape = head_shape()[list(RIGID)]
    found, turn, shift = cv2.solvePnP(shape, seen, _CAMERA, None, flags=cv2.SOLVEPNP_SQPNP)
    if not found:
        return None
    cv2.solvePnPRefineLM(shape, seen, _CAMERA, None, turn, shift)
    rotation = np.asarray(cv2.Rodrigues(turn)[0], np.float64)
    placed = shape @ rotation.T + shift.reshape(3)
    if not (placed[:, 2] > 0.0).all():
        return None
    away = np.linalg.norm(placed[:, :2] / placed[:, 2:] - seen, axis=1).mean() * focal / eyes
    yaw, pitch, roll = angles(rotation)
    x, y, z = (float(v) for v in shift.reshape(3))
    return Pose(yaw, pitch, roll, (x, y, z), focal, float(away))


def angles(rotation: NDArray[np.float64]) -> tuple[float, float, float]:
    """Yaw, pitch and roll of a rotation, degrees; see ``Pose``.

    Args:
        rotation: [3, 3], from the head's frame to the camera's.

    Returns:
        Where the face looks (yaw, pitch), and how it is turned about that direction (roll).
    """
    x, y, z = (-rotation[:, 2]).tolist()  # of the face's direction: the head's z goes into the head
    yaw, pitch = math.atan2(x, -z), math.atan2(-y, math.hypot(x, z))
    upright = rotation_of(math.degrees(yaw), math.degrees(pitch), 0.0)
    rest = upright.T @ rotation
    return math.degrees(yaw), math.degrees(pitch), math.degrees(math.atan2(rest[1, 0], rest[0, 0]))


def rotation_of(yaw: float, pitch: float, roll: float) -> NDArray[np.float64]:
    """The rotation of these angles (degrees), float64 [3, 3], from the head's frame to the camera's."""
    a, b, c = (math.radians(v) for v in (yaw, pitch, roll))
    about_y = np.array([[math.cos(a), 0.0, -math.sin(a)], [0.0, 1.0, 0.0], [math.sin(a), 0.0, math.cos(a)]])
    about_x = np.array([[1.0, 0.0, 0.0], [0.0, math.cos(b), math.sin(b)], [0.0, -math.sin(b), math.cos(b)]])
    about_z = np.array([[math.cos(c), -math.sin(c), 0.0], [math.sin(c), math.cos(c), 0.0], [0.0, 0.0, 1.0]])
    return np.asarray(about_y @ about_x @ about_z, np.float64)


def project(pose: Pose, frame_size: tuple[int, int], shape: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
    """Where a camera sees points of a head.

    Args:
        pose: Of the head.
        frame_size: Width and height of the frame, pixels.
        shape: [K, 3], millimetres in the head's frame; by default the 68 points of the usual head.

    Returns:
        float64 [K, 2], pixels of the frame.
    """
    placed = (head_shape() if shape is None else shape) @ rotation_of(pose.yaw, pose.pitch, pose.roll).T
    placed = placed + np.array(pose.translation)
    centre = np.array([(frame_size[0] - 1) / 2.0, (frame_size[1] - 1) / 2.0])
    return np.asarray(placed[:, :2] / placed[:, 2:] * pose.focal_px + centre, np.float64)


@cache
def head_shape() -> NDArray[np.float64]:
    """The usual head's 68 points, float64 [68, 3], millimetres; read-only."""
    text = resources.files("red_align.features").joinpath("head_shape.csv").read_text("ascii")
    shape = np.array([[float(v) for v in line.split(",")] for line in text.split()], np.float64)
    shape.setflags(write=False)
    return shape


_CAMERA = np.eye(3)
