"""The latest events of a source: readers that are slower miss some, and know how many."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a source.

    Attributes:
        number: From 1, growing by one.
        kind: ``header``, ``frame``, ``error``, ``state`` or ``end``.
        data: A JSON object.
    """

    number: int
    kind: str
    data: bytes


class EventRing:
    """Keeps the latest events. All methods are for the event loop's thread.

    Args:
        most: Events that are kept.
    """

    def __init__(self, most: int) -> None:
        self._events: deque[Event] = deque(maxlen=most)
        self._changed = asyncio.Event()
        self.last = 0
        """Number of the latest event."""
        self.over = asyncio.Event()
        """Set when no event will come any more."""

    def add(self, kind: str, data: bytes) -> None:
        """Add an event; the oldest one goes where there are too many."""
        self.last += 1
        self._events.append(Event(self.last, kind, data))
        self._wake()

    def end(self) -> None:
        """No event will come any more."""
        self.over.set()
        self._wake()

    @property
    def ended(self) -> bool:
        """Whether no event will come any more."""
        return self.over.is_set()

    def first_after(self, number: int) -> int:
        """Number of the first event after ``number`` that is still there, or will come."""
        oldest = self._events[0].number if self._events else self.last + 1
        return max(number + 1, oldest)

    def waiting(self, number: int, most: int) -> list[Event]:
        """Up to ``most`` events after ``number``, of those that are there."""
        start = self.first_after(number)
        if start > self.last:
            return []
        skip = start - self._events[0].number
        return [self._events[i] for i in range(skip, min(skip + most, len(self._events)))]

    async def after(self, number: int, most: int) -> list[Event]:
        """Up to ``most`` events after ``number``, waiting for the first of them; none at the end."""
        while not (found := self.waiting(number, most)) and not self.ended:
            await self._changed.wait()
        return found

    def _wake(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
