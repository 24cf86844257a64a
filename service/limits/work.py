"""Work of a tenant: pixels that were decoded for it, paid off at a steady rate."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from red_align.errors import Overloaded

BURST_S = 1.0
"""Work of this time may be open before anybody waits or is refused."""


class WorkLimit:
    """Counts pixels as a debt. What was decoded is known only afterwards, so the debt may grow beyond the burst.

    ``spend`` may be called from any thread.

    Args:
        pixels_per_s: Rate at which the debt is paid off; 0 for no limit.
        clock: Seconds, growing.
    """

    def __init__(self, pixels_per_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._clock = pixels_per_s, clock
        self._lock = threading.Lock()
        self._debt, self._at = 0.0, clock()

    @property
    def limited(self) -> bool:
        """Whether there is a limit."""
        return self._rate > 0

    @property
    def owes(self) -> bool:
        """Whether anything is open."""
        return self._now() > 0.0

    @property
    def wait_s(self) -> float:
        """Seconds until further work may begin."""
        return max(self._now() / self._rate - BURST_S, 0.0) if self.limited else 0.0

    def spend(self, pixels: int) -> None:
        """Count pixels that were decoded."""
        if self.limited:
            now = self._now()
            with self._lock:
                self._debt, self._at = now + pixels, self._clock()

    def check(self) -> None:
        """Refuse a request that begins.

        Raises:
            Overloaded: Too much was decoded lately.
        """
        if (wait := self.wait_s) > 0:
            raise Overloaded(
                f"more than {self._rate:.0f} pixels a second were decoded for you; try again in {wait:.1f} s",
                limit="tenant_pixels_per_s",
            )

    def _now(self) -> float:
        return max(self._debt - (self._clock() - self._at) * self._rate, 0.0)
