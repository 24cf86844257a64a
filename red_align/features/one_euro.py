"""Steadier points of live streams: the One Euro filter (Casiez, Roussel and Vogel 2012), by the past alone."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from red_align.geometry import Points

MIN_CUTOFF_HZ = 2.5
"""Cutoff of a point that rests; lower is steadier, and later."""
BETA = 14.0
"""Growth of the cutoff, Hz for one distance of the outer eye corners a second."""
SPEED_CUTOFF_HZ = 3.0
"""Cutoff of the speed."""
LONGEST_GAP_S = 0.5
"""After a longer one it begins anew."""


class OneEuro:
    """The filter of one track's points; each point has a cutoff of its own, by its speed."""

    def __init__(self) -> None:
        self._points: NDArray[np.float64] | None = None
        self._speed = np.zeros(0)
        self._time_s = 0.0

    def update(self, points: Points, unit: float, time_s: float) -> NDArray[np.float64]:
        """Take the next frame.

        Args:
            points: [L, 2], any float dtype, pixels.
            unit: Distance of the outer eye corners, pixels.
            time_s: Its time, seconds.

        Returns:
            float64 [L, 2], the steadier points of this frame, pixels.
        """
        now, gap = np.array(points, np.float64), time_s - self._time_s
        self._time_s = time_s
        if self._points is None or not 0.0 < gap <= LONGEST_GAP_S:
            self._points, self._speed = now, np.zeros_like(now)
            return now
        self._speed = self._speed + _weight(SPEED_CUTOFF_HZ, gap) * ((now - self._points) / gap - self._speed)
        size = np.hypot(self._speed[:, 0], self._speed[:, 1]) / max(unit, 1e-9)
        weight = _weight(MIN_CUTOFF_HZ + BETA * size, gap)
        self._points = self._points + weight[:, None] * (now - self._points)
        return self._points


def _weight(cutoff_hz: Any, gap_s: float) -> Any:
    """Share of the new value, of a low-pass with this cutoff."""
    return 1.0 / (1.0 + 1.0 / (2.0 * math.pi * gap_s * cutoff_hz))
