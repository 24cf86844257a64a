"""JSON of sources: what a request holds, and what is answered."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from red_align.media.shapes import FrameErrorValues, VideoValues
from service.api.schemas import model_of


class WebhookRequest(BaseModel):
    """Where events are sent."""

    model_config = ConfigDict(extra="forbid", strict=True)

    url: str = Field(description="http:// or https://, listed in RED_SOURCE_WEBHOOKS.")
    secret: str = Field(
        "", max_length=256, description="Key of the signatures, 16 characters or more; without one a new one is made."
    )


class SourceRequest(BaseModel):
    """A camera or broadcast to pull."""

    model_config = ConfigDict(extra="forbid", strict=True)

    url: str = Field(description="rtsp://, rtmp://, or http:// or https:// of an HLS playlist; listed in RED_SOURCES.")
    max_faces: int = Field(1, ge=1, description="Faces to follow at once.")
    stride: int = Field(1, ge=1, le=1_000_000, description="Answer every stride-th frame only.")
    webhook: WebhookRequest | None = Field(None, description="Where events are sent in batches; none by default.")


class WebhookModel(BaseModel):
    """How the sending of events goes."""

    url: str = Field(description="Without name, password and query.")
    delivered: int = Field(description="Events that were taken.")
    refused: int = Field(description="Events that were refused for good (a status of 400 to 499).")
    missed: int = Field(description="Events that were no more there when they would have been sent.")
    retries: int = Field(description="Attempts that failed.")
    error: model_of(FrameErrorValues) | None = Field(description="Why the last attempt failed; null if it did not.")  # type: ignore[valid-type]
    secret: str | None = Field(None, description="Key of the signatures: in the answer to POST alone.")


class SourceModel(BaseModel):
    """A source."""

    id: str
    url: str = Field(description="Without name, password and query.")
    state: Literal["connecting", "live", "reconnecting", "ended", "failed"]
    created_s: float = Field(description="When it was added, seconds since 1970.")
    max_faces: int
    stride: int
    video: model_of(VideoValues) | None = Field(description="Size and rate; null before the first connection.")  # type: ignore[valid-type]
    frame_count: int = Field(description="Frames that have an answer, dropped ones among them.")
    dropped_count: int = Field(description="Frames that newer ones took the place of.")
    reconnects: int
    last_event: int = Field(description="Number of the latest event.")
    readers: int
    error: model_of(FrameErrorValues) | None = Field(description="Why it was lost or has failed; null if all is well.")  # type: ignore[valid-type]
    webhook: WebhookModel | None


class SourcesModel(BaseModel):
    """The sources of a tenant."""

    sources: list[SourceModel]
