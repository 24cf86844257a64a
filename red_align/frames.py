"""Frames and results: a frame in, its faces out, and the end of a clip or stream. Values that are never changed."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from red_align.errors import RedAlignError
from red_align.features.values import Alignment, Expression, Pose
from red_align.geometry import FaceBox
from red_align.yuv import YuvImage


@dataclass(frozen=True, slots=True)
class Frame:
    """One upright video frame, as ``Tracker.process`` takes it.

    Attributes:
        index: Number of the frame in its clip or stream, from 0.
        time_s: Its time in seconds.
        image: RGB uint8 [H, W, 3]; None where the frame could not be decoded, or has planes.
        error: Why there is no image.
        planes: The frame as a video decoder made it, instead of an image.

    Example:
        >>> import numpy as np
        >>> import red_align
        >>> frame = red_align.Frame(0, 0.0, np.zeros((144, 176, 3), np.uint8))
        >>> with red_align.Tracker() as tracker:
        ...     tracker.process(frame).faces
        ()
    """

    index: int
    time_s: float
    image: NDArray[np.uint8] | None
    error: RedAlignError | None = None
    planes: YuvImage | None = None

    @property
    def picture(self) -> NDArray[np.uint8] | YuvImage | None:
        """Image or planes, whichever there is."""
        return self.image if self.image is not None else self.planes


@dataclass(frozen=True, slots=True)
class Landmarks:
    """The L points of a face, in the order of the model's scheme (the 68 of iBUG: 0 to 16 jaw, 30 nose tip, ...).

    Attributes:
        points: float64 [L, 2], x and y in pixels of the upright frame, x to the right and y down; (0, 0) is the centre
            of the top-left pixel.
        confidence: float32 [L], 0 to 1: the probability that a point's error is under 5 % of the distance of the outer
            eye corners.

    Example:
        >>> import red_align
        >>> with red_align.track("clip.mp4") as clip:
        ...     landmarks = next(clip).faces[0].landmarks
        >>> landmarks.points.shape, landmarks.confidence.shape
        ((68, 2), (68,))
    """

    points: NDArray[np.floating[Any]]
    confidence: NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class Face:
    """One face of a frame.

    Attributes:
        track_id: Number of the face, from 0, for as long as it is tracked. One that is found again within half a second
            of its loss, near to where it was and alike, keeps it; later it gets a new one.
        box: Tight box of its points, pixels of the upright frame.
        score: Mean confidence of its points, 0 to 1.
        landmarks: Its points.
        reacquired: Whether it was lost and is found again in this frame under its number.
        pose: Where the head is and how it is turned; None where it was not asked for, as with the next two.
        expression: What the face does.
        alignment: The similarity to the picture that face recognition takes, and the picture.

    Example:
        >>> import red_align
        >>> with red_align.track("clip.mp4") as clip:
        ...     face = next(clip).faces[0]
        >>> face.track_id, face.score > 0.5
        (0, True)
    """

    track_id: int
    box: FaceBox
    score: float
    landmarks: Landmarks
    reacquired: bool = False
    pose: Pose | None = None
    expression: Expression | None = None
    alignment: Alignment | None = None


class FrameStatus(StrEnum):
    """What became of a frame.

    Attributes:
        OK: It was processed; it may show no face.
        DROPPED: A live stream left it out, since newer frames were waiting.
        ERROR: It could not be processed: it did not decode, has another size, or is not later than the last one.

    Example:
        >>> import red_align
        >>> [str(status) for status in red_align.FrameStatus]
        ['ok', 'dropped', 'error']
    """

    OK = "ok"
    DROPPED = "dropped"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class FrameResult:
    """The result of one frame; a frame that was dropped or could not be processed has one too.

    Attributes:
        index: Number of the frame in its clip or stream, from 0.
        time_s: Its time in seconds.
        status: What became of it.
        faces: Its faces, the one that is tracked longest first.
        resumed: Whether the engine had lost a face's memory and continued from the last result's.
        error: Why it could not be processed.

    Example:
        >>> import red_align
        >>> with red_align.track("clip.mp4") as clip:
        ...     result = next(clip)
        >>> result.index, result.time_s, str(result.status), len(result.faces)
        (0, 0.0, 'ok', 1)
    """

    index: int
    time_s: float
    status: FrameStatus = FrameStatus.OK
    faces: tuple[Face, ...] = ()
    resumed: bool = False
    error: RedAlignError | None = None


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """Size and rate of a clip.

    Attributes:
        width: Of the upright frame, pixels.
        height: Of the upright frame, pixels.
        frame_rate: Frames a second; 0 where the file does not say, and for a still image.
        pixel_aspect_ratio: Width of a pixel over its height as a player shows it, upright. Sizes and points are in
            stored pixels: where this is not 1, x times this and y are in square ones.

    Example:
        >>> import red_align
        >>> with red_align.track("clip.mp4") as clip:
        ...     print(clip.video.width, clip.video.height, round(clip.video.frame_rate, 2))
        176 144 29.97
    """

    width: int
    height: int
    frame_rate: float
    pixel_aspect_ratio: float = 1.0


@dataclass(frozen=True, slots=True)
class StreamEnd:
    """How a clip or stream ended.

    Attributes:
        complete: Whether all of it was read.
        frame_count: Frames that have a result.
        warnings: What could not be read, and which faces were left out.
        dropped_count: Those of the frames that a live stream dropped.
        resume_token: Continues a stream of the service from here; empty where none was asked for.

    Example:
        >>> import red_align
        >>> clip = red_align.track("clip.mp4", stride=10)
        >>> count = sum(1 for _ in clip)
        >>> clip.end.complete, clip.end.frame_count, clip.end.warnings
        (True, 12, ())
    """

    complete: bool
    frame_count: int
    warnings: tuple[str, ...] = field(default=())
    dropped_count: int = 0
    resume_token: str = ""
