"""Head pose in the columns, units and axes of OpenFace's files."""

from __future__ import annotations

import cv2
import numpy as np

from red_align.features.pose import head_pose
from red_align.features.values import Pose
from red_align.geometry import Points, openface_angles
from red_align.schemes import IBUG68

POSE = ("pose_Tx", "pose_Ty", "pose_Tz", "pose_Rx", "pose_Ry", "pose_Rz")
"""Place of the head in millimetres, and its turn in radians."""


def openface_pose(points: Points, pose: Pose | None, width: int, height: int) -> list[float] | None:
    """The values of POSE for one face.

    Args:
        points: [L, 2], any float dtype, pixels of the upright frame.
        pose: Where it is known; made from the points otherwise.
        width: Of the frame, pixels.
        height: Likewise.

    Returns:
        Six numbers; None where no pose is known and the points are not the 68 of a face.
    """
    if pose is None and len(points) == IBUG68.num_points and np.isfinite(points).all():
        try:
            pose = head_pose(points, width, height)
        except (cv2.error, np.linalg.LinAlgError):  # Points that are no face, such as all in one place.
            return None
    return None if pose is None else [*map(float, pose.translation), *openface_angles(pose.rotation)]
