"""Results as the values of red_align.media.shapes, rounded for JSON, and back; features as columns of tables."""

from __future__ import annotations

import base64
import math
from collections.abc import Collection, Iterator
from typing import Any

import numpy as np

from red_align.errors import RedAlignError
from red_align.features.values import COEFFICIENTS, Alignment, Expression, Pose
from red_align.frames import Face, FrameResult, FrameStatus, Landmarks, StreamEnd, VideoInfo
from red_align.geometry import FaceBox
from red_align.media.shapes import (
    AlignmentValues,
    EndValues,
    ExpressionValues,
    FaceValues,
    FrameValues,
    PoseValues,
    VideoValues,
)

PIXEL_DECIMALS = 2
SCORE_DECIMALS = 3
TIME_DECIMALS = 6
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


def face_values(face: Face) -> FaceValues:
    """track_id, box [x, y, w, h], score, landmarks [x0, y0, ...], confidence [L], and what else there is of it."""
    box = face.box
    values: FaceValues = {
        "track_id": face.track_id,
        "box": np.round([box.x, box.y, box.w, box.h], PIXEL_DECIMALS).tolist(),
        "score": round(face.score, SCORE_DECIMALS),
        "landmarks": _rounded(face.landmarks.points, PIXEL_DECIMALS),
        "confidence": _rounded(face.landmarks.confidence, SCORE_DECIMALS),
    }
    if face.reacquired:
        values["reacquired"] = True
    if face.pose is not None:
        values["pose"] = pose_values(face.pose)
    if face.expression is not None:
        values["expression"] = expression_values(face.expression)
    if face.alignment is not None:
        values["alignment"] = alignment_values(face.alignment)
    return values


def frame_values(result: FrameResult) -> FrameValues:
    """index, time_s, status, faces, and resumed or error where they say something."""
    values: FrameValues = {
        "index": result.index,
        "time_s": round(result.time_s, TIME_DECIMALS),
        "status": result.status.value,
        "faces": [face_values(face) for face in result.faces],
    }
    if result.resumed:
        values["resumed"] = True
    if result.error is not None:
        error = result.error
        values["error"] = {"code": error.code, "reason": error.reason, "message": error.message}
    return values


def frame_from_values(values: FrameValues) -> FrameResult:
    """The inverse of frame_values: one object of ``frames`` in a JSON answer (an error keeps its message alone)."""
    faces = tuple(
        Face(
            face["track_id"],
            FaceBox(*face["box"]),
            face["score"],
            Landmarks(np.reshape(face["landmarks"], (-1, 2)), np.array(face["confidence"])),
            bool(face.get("reacquired", False)),
            **features_from_values(face),
        )
        for face in values["faces"]
    )
    error = RedAlignError(values["error"]["message"]) if "error" in values else None
    resumed = bool(values.get("resumed", False))
    return FrameResult(values["index"], values["time_s"], FrameStatus(values["status"]), faces, resumed, error)


def video_values(video: VideoInfo) -> VideoValues:
    """width, height, frame_rate, pixel_aspect_ratio."""
    return {
        "width": video.width,
        "height": video.height,
        "frame_rate": round(video.frame_rate, 4),
        "pixel_aspect_ratio": round(video.pixel_aspect_ratio, 6),
    }


def end_values(end: StreamEnd) -> EndValues:
    """complete, warnings, frame_count, and resume_token where one was asked for."""
    values: EndValues = {"complete": end.complete, "warnings": list(end.warnings), "frame_count": end.frame_count}
    if end.resume_token:
        values["resume_token"] = end.resume_token
    return values


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


def _rounded(values: np.ndarray[Any, Any], decimals: int) -> list[float]:
    # float64 first: a float32 rounded to two decimals prints with eight.
    rounded: list[float] = np.round(np.asarray(values, np.float64).reshape(-1), decimals).tolist()
    return rounded
