"""When eyes are shut, with hysteresis, and blinks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

SHUT, OPEN = 0.6, 0.4
"""An eye is shut from the first coefficient of its blink on, until it falls under the second."""
LONGEST_S = 0.6
"""What lasts longer is an eye that is kept shut, no blink."""


@dataclass(frozen=True, slots=True)
class Blink:
    """One blink of both eyes.

    Attributes:
        start_s: Time of the first frame in which they are shut, seconds.
        end_s: Time of the first frame in which they are open again, seconds.
        closure: The largest mean of ``eyeBlinkLeft`` and ``eyeBlinkRight`` in between, 0 to 1.
    """

    start_s: float
    end_s: float
    closure: float


class Eyes:
    """The eyes of one track: shut or open, and blinks so far. Frames in order of time."""

    def __init__(self) -> None:
        self.left = self.right = False
        """Whether the eye is shut."""
        self.count = 0
        """Blinks that have ended."""
        self._both, self._since, self._peak = False, 0.0, 0.0

    def update(self, left: float, right: float, time_s: float) -> Blink | None:
        """Take the next frame.

        Args:
            left: ``eyeBlinkLeft``.
            right: ``eyeBlinkRight``.
            time_s: Its time, seconds.

        Returns:
            The blink that ended with this frame.
        """
        self.left, self.right = _shut(self.left, left), _shut(self.right, right)
        mean = (left + right) / 2.0
        before, self._both = self._both, _shut(self._both, mean)
        if self._both:
            if not before:
                self._since, self._peak = time_s, mean
            self._peak = max(self._peak, mean)
            return None
        if not before or time_s - self._since > LONGEST_S:
            return None
        self.count += 1
        return Blink(self._since, time_s, self._peak)


def blinks(left: Sequence[float], right: Sequence[float], times: Sequence[float]) -> list[Blink]:
    """The blinks of one track, all of whose frames are known.

    Args:
        left: ``eyeBlinkLeft`` of each frame.
        right: ``eyeBlinkRight`` of each frame.
        times: Times of the frames, seconds, growing.
    """
    eyes = Eyes()
    found = (eyes.update(*frame) for frame in zip(left, right, times, strict=True))
    return [blink for blink in found if blink is not None]


def _shut(was: bool, closure: float) -> bool:
    return closure > (OPEN if was else SHUT)
