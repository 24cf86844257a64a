"""What a request may choose, and whose it is."""

from __future__ import annotations

from dataclasses import dataclass

from red_align.features.options import NO_FEATURES, FeatureOptions


@dataclass(frozen=True, slots=True)
class StreamOptions:
    """What a stream may choose, and whose it is.

    Attributes:
        max_faces: Most faces to follow at once; 0 stands for the default of 1.
        stream_id: Name of the tenant's stream to go on with, or to begin; empty for none.
        resume_token: State to go on from, whoever holds it; empty for none.
        tenant: Who asks.
        features: What faces are to have beside their points, and which points.
    """

    max_faces: int = 1
    stream_id: str = ""
    resume_token: str = ""
    tenant: str = ""
    features: FeatureOptions = NO_FEATURES


@dataclass(frozen=True, slots=True)
class LiveFlow:
    """How the frames of a live stream flow.

    Attributes:
        latest: The newest frame is processed and older ones that wait are dropped; else a fast sender is held back.
        resume_every: A resume token comes with every so many frames; 0 stands for the default of 15.
    """

    latest: bool = False
    resume_every: int = 0


@dataclass(frozen=True, slots=True)
class ClipOptions(StreamOptions):
    """What a clip request may choose.

    Attributes:
        stride: Every stride-th frame is answered; 0 stands for 1.
        want_token: Whether its end has a resume token.
        parallel: Most parts that are tracked side by side; 0 stands for 1.
    """

    stride: int = 1
    want_token: bool = False
    parallel: int = 1

    @property
    def goes_on(self) -> bool:
        """Whether it is a segment of a stream, or may become one."""
        return bool(self.want_token or self.stream_id or self.resume_token)
