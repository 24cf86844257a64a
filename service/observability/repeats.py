"""Log lines that say the same again and again are counted instead: a stranger must not fill the disk with them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

WINDOW_S = 10.0
WARNINGS, OTHERS = 20, 1000
"""Lines of one place in the code within a window, of warnings and errors, and of lesser levels (a line a request)."""


class RepeatFilter(logging.Filter):
    """Lets a number of lines pass from each place in the code, and then one that tells how many did not.

    Args:
        clock: Seconds, growing.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._places: dict[tuple[str, int, int], list[float]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is written."""
        now = self._clock()
        # As many places as the code has lines that log; a message itself may hold anything.
        place = self._places.setdefault((record.pathname, record.lineno, record.levelno), [now, 0.0])
        began, seen = place
        if now - began >= WINDOW_S:
            place[:] = [now, 1.0]
            if (left_out := int(seen) - _most(record)) > 0:
                record.msg = f"{record.getMessage()} ({left_out} more like this in {now - began:.0f} s)"
                record.args = ()
            return True
        place[1] = seen + 1.0
        return seen < _most(record)


def _most(record: logging.LogRecord) -> int:
    return WARNINGS if record.levelno >= logging.WARNING else OTHERS
