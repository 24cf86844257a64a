"""Faces that were lost a moment ago: one that is found again near to where it was, and alike, is the same."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from red_align.geometry import FaceRegion
from red_align.tracking.rules import SAME_ABOVE, likeness
from red_align.tracking.state import LostFace
from red_align.tracking.track import Track

REACQUIRE_S = 0.5
"""Seconds for which a lost face may be found again as the same."""
REACH = 1.0
"""How far from its place a lost face may be found, in sides of its region, beside what its motion makes of it."""
MUCH_SCALE = math.log(1.6)
"""How much larger or smaller its region may be then (logarithm)."""


class LostFaces:
    """What a tracker remembers of faces that it lost.

    Args:
        most: Most of them; the oldest are forgotten first.
        faces: Of a tracker's state.
    """

    def __init__(self, most: int, faces: Sequence[LostFace] = ()) -> None:
        self._most, self._faces = most, list(faces)

    def __bool__(self) -> bool:
        return bool(self._faces)

    @property
    def faces(self) -> tuple[LostFace, ...]:
        """As plain values."""
        return tuple(self._faces)

    def add(self, track: Track, last: FaceRegion, time_s: float) -> None:
        """Remember a track whose last region was ``last`` in the frame at ``time_s`` seconds."""
        face = LostFace(track.track_id, (last.cx, last.cy), last.side, track.motion, track.appearance, time_s)
        self._faces = [*self._faces, face][-self._most :]

    def forget(self, time_s: float) -> None:
        """Forget those that were lost too long before ``time_s`` seconds."""
        self._faces = [face for face in self._faces if 0.0 <= time_s - face.time_s <= REACQUIRE_S]

    def take(self, region: FaceRegion, appearance: NDArray[np.float32], time_s: float) -> LostFace | None:
        """The lost face that was found in a region; it is lost no more.

        Args:
            region: Where a face was found, frame pixels.
            appearance: Its descriptor.
            time_s: Time of the frame, seconds.

        Returns:
            The face most like it; None where none can be the same.
        """
        near = [face for face in self._faces if _within_reach(face, region, time_s - face.time_s)]
        best = max(near, key=lambda face: likeness(face.appearance, appearance), default=None)
        if best is None or likeness(best.appearance, appearance) < SAME_ABOVE:
            return None
        self._faces.remove(best)
        return best


def _within_reach(face: LostFace, region: FaceRegion, gap_s: float) -> bool:
    """Whether a region lies where a face can be now, which may have stopped, gone on as before, or turned back."""
    reach = REACH * face.side + math.hypot(*face.motion) * gap_s
    away = math.hypot(region.cx - face.centre[0], region.cy - face.centre[1])
    scale = abs(math.log(max(region.side, 1e-3) / max(face.side, 1e-3)))
    return away <= reach and scale <= MUCH_SCALE
