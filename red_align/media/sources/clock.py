"""Times of a live source: its own, in seconds from its first frame, growing whatever it sends."""

from __future__ import annotations

import time
from collections.abc import Callable
from fractions import Fraction

NO_RATE = 25.0
"""Frames a second where neither frames nor stream have a time."""
LEAST_STEP_S = 1e-3
LATE_S = 1.0
"""Packets that came this much later than in real time are left out up to the next key frame."""
WAITED_S = 0.002
"""Whoever waits this long for a packet has read all that was there."""
MOST_FORWARD_S = 10.0
"""A longer step forward that did not take about as long to arrive is a clock that was set, and no pause."""


class LiveClock:
    """Gives each frame of one connection its time.

    Args:
        time_base: Seconds of a unit of the stream.
        rate: Frames a second; 0 where the source does not say.
        now: Seconds, growing.
    """

    def __init__(self, time_base: Fraction | None, rate: float, now: Callable[[], float] = time.monotonic) -> None:
        self._base, self._now = time_base or Fraction(1, round(NO_RATE)), now
        self.step_s = 1.0 / (rate or NO_RATE)
        """How long a frame is shown, as far as is known."""
        self.last_s: float | None = None
        """Time of the last frame."""
        self._offset = self._arrived = 0.0

    def time(self, stamp: int | None) -> float:
        """The time of the next frame.

        Args:
            stamp: As the source has it, in units of the stream; None where it says nothing.

        Returns:
            Seconds; later than that of the frame before.
        """
        arrived = self._now()
        waited, self._arrived = arrived - self._arrived, arrived
        plain = None if stamp is None else float(stamp * self._base)
        if self.last_s is None:
            self._offset, self.last_s = -(plain or 0.0), 0.0
            return 0.0
        time_s = self.last_s + self.step_s if plain is None else plain + self._offset
        step_s = time_s - self.last_s
        if step_s < LEAST_STEP_S or (step_s > MOST_FORWARD_S and step_s > 2.0 * waited):
            time_s = self.last_s + self.step_s  # The clock of the source was set, as where it begins anew.
            if plain is not None:
                self._offset = time_s - plain
        elif step_s <= 1.0:
            self.step_s = step_s
        self.last_s = time_s
        return time_s

    def begin_anew(self, time_base: Fraction | None) -> None:
        """The next frame's stamp begins another count, in units of ``time_base``: it is one step behind the last."""
        self._base = time_base or self._base
        if self.last_s is not None:
            self._offset = float("-inf")


class Backlog:
    """Says which packets are left out undecoded, where decoding is slower than the source.

    Args:
        now: Seconds, growing.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now, self._asked = now, now()
        self._level: float | None = None
        self._skipping = False

    def ask(self) -> None:
        """The next packet is read now."""
        self._asked = self._now()

    def skips(self, stamp_s: float | None, *, key: bool) -> bool:
        """Whether the packet that was read is left out.

        Args:
            stamp_s: Its time as the source has it, seconds; None where it says nothing.
            key: Whether decoding can begin with it.
        """
        now = self._now()
        if stamp_s is None:
            return self._skipping
        lag = now - stamp_s
        if self._level is None or lag < self._level or now - self._asked > WAITED_S:
            self._level = lag  # Nothing waits behind it: it is as late as such a source is.
        late = lag - self._level > LATE_S
        if key or late:
            self._skipping = late
        return self._skipping
