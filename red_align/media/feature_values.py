"""Features of faces as the values of red_align.media.shapes and back, and as columns of tables."""

from __future__ import annotations

import base64
import math
from collections.abc import Collection, Iterator
from typing import Any

import numpy as np

from red_align.features.values import COEFFICIENTS, Alignment, Expression, Pose
from red_align.frames import Face
from red_align.media.shapes import AlignmentValues, ExpressionValues, FaceValues, PoseValues

ANGLE_DECIMALS, MM_DECIMALS, RATIO_DECIMALS, MATRIX_DECIMALS = 2, 1, 4, 6
_POSE = ("pose_yaw", "pose_pitch", "pose_roll", "pose_tx", "pose_ty", "pose_tz", "focal_px")
_OPENINGS = ("eye_opening_left", "eye_opening_right", "mouth_opening")
_STATES = ("eye_closed_left", "eye_closed_right", "blink_count")
COLUMNS = {
    "pose": _POSE,
    "expression": (*_OPENINGS, *_STATES, *COEFFICIENTS),
    "alignment": tuple(f"align_{i}" for i in range(6)),
}
"""Columns of a table by the feature that they are of; ``align_0`` ... are the matrix row by row."""

_NO_POSE, _NO_EXPRESSION, _NO_ALIGNMENT = ((math.nan,) * len(columns) for columns in COLUMNS.values())


def pose_values(pose: Pose) -> PoseValues:
    """yaw, pitch, roll, translation [3], focal_px."""
    return {
        "yaw": round(pose.yaw, ANGLE_DECIMALS),
        "pitch": round(pose.pitch, ANGLE_DECIMALS),
        "roll": round(pose.roll, ANGLE_DECIMALS),
        "translation": np.round(pose.translation, MM_DECIMALS).tolist(),
        "focal_px": round(pose.focal_px, ANGLE_DECIMALS),
    }


def expression_values(expression: Expression) -> ExpressionValues:
    """Openings, which eyes are shut, blinks, and coefficients by name."""
    return {
        "eye_opening_left": round(expression.eye_opening_left, RATIO_DECIMALS),
        "eye_opening_right": round(expression.eye_opening_right, RATIO_DECIMALS),
        "mouth_opening": round(expression.mouth_opening, RATIO_DECIMALS),
        "eye_closed_left": expression.eye_closed_left,
        "eye_closed_right": expression.eye_closed_right,
        "blink_count": expression.blink_count,
        "coefficients": expression.coefficients,
    }


def alignment_values(alignment: Alignment) -> AlignmentValues:
    """matrix [2][3], and crop in base64 where there is one."""
    values: AlignmentValues = {"matrix": np.round(alignment.matrix, MATRIX_DECIMALS).tolist()}
    if alignment.crop:
        values["crop"] = base64.b64encode(alignment.crop).decode("ascii")
    return values


def features_from_values(face: FaceValues) -> dict[str, Any]:
    """The inverse: what a Face takes by name, without what is not there."""
    found: dict[str, Any] = {}
    if "pose" in face:
        pose = face["pose"]
        found["pose"] = Pose(
            pose["yaw"], pose["pitch"], pose["roll"], np.array(pose["translation"], np.float64), pose["focal_px"]
        )
    if "expression" in face:
        found["expression"] = Expression(**face["expression"])
    if "alignment" in face:
        alignment = face["alignment"]
        crop = base64.b64decode(alignment.get("crop", ""))
        found["alignment"] = Alignment(np.array(alignment["matrix"], np.float64), crop)
    return found


def columns_of(names: Collection[str]) -> list[str]:
    """Columns of the features of these names, in the order of COLUMNS."""
    return [column for feature, columns in COLUMNS.items() if feature in names for column in columns]


def cells(face: Face, names: Collection[str]) -> Iterator[float]:
    """The values of a face in ``columns_of(names)``; NaN where it has none."""
    if "pose" in names:
        pose = face.pose
        yield from _NO_POSE if pose is None else (pose.yaw, pose.pitch, pose.roll, *pose.translation, pose.focal_px)
    if "expression" in names:
        yield from _NO_EXPRESSION if face.expression is None else _expression_cells(face.expression)
    if "alignment" in names:
        yield from _NO_ALIGNMENT if face.alignment is None else face.alignment.matrix.reshape(-1).tolist()


def _expression_cells(expression: Expression) -> Iterator[float]:
    yield from (float(getattr(expression, name)) for name in (*_OPENINGS, *_STATES))
    yield from (expression.coefficients[name] for name in COEFFICIENTS)


def text(value: float) -> str:
    """A cell of a CSV file."""
    return f"{value:.6g}"
