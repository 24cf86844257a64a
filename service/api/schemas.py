"""The JSON shapes for OpenAPI. They document what red_align.media.serialization writes; a test compares the two."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field


class VideoModel(BaseModel):
    """An opened clip."""

    width: int = Field(description="Upright width in pixels.")
    height: int = Field(description="Upright height in pixels.")
    frame_rate: float = Field(description="Frames a second as the file says, 0 where it does not.")


class FaceModel(BaseModel):
    """One face of a frame."""

    track_id: int = Field(description="Names the face in this clip; a face found again after loss has a new one.")
    box: list[float] = Field(description="Tight box of the points: x, y, w, h in pixels.")
    score: float = Field(description="Mean of the points' confidences, 0 to 1.")
    landmarks: list[float] = Field(description="x0, y0, x1, y1, ... in pixels; (0, 0) is a pixel's centre.")
    confidence: list[float] = Field(
        description="For each point the probability that its error is under 5 % of the outer eye distance."
    )


class FrameErrorModel(BaseModel):
    """Why a frame has no points."""

    code: str = Field(description="Name of a google.rpc.Code.")
    reason: str = Field(description="Stable word for programs.")
    message: str


class FrameModel(BaseModel):
    """The answer to one frame."""

    index: int = Field(description="Number of the frame in the clip, from 0.")
    time_s: float = Field(description="Time from the first frame, seconds.")
    status: Literal["ok", "dropped", "error"]
    faces: list[FaceModel]
    resumed: bool = Field(False, description="A face's memory had to be taken up again in this frame; absent if not.")
    error: FrameErrorModel | None = Field(None, description="Present when status is error.")


class AlignModel(BaseModel):
    """A whole clip."""

    scheme: str = Field(description="Name of the point scheme.")
    video: VideoModel
    frames: list[FrameModel]
    complete: bool = Field(description="False when part of the clip could not be read; warnings then say where.")
    warnings: list[str]
    frame_count: int = Field(description="Frames answered.")
    resume_token: str | None = Field(
        None, description="Lets the stream go on anywhere; where a stream_id, a token or `resume` was given."
    )


class ModelModel(BaseModel):
    """The loaded model."""

    preset: str
    training_run: str
    engine: Literal["embedded", "triton"]


class LimitsModel(BaseModel):
    """Bounds of what a request may bring."""

    max_faces: int
    max_upload_bytes: int
    max_frame_pixels: int
    max_message_bytes: int


class InfoModel(BaseModel):
    """What this service is."""

    version: str
    contract_version: int
    model: ModelModel
    scheme: str
    num_points: int
    mean_shape: list[float] = Field(description="Mean face in pixels of the 128x128 crop: x0, y0, x1, y1, ...")
    limits: LimitsModel


class StateModel(BaseModel):
    """Health or readiness."""

    status: str


class ErrorInfoModel(FrameErrorModel):
    """An error with what belongs to it, such as the name of a limit."""

    metadata: dict[str, str]


class ErrorModel(BaseModel):
    """The body of every error."""

    error: ErrorInfoModel
