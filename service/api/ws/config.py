"""The first message of a WebSocket stream."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from red_align.errors import ConfigExpected, InvalidRequest
from red_align.features.options import FeatureOptions
from red_align.names import unknown
from service.streams.options import LiveFlow, StreamOptions
from service.streams.registry import MAX_STREAM_ID


class StreamConfig(BaseModel):
    """What a stream may choose; names and meanings are those of the proto's StreamConfig where it has them."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)

    type: Literal["config"] = "config"
    key: SecretStr = Field(SecretStr(""), description="API key or token, where none came with the handshake.")
    max_faces: int = Field(1, ge=0, le=1_000_000, description="Faces to follow at once.")
    stream_id: str = Field("", max_length=MAX_STREAM_ID, description="A name of the stream.")
    resume_token: str = Field("", description="From an earlier answer: the stream goes on from there.")
    resume_every: int = Field(0, ge=0, le=1_000_000, description="Frames between two resume tokens; 0 is 15.")
    flow: Literal["block", "latest"] = Field("block", description="What happens to frames that come too fast.")
    max_age_ms: int = Field(0, ge=0, le=1_000_000_000, description="Frames that waited longer are dropped; 0 is never.")
    times: Literal["arrival", "client"] = Field("arrival", description="Where the times of frames come from.")
    features: str | tuple[str, ...] = Field(
        (), description="pose, expression, alignment, crop: a list, or with commas."
    )
    points: int = Field(0, description="5, 7, 51 or 68 points of each face; 0: all of the model.")
    smooth: str = Field("none", max_length=40, description="none or one_euro.")
    focal_px: float = Field(0.0, description="Focal length, for the pose; 0: the frame's longer side.")
    answers: Literal["json", "msgpack"] = Field("json", description="Form of the answers.")

    def options(self, tenant: str) -> StreamOptions:
        """What the data plane is asked for.

        Args:
            tenant: Who asks.

        Raises:
            InvalidRequest: There is no such feature, smoothing or number of points.
        """
        features = FeatureOptions.of(self.features, self.points, self.smooth, self.focal_px)
        return StreamOptions(self.max_faces, self.stream_id, self.resume_token, tenant, features)

    @property
    def live_flow(self) -> LiveFlow:
        """How the frames flow."""
        return LiveFlow(latest=self.flow == "latest", resume_every=self.resume_every)


def read_config(message: str | bytes | None) -> StreamConfig:
    """Read the first message.

    Args:
        message: Text, or bytes of a binary message; None where the client left without one.

    Raises:
        ConfigExpected: It is no text.
        InvalidRequest: It is no config; the message names what is wrong, and never its value.
    """
    if not isinstance(message, str):
        raise ConfigExpected("the first message of a stream must be its config, as text (JSON)")
    try:
        return StreamConfig.model_validate_json(message)
    except ValidationError as error:
        wrong = error.errors(include_input=False, include_url=False)
        raise InvalidRequest("; ".join(_sentence(e["type"], e["loc"], e["msg"]) for e in wrong[:8])) from None


def _sentence(kind: str, place: tuple[int | str, ...], message: str) -> str:
    name = ".".join(str(part) for part in place)
    if kind == "extra_forbidden":
        return unknown("field of the config", name, tuple(StreamConfig.model_fields))
    return f"{name}: {message}" if name else f"the config is no JSON object: {message}"
