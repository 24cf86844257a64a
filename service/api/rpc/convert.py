"""Domain types to protobuf messages."""

from __future__ import annotations

from typing import Any

import numpy as np

from red_align.frames import Face, FrameResult, FrameStatus, StreamEnd, VideoInfo
from red_align.v1 import face_landmarks_pb2 as pb

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
    )


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
    plain = {k: v for k, v in values.items() if k not in ("model", "limits", "tracking")}
    return pb.GetInfoResponse(
        model=pb.Model(**values["model"]),
        limits=pb.Limits(**values["limits"]),
        tracking=pb.Tracking(**values["tracking"]),
        **plain,
    )
