"""One followed face."""

from __future__ import annotations

import math
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import NDArray

from red_align.contract import CROP_SIZE
from red_align.crop import Picture
from red_align.engine.base import Array, StepResult
from red_align.frames import Face, Landmarks
from red_align.geometry import FaceBox, FaceRegion
from red_align.schemes import PointScheme
from red_align.tracking.rules import SAME_FACE_IOU, SAME_SCENE_S, face_score, is_lost, region_from_landmarks
from red_align.tracking.state import TrackState

FAST = 0.1
"""Motion from frame to frame, in sides of the region, that the next step is led by."""


def new_sequence() -> str:
    """A random name, never derived from a stream or a user: it cannot be guessed."""
    return secrets.token_hex(16)


@dataclass(slots=True, eq=False)
class Track:
    """A face that is followed: where it is, what the network remembers of it, and its sequence in the engine.

    Attributes:
        track_id: Its number in the stream; -1 until it is kept.
        points: float64 [L, 2], frame pixels.
        confidence: float32 [L], 0 to 1.
        memory: float32 [S].
        region: Where the next crop lies, from ``points``.
        appearance: Descriptor of the last frame.
        starts: Whether the sequence begins, or begins anew, with the next step.
        resumed: Whether the engine had lost it and went on with ``memory``, at the last frame.
        reacquired: Whether it was lost and found again at the last frame.
        motion: How the centre of ``region`` moved at last, x and y in pixels a second.
    """

    track_id: int
    points: NDArray[np.float64]
    confidence: Array
    memory: Array
    region: FaceRegion
    appearance: NDArray[np.float32]
    sequence: str = field(default_factory=new_sequence)
    starts: bool = True
    resumed: bool = False
    reacquired: bool = False
    motion: tuple[float, float] = (0.0, 0.0)
    _boxed: tuple[NDArray[np.float64], FaceBox] | None = None

    @classmethod
    def found(cls, result: StepResult, region: FaceRegion, scheme: PointScheme) -> Self:
        """A face that was acquired in the crop of a region; it has no id and no appearance yet."""
        points = region.to_frame(CROP_SIZE).apply(result.points)
        following = region_from_landmarks(points, scheme)
        return cls(-1, points, result.confidence, result.memory, following, np.zeros(0, np.float32))

    @classmethod
    def restored(cls, state: TrackState, scheme: PointScheme) -> Self:
        """A track that begins a sequence of its own with the memory it had."""
        region = region_from_landmarks(state.points, scheme)
        track = cls(state.track_id, state.points, state.confidence, state.memory, region, state.appearance)
        track.motion = state.motion
        return track

    @property
    def box(self) -> FaceBox:
        """Tight box of the points, frame pixels; asked for several times a frame, made once."""
        if self._boxed is None or self._boxed[0] is not self.points:
            self._boxed = self.points, FaceBox.around(self.points)
        return self._boxed[1]

    @property
    def score(self) -> float:
        """Mean of the points' confidences, 0 to 1."""
        return face_score(self.confidence)

    def update(self, result: StepResult) -> None:
        """Take the answer to the crop of ``region``, which stays as it is: see ``advance``."""
        self.points = self.region.to_frame(CROP_SIZE).apply(result.points)
        self.confidence, self.memory = result.confidence, result.memory
        self.resumed = self.resumed or result.resumed

    def advance(self, scheme: PointScheme, last: FaceRegion, gap_s: float) -> None:
        """Set the region of the next crop, from the points; that of the last frame, ``gap_s`` ago, was ``last``."""
        self.region = region_from_landmarks(self.points, scheme)
        self._moved(last, gap_s)

    def lead(self, gap_s: float) -> FaceRegion:
        """Before a step: move points and region to where a fast motion leads within ``gap_s`` seconds.

        A step follows what moves by a tenth of the region from frame to frame, and lags behind what is faster. Slower
        faces stay exactly where they were.

        Returns:
            The region of the last frame.
        """
        last, (dx, dy) = self.region, (self.motion[0] * gap_s, self.motion[1] * gap_s)
        if gap_s <= SAME_SCENE_S and math.hypot(dx, dy) > FAST * last.side:
            self.region = FaceRegion(last.cx + dx, last.cy + dy, last.side, last.angle).on_grid(CROP_SIZE)
            self.points = self.points + (self.region.cx - last.cx, self.region.cy - last.cy)
        return last

    def take_over(self, found: Track, last: FaceRegion, gap_s: float) -> None:
        """Go on from where this face was found anew; ``last`` is its region of the last frame."""
        self.points, self.confidence, self.memory = found.points, found.confidence, found.memory
        self.region, self.appearance, self.starts = found.region, found.appearance, True
        self._moved(last, gap_s)

    def _moved(self, last: FaceRegion, gap_s: float) -> None:
        now = self.region
        self.motion = ((now.cx - last.cx) / gap_s, (now.cy - last.cy) / gap_s) if gap_s > 0.0 else (0.0, 0.0)

    def is_lost(self, image: Picture, threshold: float) -> bool:
        """Whether it is to be given up in this image, at this score."""
        height, width = image.shape[:2]
        return is_lost(self.score, self.box, (width, height), threshold)

    def overlaps(self, others: Sequence[Track]) -> bool:
        """Whether it shows the same face as one of the others."""
        return any(self.box.iou(other.box) > SAME_FACE_IOU for other in others)

    def face(self) -> Face:
        """As a frame's answer has it."""
        landmarks = Landmarks(self.points, self.confidence)
        return Face(self.track_id, self.box, self.score, landmarks, self.reacquired)

    def state(self) -> TrackState:
        """As plain values."""
        return TrackState(self.track_id, self.points, self.confidence, self.memory, self.appearance, self.motion)
