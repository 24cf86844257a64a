"""CSV with OpenFace's columns, so that what reads its files reads these."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from red_align.frames import Face, FrameResult, StreamEnd, VideoInfo
from red_align.schemes import PointScheme

POSE = ("pose_Tx", "pose_Ty", "pose_Tz", "pose_Rx", "pose_Ry", "pose_Rz")
"""Place of the head in millimetres, and its turn in radians."""


class CsvWriter:
    """frame (from 1), face_id, timestamp, confidence, success, pose_Tx ..., pose_Rx ..., x_0 ..., y_0 ...; reacquired."""

    def __init__(self, scheme: PointScheme) -> None:
        self._num_points = scheme.num_points

    def begin(self, video: VideoInfo) -> bytes:
        """See Writer."""
        return (",".join(columns(self._num_points)) + "\n").encode("ascii")

    def frame(self, result: FrameResult) -> bytes:
        """See Writer."""
        return "".join(self._rows(result)).encode("ascii")

    def finish(self, end: StreamEnd) -> bytes:
        """See Writer; a table has no room for how it ended."""
        return b""

    def _rows(self, result: FrameResult) -> Iterator[str]:
        """One row a face; a frame without one has a row of zeros with success 0, as in OpenFace."""
        start = f"{result.index + 1},{{}},{result.time_s:.3f},"
        for face in result.faces:
            points = np.asarray(face.landmarks.points, np.float64)
            values = ",".join(f"{v:.2f}" for v in points.T.reshape(-1))
            yield start.format(face.track_id) + f"{face.score:.3f},1,{_pose(face)},{values},{face.reacquired:d}\n"
        if not result.faces:
            zeros = ",".join(["0"] * len(POSE) + ["0.00"] * (2 * self._num_points))
            yield start.format(0) + f"0.000,0,{zeros},0\n"


def columns(num_points: int) -> list[str]:
    """Names of the columns, in order.

    Args:
        num_points: L, points of a face.
    """
    points = [f"{axis}_{i}" for axis in "xy" for i in range(num_points)]
    return ["frame", "face_id", "timestamp", "confidence", "success", *POSE, *points, "reacquired"]
