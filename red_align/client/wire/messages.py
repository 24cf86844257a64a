"""Messages of a server as the library's own values."""

from __future__ import annotations

from typing import Any

import numpy as np

from red_align.client.errors import ServerError
from red_align.client.info import ServerInfo
from red_align.errors import RedAlignError, all_errors
from red_align.features.options import FeatureOptions, Smoothing
from red_align.features.values import COEFFICIENTS, Alignment, Expression, Pose
from red_align.frames import Face, FrameResult, FrameStatus, Landmarks, StreamEnd, VideoInfo
from red_align.geometry import FaceBox
from red_align.v1 import face_landmarks_pb2 as pb

_SMOOTHING = {
    Smoothing.NONE: pb.SMOOTHING_UNSPECIFIED,
    Smoothing.ONE_EURO: pb.SMOOTHING_ONE_EURO,
    Smoothing.LOOK_AHEAD: pb.SMOOTHING_LOOK_AHEAD,
}
_STATUS: dict[int, FrameStatus] = {
    pb.FRAME_STATUS_OK: FrameStatus.OK,
    pb.FRAME_STATUS_DROPPED: FrameStatus.DROPPED,
    pb.FRAME_STATUS_ERROR: FrameStatus.ERROR,
}


def frame_result(message: pb.FrameResult, index: int | None = None, *, resumed: bool = False) -> FrameResult:
    """The result of a frame.

    Args:
        message: As the server sent it.
        index: Number of the frame where it is not that of the message.
        resumed: The stream went on elsewhere before this frame.
    """
    error = message.error if message.HasField("error") else None
    return FrameResult(
        message.index if index is None else index,
        message.time_s,
        _STATUS[message.status],
        tuple(_face(face) for face in message.faces),
        message.resumed or resumed,
        None if error is None else domain_error(error.message, error.code, error.reason, {}),
    )


def domain_error(message: str, code: str, reason: str, metadata: dict[str, str]) -> RedAlignError:
    """The error of a server's reason, of its own class where this client knows it.

    Args:
        message: For people.
        code: Name of a google.rpc.Code.
        reason: The server's word.
        metadata: Values for programs.
    """
    for cls in all_errors():
        if cls.reason == reason:
            return cls(message, **metadata)
    return ServerError(message, code, reason, **metadata)


def stream_end(message: pb.StreamEnd) -> StreamEnd:
    """How a clip ended."""
    return StreamEnd(
        message.complete, message.frame_count, tuple(message.warnings), message.dropped_count, message.resume_token
    )


def video_info(message: pb.VideoInfo) -> VideoInfo:
    """Size and rate of a clip."""
    return VideoInfo(message.width, message.height, message.frame_rate, message.pixel_aspect_ratio or 1.0)


def server_info(message: pb.GetInfoResponse) -> ServerInfo:
    """What a server says of itself."""
    model, limits = message.model, message.limits
    return ServerInfo(
        message.version,
        message.scheme,
        message.num_points,
        model.preset,
        model.training_run,
        model.engine,
        model.precision,
        tuple(model.providers),
        limits.max_faces,
        limits.max_upload_bytes,
        limits.max_frame_pixels,
        limits.max_message_bytes,
        limits.max_parallel,
    )


def features_message(options: FeatureOptions) -> pb.FeatureOptions:
    """What is asked for beside the points.

    Args:
        options: As the caller chose them.
    """
    return pb.FeatureOptions(
        names=options.names,
        points=options.points,
        smooth=_SMOOTHING[Smoothing(options.smooth)],
        focal_px=options.focal_px,
    )


def _face(message: pb.Face) -> Face:
    box = FaceBox(message.box.x, message.box.y, message.box.w, message.box.h)
    points: np.ndarray[Any, np.dtype[np.float64]] = np.array(message.landmarks, np.float64).reshape(-1, 2)
    landmarks = Landmarks(points, np.array(message.confidence, np.float32))
    return Face(
        message.track_id,
        box,
        message.score,
        landmarks,
        message.reacquired,
        _pose(message.pose) if message.HasField("pose") else None,
        _expression(message.expression) if message.HasField("expression") else None,
        _alignment(message.alignment) if message.HasField("alignment") else None,
    )


def _pose(message: pb.Pose) -> Pose:
    translation = np.array(message.translation, np.float64)
    return Pose(message.yaw, message.pitch, message.roll, translation, message.focal_px)


def _expression(message: pb.Expression) -> Expression:
    return Expression(
        message.eye_opening_left,
        message.eye_opening_right,
        message.mouth_opening,
        message.eye_closed_left,
        message.eye_closed_right,
        message.blink_count,
        {name: message.coefficients[name] for name in COEFFICIENTS},
    )


def _alignment(message: pb.Alignment) -> Alignment:
    return Alignment(np.array(message.matrix, np.float64).reshape(2, 3), message.crop)
