"""Results as the values of red_align.media.shapes, rounded for JSON, and back."""

from __future__ import annotations

from typing import Any

import numpy as np

from red_align.errors import RedAlignError
from red_align.frames import Face, FrameResult, FrameStatus, Landmarks, StreamEnd, VideoInfo
from red_align.geometry import FaceBox
from red_align.media.feature_values import alignment_values, expression_values, features_from_values, pose_values
from red_align.media.shapes import EndValues, FaceValues, FrameValues, VideoValues

PIXEL_DECIMALS = 2
SCORE_DECIMALS = 3
TIME_DECIMALS = 6


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


def _rounded(values: np.ndarray[Any, Any], decimals: int) -> list[float]:
    # float64 first: a float32 rounded to two decimals prints with eight.
    rounded: list[float] = np.round(np.asarray(values, np.float64).reshape(-1), decimals).tolist()
    return rounded
