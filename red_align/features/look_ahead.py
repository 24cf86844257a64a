"""Steadier points of clips, whose future is known: no delay of the points.

A parabola in time is fitted to the frames around each one (Savitzky and Golay 1964, here by the frames' own times), and
its value there is the steadier point. Corrections larger than trembling fade, so that blinks and lips keep their size.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

REACH = 4
"""Frames on either side that the fit takes: the answer to a frame waits for so many."""
TREMBLE = 0.012
"""Correction that is halved, in distances of the outer eye corners; larger ones fade."""
LONGEST_GAP_S = 0.2
"""Frames farther apart are not fitted together."""


def steady(window: NDArray[np.float64], times: NDArray[np.float64], at: int, unit: float) -> NDArray[np.float64]:
    """The steadier points of one frame.

    Args:
        window: float64 [n, L, 2], points of one track in frames that follow each other, pixels.
        times: float64 [n], their times, seconds.
        at: Which of them is asked for.
        unit: Distance of the outer eye corners in it, pixels.

    Returns:
        float64 [L, 2], pixels; those of the frame itself where there are fewer than four.
    """
    first = last = at
    while first > max(0, at - REACH) and times[first] - times[first - 1] <= LONGEST_GAP_S:
        first -= 1
    while last < min(len(times) - 1, at + REACH) and times[last + 1] - times[last] <= LONGEST_GAP_S:
        last += 1
    now: NDArray[np.float64] = window[at]
    if last - first < 3:
        return now
    offsets = tuple(np.round(times[first : last + 1] - times[at], 4).tolist())
    correction = np.tensordot(_weights(offsets), window[first : last + 1], 1) - now
    size = np.hypot(correction[:, 0], correction[:, 1]) / max(TREMBLE * unit, 1e-9)
    return np.asarray(now + correction / (1.0 + size**2)[:, None])


@lru_cache(256)
def _weights(offsets: tuple[float, ...]) -> NDArray[np.float64]:
    """Weights of the frames whose sum is the fitted parabola's value at 0."""
    t = np.array(offsets) / max(abs(offsets[0]), abs(offsets[-1]))
    near = np.sqrt((1.0 - (np.abs(t) / 1.25) ** 2).clip(0.0))  # Nearer frames count for more.
    basis = np.stack([np.ones_like(t), t, t**2], axis=1)
    return np.asarray(np.linalg.pinv(basis * near[:, None])[0] * near)
