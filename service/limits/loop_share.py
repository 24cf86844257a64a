"""What one client may take of the event loop, which all clients share: whoever costs too much is read from later."""

from __future__ import annotations

import time
from collections.abc import Callable

SHARE = 0.05
"""Part of the loop's time that one client's bytes may take, for as long as it likes."""
FREE_S_PER_BYTE = 20e-9
"""Time that a byte may take without any reckoning: 50 MB a second, several times what ordinary bodies take."""
BURST_S = 0.005
"""Debt that is forgiven without a pause, such as that of a request's head."""


class LoopShare:
    """Reckons the processor time that a client's bytes take, and says how long it must wait for more of it.

    A megabyte in one piece takes less than one in a million pieces: what counts is time, beyond what so many bytes may
    take. Seconds of a processor, since those in which the thread waits are not the client's fault.

    Args:
        clock: Seconds, growing.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._debt_s, self._at = 0.0, clock()

    def spend(self, seconds: float, size: int = 0) -> float:
        """Count what was done for a client.

        Args:
            seconds: Processor time that it took.
            size: Bytes that it was for.

        Returns:
            Seconds for which nothing more should be read from it; 0 for none.
        """
        now = self._clock()
        left = max(0.0, self._debt_s - (now - self._at) * SHARE)
        self._at = now
        self._debt_s = left + max(0.0, seconds - size * FREE_S_PER_BYTE)
        return self._debt_s / SHARE if self._debt_s > BURST_S else 0.0
