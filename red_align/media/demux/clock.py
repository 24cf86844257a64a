"""When frames are shown, in seconds from the first one: growing, also over the joint of two recordings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Any

NO_RATE = 25.0
"""Frames a second where neither frames nor header have a time."""
MOST_FORWARD_S = 10.0
"""A longer step forward, in a format whose times may begin anew, is a joint and no pause: players go on at once."""
NO_COUNT = frozenset({"matroska,webm", "asf", "flv", "mpegts", "mpeg"})
"""Formats that do not say how many frames there are: what lost some in them shows in the times alone."""
WIDE = 1.75
"""Steps of this many usual ones have room for another frame."""
STEADY = 0.9
"""Share of steps that must be as long as the usual one, for a rate to be steady."""
MOST_STEPS = 200
"""Steps of different lengths, in milliseconds, with which no rate is steady."""
BEGIN_ANEW = frozenset({"mpegts", "mpeg"})
"""Formats whose times may begin anew anywhere."""
MOST_STEP_S = 1.0
"""A longer step says nothing of how long a frame is shown."""
REORDERED = 1.0
"""A time less than this many steps back is a rounded or doubled one, and no joint."""
MOVED_S = 1e-4
"""How much later than the last frame a frame is put whose own time is not later."""


class FrameClock:
    """Gives each frame its time.

    Args:
        time_base: Seconds of a unit of the stream.
        rate: Frames a second; 0 where the file does not say.
        kind: Name of the container's format.
    """

    def __init__(self, time_base: Fraction | None, rate: float, kind: str) -> None:
        self.last_s = 0.0
        """Time of the last frame."""
        self._base = time_base or Fraction(1, round(NO_RATE))
        self._jumps = kind in BEGIN_ANEW
        self.step_s = 1.0 / (rate or NO_RATE)
        """How long a frame is shown: the last step that tells."""
        self._zero: int | None = None
        self._by_decoding = False
        self._tells_gaps, self._steady = kind in NO_COUNT, True
        self._plain = 0.0
        self._offset = self._offset_before = 0.0
        self._joints: list[int] = []
        self._count, self._moved, self._guessed = 0, 0, 0
        self._steps: Counter[int] = Counter()
        self._wide: list[tuple[int, float]] = []

    def stamp(self, frame: Any) -> int | None:
        """When a frame is shown in units of its stream, as the file says; None where it says nothing."""
        if self._by_decoding or (self._zero is None and frame.pts is None):
            # An AVI has no other times. They are in the order of decoding, as frames leave the decoder.
            self._by_decoding = True
            return None if frame.dts is None else int(frame.dts)
        return None if frame.pts is None else int(frame.pts)

    def plain(self, frame: Any) -> float | None:
        """Seconds from the first frame, as the file says; None where it says nothing."""
        stamp = self.stamp(frame)
        if stamp is None:
            return None
        if self._zero is None:
            self._zero = stamp
        return float((stamp - self._zero) * self._base)

    def time(self, frame: Any) -> float:
        """The time of the next frame, seconds; later than that of the frame before."""
        plain, first = self.plain(frame), self._count == 0
        if plain is None:
            self._guessed += not self._by_decoding  # The last frames of an AVI have none, since it is read to its end.
            plain = self._plain if first else self._plain + self.step_s
        time_s = plain if first else self._continued(plain)
        if not first:
            self._note_step(time_s - self.last_s)
        if 0.0 < time_s - self.last_s <= MOST_STEP_S:
            self.step_s = time_s - self.last_s if time_s - self.last_s > MOVED_S else self.step_s
        self.last_s, self._plain = time_s, plain
        self._count += 1
        return time_s

    def _continued(self, plain: float) -> float:
        if self._joints and self._joints[-1] == self._count - 1 and self._fits(plain + self._offset_before):
            self._joints.pop()  # It was one frame alone whose time was wrong.
            self._moved += 1
            self._offset = self._offset_before
        if self._fits(plain + self._offset):
            return plain + self._offset
        if 0.0 <= self._plain - plain < REORDERED * self.step_s:
            self._moved += 1
            return self.last_s + MOVED_S
        self._joints.append(self._count)
        self._offset_before, self._offset = self._offset, self.last_s + self.step_s - plain
        return self.last_s + self.step_s

    def _fits(self, time_s: float) -> bool:
        return time_s > self.last_s and not (self._jumps and time_s - self.last_s > MOST_FORWARD_S)

    def _note_step(self, step_s: float) -> None:
        self._steps[round(step_s * 1000)] += 1
        if step_s > WIDE * self.step_s and len(self._wide) < MOST_STEPS:
            self._wide.append((self._count, step_s))
        if len(self._steps) > MOST_STEPS:  # The rate varies, and a longer step says nothing.
            self._steps.clear()
            self._wide.clear()
            self._steady = False

    def _gaps(self) -> list[tuple[int, float]]:
        """Frames before which others seem to be missing, where the rate is steady else, and the steps to them."""
        if not self._steady or not self._wide or self._joints:
            return []
        usual = self._steps.most_common(1)[0][0]
        steady = sum(self._steps[usual + around] for around in (-1, 0, 1))
        if steady < STEADY * (self._count - 1):
            return []
        return [(index, step) for index, step in self._wide if step * 1000 > WIDE * (usual + 1)]

    def jumps(self, stamps: Sequence[int]) -> bool:
        """Whether times, in units of the stream and growing, hold a step forward that is a joint."""
        return self._jumps and any(float((b - a) * self._base) > MOST_FORWARD_S for a, b in pairwise(stamps))

    @property
    def joined(self) -> bool:
        """Whether the times began anew somewhere."""
        return bool(self._joints)

    def warnings(self) -> list[str]:
        """What was wrong with the times, as sentences."""
        found = []
        if self._joints:
            frames = ", ".join(map(str, self._joints[:5])) + (", ..." if len(self._joints) > 5 else "")
            found.append(f"times jump at frame {frames}, as where recordings were joined; they go on over it")
        if self._tells_gaps and (gaps := self._gaps()):
            found.append(
                f"frames seem to be missing before frame {', '.join(str(index) for index, _ in gaps[:5])}"
                f"{', ...' if len(gaps) > 5 else ''}: {gaps[0][1]:.3f} s lie between two, {self.step_s:.3f} s elsewhere"
            )
        if self._moved:
            found.append(f"{self._moved} of {self._count} frames are not later than the frame before; they were moved")
        if self._guessed:
            found.append(f"{self._guessed} of {self._count} frames have no time; it was counted on")
        return found
