"""The one tree of domain errors. They are raised in domain terms and mapped once, at the edge of the service.

``code`` is the name of a google.rpc.Code, ``reason`` a stable UPPER_SNAKE word for programs, the message is
for people. Adding a class here is all it takes: REST and gRPC read these attributes.
"""

from __future__ import annotations

from typing import ClassVar


class RedAlignError(Exception):
    """Base of all errors that a user may see."""

    code: ClassVar[str] = "INTERNAL"
    reason: ClassVar[str] = "INTERNAL"

    def __init__(self, message: str, **metadata: str) -> None:
        super().__init__(message)
        self.message = message
        self.metadata = metadata


class InvalidRequest(RedAlignError):
    """The request itself is wrong; sending it again changes nothing."""

    code = "INVALID_ARGUMENT"
    reason = "INVALID_REQUEST"


class EmptyBody(InvalidRequest):
    """An upload without a byte in it."""

    reason = "EMPTY_BODY"


class UnsupportedMedia(InvalidRequest):
    """Neither a video nor an image by its declared type."""

    reason = "UNSUPPORTED_MEDIA"


class UnreadableMedia(InvalidRequest):
    """The bytes are no video or image that can be opened."""

    reason = "UNREADABLE_MEDIA"


class NoVideoStream(InvalidRequest):
    """A media file without pictures, such as audio alone."""

    reason = "NO_VIDEO_STREAM"


class NoFrames(InvalidRequest):
    """A video in which not one frame decodes."""

    reason = "NO_FRAMES"


class BadFrame(InvalidRequest):
    """One frame of a stream cannot be decoded; the stream goes on."""

    reason = "BAD_FRAME"


class FrameSizeChanged(InvalidRequest):
    """A frame has another size than the stream began with; the stream goes on."""

    reason = "FRAME_SIZE_CHANGED"


class ConfigExpected(InvalidRequest):
    """A stream must begin with its configuration."""

    reason = "CONFIG_EXPECTED"


class ConfigRepeated(InvalidRequest):
    """A stream has exactly one configuration."""

    reason = "CONFIG_REPEATED"


class TimestampNotGrowing(InvalidRequest):
    """A frame is not later than the last one; it is refused, the stream goes on."""

    reason = "TIMESTAMP_NOT_GROWING"


class BadResumeToken(InvalidRequest):
    """A resume token that is forged, damaged, or of another tenant or model."""

    reason = "BAD_RESUME_TOKEN"


class ExpiredResumeToken(BadResumeToken):
    """A resume token that was good once."""

    reason = "RESUME_TOKEN_EXPIRED"


class TooLarge(RedAlignError):
    """An upload or frame exceeds a limit; ``metadata`` names it."""

    code = "INVALID_ARGUMENT"
    reason = "TOO_LARGE"


class SequenceUnknown(RedAlignError):
    """The engine holds no memory for this sequence (never started, ended, expired or lost)."""

    code = "ABORTED"
    reason = "SEQUENCE_UNKNOWN"


class Unauthenticated(RedAlignError):
    """No valid key or token came with the request."""

    code = "UNAUTHENTICATED"
    reason = "UNAUTHENTICATED"


class StreamBusy(RedAlignError):
    """Someone is sending to the stream of this id already."""

    code = "ABORTED"
    reason = "STREAM_BUSY"


class Overloaded(RedAlignError):
    """A bound is reached; try again later."""

    code = "RESOURCE_EXHAUSTED"
    reason = "OVERLOADED"


class ClientTooSlow(RedAlignError):
    """The client sent nothing for too long, or did not take its answers."""

    code = "DEADLINE_EXCEEDED"
    reason = "CLIENT_TOO_SLOW"


class FirstMessageTimeout(ClientTooSlow):
    """A gRPC call stayed without its first message, the config, for too long."""

    reason = "FIRST_MESSAGE_TIMEOUT"


class NotReady(RedAlignError):
    """The service is starting or going away."""

    code = "UNAVAILABLE"
    reason = "NOT_READY"


class GoingAway(RedAlignError):
    """The service is shutting down; the stream can go on at another one with its token."""

    code = "UNAVAILABLE"
    reason = "GOING_AWAY"


class ModelMismatch(RedAlignError):
    """A model file does not keep the tensor contract; the message names the tensor."""

    code = "FAILED_PRECONDITION"
    reason = "MODEL_MISMATCH"


class ConfigurationError(RedAlignError):
    """A setting is wrong; the message names the variable."""

    code = "FAILED_PRECONDITION"
    reason = "CONFIGURATION"


def all_errors() -> list[type[RedAlignError]]:
    """Every class of the tree."""
    found: list[type[RedAlignError]] = [RedAlignError]
    for cls in found:
        found.extend(cls.__subclasses__())
    return found
