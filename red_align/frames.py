"""The frozen types that travel between the rooms: a frame in, its faces out, and the end of a stream."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from red_align.errors import RedAlignError
from red_align.geometry import FaceBox


@dataclass(frozen=True, slots=True)
class Frame:
    """One upright video frame: index from 0, time in seconds, RGB image uint8 [H, W, 3].

    ``image`` is None where the frame could not be decoded; ``error`` then says why.
    """

    index: int
    time_s: float
    image: NDArray[np.uint8] | None
    error: RedAlignError | None = None


@dataclass(frozen=True, slots=True)
class Landmarks:
    """Points float [L, 2] in frame pixels ((0, 0) is the centre of the top-left pixel), confidence [L] 0..1."""

    points: NDArray[np.floating[Any]]
    confidence: NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class Face:
    """One face of a frame. ``box`` is the tight box of its points, ``score`` the mean of their confidences."""

    track_id: int
    box: FaceBox
    score: float
    landmarks: Landmarks


class FrameStatus(StrEnum):
    """What became of a frame."""

    OK = "ok"
    DROPPED = "dropped"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class FrameResult:
    """The answer to one frame; a dropped or broken frame has one too."""

    index: int
    time_s: float
    status: FrameStatus = FrameStatus.OK
    faces: tuple[Face, ...] = ()
    resumed: bool = False
    error: RedAlignError | None = None


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """An opened clip: upright size in pixels and frames a second (0 where the file does not say)."""

    width: int
    height: int
    frame_rate: float


@dataclass(frozen=True, slots=True)
class StreamEnd:
    """How a clip or stream ended: ``complete`` is False when part of it could not be read.

    ``frame_count`` are the frames answered, ``dropped_count`` those of them that were left out. ``resume_token`` lets
    the stream go on anywhere from here; empty where none was asked for.
    """

    complete: bool
    frame_count: int
    warnings: tuple[str, ...] = field(default=())
    dropped_count: int = 0
    resume_token: str = ""
