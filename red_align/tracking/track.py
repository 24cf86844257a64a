"""One followed face."""

from __future__ import annotations

import secrets
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
from red_align.tracking.rules import face_score, is_lost, region_from_landmarks
from red_align.tracking.state import TrackState


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
        return cls(state.track_id, state.points, state.confidence, state.memory, region, state.appearance)

    @property
    def box(self) -> FaceBox:
        """Tight box of the points, frame pixels."""
        return FaceBox.around(self.points)

    @property
    def score(self) -> float:
        """Mean of the points' confidences, 0 to 1."""
        return face_score(self.confidence)

    def update(self, result: StepResult) -> None:
        """Take the answer to the crop of ``region``, which stays as it is: see ``advance``."""
        self.points = self.region.to_frame(CROP_SIZE).apply(result.points)
        self.confidence, self.memory = result.confidence, result.memory
        self.resumed = self.resumed or result.resumed

    def advance(self, scheme: PointScheme) -> None:
        """Set the region of the next crop, from the points."""
        self.region = region_from_landmarks(self.points, scheme)

    def is_lost(self, image: Picture, threshold: float) -> bool:
        """Whether it is to be given up in this image, at this score."""
        height, width = image.shape[:2]
        return is_lost(self.score, self.points, (width, height), threshold)

    def face(self) -> Face:
        """As a frame's answer has it."""
        return Face(self.track_id, self.box, self.score, Landmarks(self.points, self.confidence))

    def state(self) -> TrackState:
        """As plain values."""
        return TrackState(self.track_id, self.points, self.confidence, self.memory, self.appearance)
