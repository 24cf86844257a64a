"""Events in a clip: blinks, and times in which a mouth is open; found while frames come."""

from __future__ import annotations

from dataclasses import dataclass, field

from red_align.frames import Face, FrameResult, FrameStatus
from red_align.schemes import PointScheme

BLINK, MOUTH_OPEN = "blink", "mouth open"
LONGEST_BLINK_S = 0.8
"""Eyes that are shut for longer are closed, and do not blink."""
SHORTEST_MOUTH_S = 0.08
"""Shorter times of an open mouth are left out."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that a face did.

    Attributes:
        kind: ``blink`` or ``mouth open``.
        face_id: Track id of the face.
        start_s: Time of the first frame that shows it, seconds.
        end_s: Time of the first frame that does not show it any more, seconds.
    """

    kind: str
    face_id: int
    start_s: float
    end_s: float
