"""Few places for calls that anybody may make: a newcomer takes the oldest one's, so nobody can keep others out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from red_align.errors import ClientTooSlow, Overloaded


class Places:
    """Bounds calls in number and time. A call that ends by itself, such as a health check, always finds a place.

    Args:
        limit: Most calls at once; setting ``keyless_calls``.
        seconds: Longest time of one; setting ``keyless_call_s``.
    """

    def __init__(self, limit: int, seconds: float) -> None:
        self._limit, self._seconds = limit, seconds
        self._held: dict[asyncio.Timeout, None] = {}
        self._displaced: set[asyncio.Timeout] = set()

    def __len__(self) -> int:
        return len(self._held)

    @asynccontextmanager
    async def take(self) -> AsyncIterator[None]:
        """Hold a place until the block ends.

        Raises:
            Overloaded: A newcomer took the place.
            ClientTooSlow: The time is over.
        """
        if len(self._held) >= self._limit:
            oldest = next(iter(self._held))
            del self._held[oldest]
            if not oldest.expired():
                self._displaced.add(oldest)
                oldest.reschedule(asyncio.get_running_loop().time())
        place = asyncio.timeout(self._seconds)
        try:
            async with place:
                self._held[place] = None
                yield
        except TimeoutError as error:
            if not place.expired():
                raise
            if place in self._displaced:
                why = f"another call took the place of this one: {self._limit} is the limit keyless_calls"
                raise Overloaded(why, limit="keyless_calls") from error
            why = f"the call took {self._seconds:g} s, which is the limit keyless_call_s"
            raise ClientTooSlow(why, limit="keyless_call_s") from error
        finally:
            self._held.pop(place, None)
            self._displaced.discard(place)
