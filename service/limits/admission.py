"""Bounds on what is under way at once: whoever comes beyond them is refused at once, and nobody waits in a queue."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from red_align.errors import Overloaded


class Admission:
    """Counts what is under way of one kind, up to ``limit``; ``name`` is that of the setting."""

    def __init__(self, name: str, limit: int) -> None:
        self.name, self.limit = name, limit
        self.active = 0
        self.refused = 0

    @contextmanager
    def acquire_slot(self) -> Iterator[None]:
        """A place until the block ends; raises Overloaded when all are taken."""
        if self.active >= self.limit:
            self.refused += 1
            raise Overloaded(f"{self.limit} are under way, which is the limit {self.name}", limit=self.name)
        self.active += 1
        try:
            yield
        finally:
            self.active -= 1
