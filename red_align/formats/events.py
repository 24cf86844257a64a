"""Events in a clip: blinks, and times in which a mouth is open; found while frames come."""

from __future__ import annotations

from dataclasses import dataclass, field

from red_align.errors import InvalidRequest
from red_align.features.blinks import LONGEST_S, Eyes
from red_align.features.options import FeatureOptions
from red_align.features.values import Expression
from red_align.frames import FrameResult, FrameStatus
from red_align.schemes import IBUG68, NamedPoints
from red_align.tracking.feature_stage import FeatureStage

BLINK, MOUTH_OPEN = "blink", "mouth open"
OPEN, SHUT = 0.3, 0.2
"""A mouth is open from the first opening on, height over width, until it falls under the second."""
SHORTEST_S = 0.1
"""Shorter times of an open mouth are left out."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that a face did.

    Attributes:
        start_s: Time of the first frame that shows it, seconds.
        end_s: Time of the first frame that does not show it any more, seconds.
        face_id: Track id of the face.
        kind: ``blink`` or ``mouth open``.
    """

    start_s: float
    end_s: float
    face_id: int
    kind: str


@dataclass(slots=True)
class _Face:
    """What is known of a track; ``open_s`` says since when its mouth is open."""

    eyes: Eyes = field(default_factory=Eyes)
    open_s: float | None = None


class EventFinder:
    """Finds events in the results of one clip, in order.

    Args:
        scheme: Of the clip's points.
        features: Names of the features that faces have; without ``expression`` it is made here.

    Raises:
        InvalidRequest: There are fewer than 68 points, and no expressions.
    """

    def __init__(self, scheme: NamedPoints, features: tuple[str, ...] = ()) -> None:
        self._stage = None
        if "expression" not in features:
            if scheme.num_points != IBUG68.num_points:
                raise InvalidRequest(
                    f"blinks and mouths are seen in {IBUG68.num_points} points, and there are {scheme.num_points}: ask "
                    "for the feature expression, or leave the choice of points out"
                )
            self._stage = FeatureStage(FeatureOptions(("expression",)), IBUG68)
        self._faces: dict[int, _Face] = {}
        self._now_s = 0.0
        self.size = (0, 0)
        """Width and height of the frame, pixels."""

    @property
    def settled_s(self) -> float:
        """No event that is still to come begins before this time."""
        return min([self._now_s - LONGEST_S, *(f.open_s for f in self._faces.values() if f.open_s is not None)])

    def add(self, result: FrameResult) -> list[Event]:
        """Take the next result; gives the events that ended with it."""
        self._now_s = result.time_s
        if result.status is not FrameStatus.OK:
            return []
        if self._stage is not None:
            result = self._stage.now(result, None, self.size)
        events: list[Event] = []
        for face in result.faces:
            if face.expression is not None:
                known = self._faces.setdefault(face.track_id, _Face())
                events += self._seen(known, face.track_id, face.expression)
        seen = {face.track_id for face in result.faces}
        for track_id in [number for number in self._faces if number not in seen]:
            events += self._mouth_shut(self._faces.pop(track_id), track_id)
        return events

    def close(self) -> list[Event]:
        """The events that are under way where the clip ends."""
        return [event for number, face in self._faces.items() for event in self._mouth_shut(face, number)]

    def _seen(self, face: _Face, track_id: int, expression: Expression) -> list[Event]:
        events: list[Event] = []
        closure = expression.coefficients
        blink = face.eyes.update(closure["eyeBlinkLeft"], closure["eyeBlinkRight"], self._now_s)
        if blink is not None:
            events.append(Event(blink.start_s, blink.end_s, track_id, BLINK))
        if face.open_s is None and expression.mouth_opening > OPEN:
            face.open_s = self._now_s
        elif face.open_s is not None and expression.mouth_opening < SHUT:
            events += self._mouth_shut(face, track_id)
        return events

    def _mouth_shut(self, face: _Face, track_id: int) -> list[Event]:
        since, face.open_s = face.open_s, None
        if since is None or self._now_s - since < SHORTEST_S:
            return []
        return [Event(since, self._now_s, track_id, MOUTH_OPEN)]
