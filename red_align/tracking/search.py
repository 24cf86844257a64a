"""When faces are searched for, and in which turn of the frame."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from time import perf_counter

import numpy as np

from red_align.crop import Picture
from red_align.tracking.detector import Detection, Detector, detect
from red_align.tracking.options import Observer, TrackingOptions
from red_align.tracking.rules import SAME_FACE_IOU
from red_align.tracking.state import NEVER
from red_align.tracking.track import Track

TURNS = (1, 3, 2)
"""Quarter turns (counter-clockwise) of a frame that is searched for faces on their side or upside down, in order."""
MUCH_ROLL = math.radians(45)


class Search:
    """Searches of one tracker. While nothing is found the frame is searched turned too, a turn at a time.

    Args:
        detector: Finds faces.
        options: How often.
        observe: Told the seconds of each detection, ``detect_s``.
    """

    def __init__(self, detector: Detector, options: TrackingOptions, observe: Observer) -> None:
        self._detector, self._options, self._observe = detector, options, observe
        self.since, self.since_turned = NEVER, NEVER
        self.turn = 0

    def at_once(self, angle: float = 0.0) -> None:
        """Search in this frame: a face was lost. Turned too, where its roll (``angle``, radians) was large."""
        self.since = NEVER
        if math.cos(angle) < math.cos(MUCH_ROLL):
            self.since_turned = NEVER

    def pause(self, frames: int) -> None:
        """Search no more for some frames."""
        self.since = -frames

    def is_due(self, *, following: bool) -> bool:
        """Count a frame; whether it is to be searched. ``following`` says whether faces are followed."""
        self.since, self.since_turned = min(self.since + 1, NEVER), min(self.since_turned + 1, NEVER)
        if self.since < (self._options.detect_every if following else self._options.search_every):
            return False
        self.since = 0
        return True

    def upright(self, image: Picture, wanted: int | None = None) -> list[Detection]:
        """Faces of the frame as it is.

        Args:
            image: RGB uint8 [H, W, 3], or planes.
            wanted: How many of the largest are enough, where no face is followed. None asks for all: beside faces that
                are followed, a new one may be any.
        """
        return self._detect(image, 0, wanted)

    def turned(self, image: Picture) -> Iterator[list[Detection]]:
        """Faces of the frame turned, where that is due: all turns at first, later one at a time.

        Whoever takes no further ones has found enough: what a detector finds in a wrong turn may be no face.
        """
        every = self._options.search_turned_every
        if not every or self.since_turned < every:
            return
        count, self.since_turned = len(TURNS) if self.since_turned == NEVER else 1, 0
        for _ in range(count):
            turn, self.turn = self.turn, (self.turn + 1) % len(TURNS)
            yield self._detect(image, TURNS[turn])

    def found(self, *, something: bool) -> None:
        """Whether faces are followed after a search: then turned frames are searched no sooner than after a while."""
        if something:
            self.since_turned = 0

    def _detect(self, image: Picture, turn: int, wanted: int | None = None) -> list[Detection]:
        began = perf_counter()
        found = detect(self._detector, image, turn, wanted)
        self._observe("detect_s", perf_counter() - began)
        return found


def choose(found: Sequence[Detection], tracks: Sequence[Track], room: int) -> list[Detection]:
    """Which of the detected faces to begin with.

    Args:
        found: What was detected.
        tracks: Faces that are followed.
        room: Most faces.

    Returns:
        Those that no track shows, the largest first, then the best score; sizes within a sixteenth count as equal.
    """
    new = [d for d in found if all(d.box.iou(t.box) < SAME_FACE_IOU for t in tracks)]
    return sorted(new, key=_preference, reverse=True)[:room]


def _preference(detection: Detection) -> tuple[float, float]:
    return (round(4 * np.log2(max(detection.box.area, 1.0))), detection.score)
