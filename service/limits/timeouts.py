"""Waiting for a client, but not for ever."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from typing import TypeVar

from red_align.errors import ClientTooSlow

T = TypeVar("T")


class iterate_with_timeout(AsyncIterator[T]):
    """Items of a client, each within some seconds; raises ClientTooSlow. What is done with them takes no time of it.

    ``limit`` is the setting that gives the seconds.
    """

    def __init__(self, items: AsyncIterator[T], seconds: float, limit: str) -> None:
        self._items, self._seconds, self._limit = aiter(items), seconds, limit

    async def __anext__(self) -> T:
        """The next item."""
        try:
            async with asyncio.timeout(self._seconds):
                return await anext(self._items)
        except TimeoutError as error:
            raise _too_slow("nothing came", self._seconds, self._limit) from error


async def send_with_timeout(sending: Awaitable[None], seconds: float, limit: str) -> None:
    """Wait until an answer is on its way; raises ClientTooSlow where the client does not take what was sent before."""
    try:
        async with asyncio.timeout(seconds):
            await sending
    except TimeoutError as error:
        raise _too_slow("no answer was taken", seconds, limit) from error


def _too_slow(what: str, seconds: float, limit: str) -> ClientTooSlow:
    return ClientTooSlow(f"{what} for {seconds:g} s, which is the limit {limit}", limit=limit)
