"""Waiting for a client, but not for ever."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from typing import TypeVar

from landmarks.errors import ClientTooSlow

T = TypeVar("T")


class EachWithin(AsyncIterator[T]):
    """Items of a client, each within some seconds; raises ClientTooSlow. What is done with them takes no time of it."""

    def __init__(self, items: AsyncIterator[T], seconds: float) -> None:
        self._items, self._seconds = aiter(items), seconds

    async def __anext__(self) -> T:
        """The next item."""
        try:
            async with asyncio.timeout(self._seconds):
                return await anext(self._items)
        except TimeoutError as error:
            raise ClientTooSlow(f"nothing came for {self._seconds:g} s") from error


async def taken_within(sending: Awaitable[None], seconds: float) -> None:
    """Wait until an answer is on its way; raises ClientTooSlow where the client does not take what was sent before."""
    try:
        async with asyncio.timeout(seconds):
            await sending
    except TimeoutError as error:
        raise ClientTooSlow(f"answers were not taken for {seconds:g} s") from error
