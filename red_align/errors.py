"""All errors of the library and the service, in one tree; they are mapped to REST and gRPC once, in the service.

``code`` is the name of a google.rpc.Code, ``reason`` a stable UPPER_SNAKE word for programs, the message is
for people. Adding a class here is all it takes: REST and gRPC read these attributes.
"""

from __future__ import annotations


class RedAlignError(Exception):
    """Base of all errors that a user may see.

    Args:
        message: What is wrong, for people.
        **metadata: Values for programs, such as the name of the limit that was exceeded.

    Attributes:
        code: Name of a google.rpc.Code.
        reason: Stable word for programs, such as ``NO_VIDEO_STREAM``.
        message: What is wrong, for people.
        metadata: Values for programs.

    Example:
        >>> import red_align
        >>> try:
        ...     red_align.align("notes.txt")
        ... except red_align.RedAlignError as error:
        ...     print(error.reason)
        UNREADABLE_MEDIA
    """

    code: str = "INTERNAL"
    reason: str = "INTERNAL"

    def __init__(self, message: str, **metadata: str) -> None:
        super().__init__(message)
        self.message = message
        self.metadata = metadata


class InvalidRequest(RedAlignError):
    """An argument, a file or a request is wrong; trying again changes nothing. Base of the errors of media files.

    Example:
        >>> import red_align
        >>> red_align.track("clip.mp4", stride=0)
        Traceback (most recent call last):
            ...
        red_align.errors.InvalidRequest: stride is 0, it must be 1 or more
    """

    code = "INVALID_ARGUMENT"
    reason = "INVALID_REQUEST"


class EmptyBody(InvalidRequest):
    """An upload without a byte in it."""

    reason = "EMPTY_BODY"


class UnsupportedMedia(InvalidRequest):
    """Neither a video nor an image by its declared type."""

    reason = "UNSUPPORTED_MEDIA"


class NotAcceptable(InvalidRequest):
    """A client's ``Accept`` header names no type that results can be written in."""

    reason = "NOT_ACCEPTABLE"


class CameraRefused(InvalidRequest):
    """A camera or a network stream cannot be opened; the message says what to look at."""

    reason = "CAMERA_REFUSED"


class UnreadableMedia(InvalidRequest):
    """The bytes are no video or image that can be opened.

    Example:
        >>> import red_align
        >>> try:
        ...     red_align.track("notes.txt")
        ... except red_align.UnreadableMedia as error:
        ...     print(error.reason)
        UNREADABLE_MEDIA
    """

    reason = "UNREADABLE_MEDIA"


class NoVideoStream(InvalidRequest):
    """A media file without pictures, such as audio alone.

    Example:
        >>> import red_align
        >>> try:
        ...     red_align.track("sound.m4a")
        ... except red_align.NoVideoStream as error:
        ...     print(error)
        the file holds no video, only audio
    """

    reason = "NO_VIDEO_STREAM"


class NoFrames(InvalidRequest):
    """A video in which not one frame decodes.

    Example:
        >>> import red_align
        >>> try:
        ...     red_align.track("damaged.mp4")
        ... except red_align.NoFrames as error:
        ...     print(error.reason)
        NO_FRAMES
    """

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
    """An upload or frame exceeds a limit; ``metadata`` names it.

    Example:
        >>> import red_align
        >>> red_align.align("clip.mp4", limits=red_align.DecodeLimits(max_frame_pixels=10_000))
        Traceback (most recent call last):
            ...
        red_align.errors.TooLarge: a frame of 176x144 exceeds the limit of 10000 pixels
    """

    code = "INVALID_ARGUMENT"
    reason = "TOO_LARGE"


class SequenceUnknown(RedAlignError):
    """The engine holds no memory for this sequence (never started, ended, expired or lost)."""

    code = "ABORTED"
    reason = "SEQUENCE_UNKNOWN"


class Unauthenticated(RedAlignError):
    """No valid key or token came with the request.

    Example:
        >>> import red_align
        >>> red_align.Unauthenticated("no valid API key or token came with the request").reason
        'UNAUTHENTICATED'
    """

    code = "UNAUTHENTICATED"
    reason = "UNAUTHENTICATED"


class OriginRefused(RedAlignError):
    """A page of another site, which the service was not told to admit, tried to open a stream."""

    code = "PERMISSION_DENIED"
    reason = "ORIGIN_REFUSED"


class StreamBusy(RedAlignError):
    """Someone is sending to the stream of this id already."""

    code = "ABORTED"
    reason = "STREAM_BUSY"


class Overloaded(RedAlignError):
    """A bound is reached, such as the engine's number of faces; try again later.

    Example:
        >>> import red_align
        >>> from red_align.engine.default import PRESET, WEIGHTS
        >>> from red_align.engine.onnx_engine import OnnxEngine
        >>> engine = OnnxEngine(WEIGHTS / PRESET, max_sequences=1)
        >>> with red_align.track("clip.mp4", engine=engine) as one, red_align.track("clip.mp4", engine=engine) as two:
        ...     try:
        ...         for results in zip(one, two):
        ...             pass
        ...     except red_align.Overloaded as error:
        ...         print(error)
        1 sequences are in use
        >>> engine.close()
    """

    code = "RESOURCE_EXHAUSTED"
    reason = "OVERLOADED"


class ClientTooSlow(RedAlignError):
    """The client sent nothing for too long, or did not take its answers."""

    code = "DEADLINE_EXCEEDED"
    reason = "CLIENT_TOO_SLOW"


class FirstMessageTimeout(ClientTooSlow):
    """A gRPC call or a WebSocket stayed without its first message, the config, for too long."""

    reason = "FIRST_MESSAGE_TIMEOUT"


class DecoderLost(RedAlignError):
    """A decoding process was killed from outside, as by a kernel that is short of memory, and its successor too."""

    code = "UNAVAILABLE"
    reason = "DECODER_LOST"


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


class MissingExtra(RedAlignError, ImportError):
    """A package is not installed that this needs; the message says how to install it.

    Example:
        >>> import red_align
        >>> issubclass(red_align.MissingExtra, ImportError)
        True
    """

    code = "UNIMPLEMENTED"
    reason = "MISSING_EXTRA"


class ProviderUnavailable(ConfigurationError):
    """An execution provider of ONNX Runtime that was asked for cannot be used; the message says what to install.

    Example:
        >>> import red_align
        >>> try:
        ...     red_align.load_engine("directml")
        ... except red_align.RedAlignError as error:
        ...     print(error.reason)
        PROVIDER_UNAVAILABLE
    """

    reason = "PROVIDER_UNAVAILABLE"


def all_errors() -> list[type[RedAlignError]]:
    """Every class of the tree.

    Returns:
        RedAlignError and its subclasses, each after its base.
    """
    found: list[type[RedAlignError]] = [RedAlignError]
    for cls in found:
        found.extend(cls.__subclasses__())
    return found
