"""Bound on the parts of clips that are tracked side by side: a clip takes what is free, and nobody waits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class PartSlots:
    """Slots of parts, lent to clips.

    Args:
        limit: Most parts at once.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.active = 0

    @contextmanager
    def take(self, wanted: int, share: int) -> Iterator[int]:
        """Hold slots until the block ends.

        Args:
            wanted: Parts that a clip asks for.
            share: Most that it may have now.

        Yields:
            How many it has: 1, which takes no slot, or more.
        """
        count = min(wanted, share, self.limit - self.active)
        held = count if count > 1 else 0
        self.active += held
        try:
            yield max(held, 1)
        finally:
            self.active -= held
