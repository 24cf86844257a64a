"""Bounds on what is under way at once: whoever comes beyond them is refused at once, and nobody waits in a queue."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from red_align.errors import Overloaded


class Admission:
    """Counts what is under way of one kind.

    Args:
        name: Name of the setting that gives the limit.
        limit: Most that may be under way.
    """

    def __init__(self, name: str, limit: int) -> None:
        self.name, self.limit = name, limit
        self.active = 0
        self.refused = 0

    @contextmanager
    def acquire_slot(self) -> Iterator[None]:
        """Hold a slot until the block ends.

        Raises:
            Overloaded: All slots are taken; the metadata name the limit.
        """
        if self.active >= self.limit:
            self.refused += 1
            raise Overloaded(f"{self.limit} are under way, which is the limit {self.name}", limit=self.name)
        self.active += 1
        try:
            yield
        finally:
            self.active -= 1
