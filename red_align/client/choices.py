"""What a clip or a stream may ask for, and the values that are made of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from red_align.client.session import Session
from red_align.client.sources import ClipBytes
from red_align.client.wire.messages import features_message
from red_align.client.wire.pictures import Colour, Pictures
from red_align.errors import InvalidRequest
from red_align.features.options import FeatureOptions
from red_align.features.subsets import subset_of
from red_align.schemes import NamedPoints, PointScheme
from red_align.v1 import face_landmarks_pb2 as pb


@dataclass(frozen=True, slots=True)
class ClipChoices:
    """What a clip asks for.

    Attributes:
        max_faces: Most faces to track at once.
        stride: Every stride-th frame is processed.
        parallel: Parts of a long video that are tracked side by side, at most.
        features: What faces are to have beside their points, and which points.
        stream_id: The clip is a segment of this stream; empty for none.
        resume_token: Where to go on from; empty for the beginning.
    """

    max_faces: int = 1
    stride: int = 1
    parallel: int = 1
    features: FeatureOptions = field(default_factory=FeatureOptions)
    stream_id: str = ""
    resume_token: str = ""

    def __post_init__(self) -> None:
        for name in ("max_faces", "stride", "parallel"):
            if getattr(self, name) < 1:
                raise InvalidRequest(f"{name} is {getattr(self, name)}, it must be 1 or more")

    def may_repeat(self, clip: ClipBytes) -> bool:
        """Whether a clip may be sent a second time: a named stream may have gone on already."""
        return clip.again and not self.stream_id

    def points_of(self, scheme: PointScheme) -> NamedPoints:
        """The points that are answered, of those that the server's model gives.

        Raises:
            InvalidRequest: There is no subset of so many.
        """
        return subset_of(self.features.points, scheme) or scheme

    @property
    def request(self) -> pb.AlignClipRequest:
        """The first message."""
        return pb.AlignClipRequest(
            config=pb.ClipConfig(
                max_faces=self.max_faces,
                stride=self.stride,
                parallel=self.parallel,
                features=features_message(self.features),
                stream_id=self.stream_id,
                resume_token=self.resume_token,
            )
        )


@dataclass(frozen=True, slots=True)
class StreamChoices:
    """What a live stream asks for.

    Attributes:
        max_faces: Most faces to follow at once.
        features: What faces are to have beside their points, and which points.
        colour: See Pictures.
        jpeg_quality: See Pictures.
        frame_rate: See Pictures.
        latest: The newest frame is processed, and older ones that wait are left out; else every frame is.
        max_age_ms: See Pictures.
        window: Most frames that are sent and not answered.
        resume_every: Frames between two resume tokens.
        stream_id: Name of the stream; empty for none.
        resume_token: Where to go on from; empty for the beginning.
    """

    max_faces: int
    features: FeatureOptions
    colour: Colour
    jpeg_quality: int | None
    frame_rate: float | None
    latest: bool
    max_age_ms: int
    window: int
    resume_every: int
    stream_id: str
    resume_token: str

    def __post_init__(self) -> None:
        for name in ("max_faces", "window", "resume_every"):
            if getattr(self, name) < 1:
                raise InvalidRequest(f"{name} is {getattr(self, name)}, it must be 1 or more")

    def session(self) -> Session:
        """The stream, before its first frame."""
        config = pb.StreamConfig(
            max_faces=self.max_faces,
            stream_id=self.stream_id,
            flow=pb.FLOW_LATEST if self.latest else pb.FLOW_BLOCK,
            resume_token=self.resume_token,
            resume_every=self.resume_every,
            features=features_message(self.features),
        )
        return Session(config, self.latest, self.window)

    def pictures(self) -> Pictures:
        """What makes messages of its frames."""
        return Pictures(
            colour=self.colour,
            jpeg_quality=self.jpeg_quality,
            frame_rate=self.frame_rate,
            max_age_ms=self.max_age_ms,
        )
