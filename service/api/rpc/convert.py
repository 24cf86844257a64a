"""Domain types to protobuf messages."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from red_align.errors import InvalidRequest
from red_align.features.options import FeatureOptions, Smoothing
from red_align.features.values import Alignment, Expression, Pose
from red_align.frames import Face, FrameResult, FrameStatus, StreamEnd, VideoInfo
from red_align.v1 import face_landmarks_pb2 as pb

_SMOOTHING = {
    pb.SMOOTHING_UNSPECIFIED: Smoothing.NONE,
    pb.SMOOTHING_ONE_EURO: Smoothing.ONE_EURO,
    pb.SMOOTHING_LOOK_AHEAD: Smoothing.LOOK_AHEAD,
}
_STATUS = {
    FrameStatus.OK: pb.FRAME_STATUS_OK,
    FrameStatus.DROPPED: pb.FRAME_STATUS_DROPPED,
    FrameStatus.ERROR: pb.FRAME_STATUS_ERROR,
}


def frame_message(result: FrameResult) -> pb.FrameResult:
    """FrameResult as a message."""
    message = pb.FrameResult(
        index=result.index,
        time_s=result.time_s,
        status=_STATUS[result.status],
        faces=[face_message(face) for face in result.faces],
        resumed=result.resumed,
    )
    if result.error is not None:
        error = result.error
        message.error.CopyFrom(pb.FrameError(code=error.code, reason=error.reason, message=error.message))
    return message


def face_message(face: Face) -> pb.Face:
    """Face as a message."""
    box = face.box
    return pb.Face(
        track_id=face.track_id,
        box=pb.Box(x=box.x, y=box.y, w=box.w, h=box.h),
        score=face.score,
        landmarks=np.asarray(face.landmarks.points, np.float32).reshape(-1).tolist(),
        confidence=np.asarray(face.landmarks.confidence, np.float32).tolist(),
        reacquired=face.reacquired,
        pose=pose_message(face.pose) if face.pose is not None else None,
        expression=expression_message(face.expression) if face.expression is not None else None,
        alignment=alignment_message(face.alignment) if face.alignment is not None else None,
    )


def pose_message(pose: Pose) -> pb.Pose:
    """Pose as a message."""
    return pb.Pose(
        yaw=pose.yaw, pitch=pose.pitch, roll=pose.roll, translation=pose.translation.tolist(), focal_px=pose.focal_px
    )


def expression_message(expression: Expression) -> pb.Expression:
    """Expression as a message; field names are the same."""
    return pb.Expression(**asdict(expression))


def alignment_message(alignment: Alignment) -> pb.Alignment:
    """Alignment as a message."""
    return pb.Alignment(matrix=alignment.matrix.reshape(-1).tolist(), crop=alignment.crop)


def feature_options(message: pb.FeatureOptions) -> FeatureOptions:
    """The options that a config holds. Raises InvalidRequest where they name what there is not."""
    if message.smooth not in _SMOOTHING:
        raise InvalidRequest(f"there is no smoothing {message.smooth}")
    return FeatureOptions.of(message.names, message.points, _SMOOTHING[message.smooth], message.focal_px)


def end_message(end: StreamEnd) -> pb.StreamEnd:
    """StreamEnd as a message."""
    return pb.StreamEnd(
        complete=end.complete,
        warnings=end.warnings,
        frame_count=end.frame_count,
        dropped_count=end.dropped_count,
        resume_token=end.resume_token,
    )


def video_message(video: VideoInfo) -> pb.VideoInfo:
    """VideoInfo as a message."""
    return pb.VideoInfo(
        width=video.width, height=video.height, frame_rate=video.frame_rate, pixel_aspect_ratio=video.pixel_aspect_ratio
    )


def info_message(values: dict[str, Any]) -> pb.GetInfoResponse:
    """The values of service.api.info as a message; field names are the same."""
    plain = {k: v for k, v in values.items() if k not in ("model", "limits", "tracking", "features", "contours")}
    return pb.GetInfoResponse(
        model=pb.Model(**values["model"]),
        limits=pb.Limits(**values["limits"]),
        tracking=pb.Tracking(**values["tracking"]),
        features=pb.Features(**values["features"]),
        contours=[pb.Contour(**each) for each in values["contours"]],
        **plain,
    )
