"""Waiting for a client, but not for ever: for its messages, for its uploads, and until it takes answers."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from red_align.errors import ClientTooSlow
from service.limits.watchdog import Watchdog

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class UploadLimits:
    """How slow an upload may be.

    Attributes:
        timeout_s: Longest time without a byte, in seconds (setting ``client_timeout_s``).
        min_bytes_per_s: Least average rate once ``grace_s`` is over; 0 is no limit (``upload_min_bytes_per_s``).
        grace_s: Seconds during which the rate may be lower (``upload_grace_s``).
    """

    timeout_s: float
    min_bytes_per_s: float
    grace_s: float

    def allowed_s(self, received: int) -> float:
        """Seconds that a client may take for its first ``received`` bytes and the beginning of the next."""
        if not self.min_bytes_per_s:
            return float("inf")
        return max(self.grace_s, received / self.min_bytes_per_s)


async def iterate_with_timeout(items: AsyncIterable[T], seconds: float, limit: str) -> AsyncGenerator[T]:
    """Pass on a client's items, each of which must come within a time.

    What the consumer does with an item takes no time of the client's.

    Args:
        items: What the client sends.
        seconds: Longest wait for one item.
        limit: Name of the setting that gives the seconds.

    Yields:
        The items.

    Raises:
        ClientTooSlow: No item came in time.
    """
    iterator = aiter(items)
    with Watchdog(lambda: _silent(seconds, limit)) as watchdog:
        while True:
            try:
                with watchdog.wait(seconds):
                    item = await anext(iterator)
            except StopAsyncIteration:
                return
            yield item


async def iterate_upload(
    chunks: AsyncIterable[T],
    size_of: Callable[[T], int],
    limits: UploadLimits,
    clock: Callable[[], float] = time.monotonic,
) -> AsyncGenerator[T]:
    """Pass on the chunks of an upload, which must come neither too late nor, on average, too slowly.

    The time that counts is the time spent waiting for the client: a disk that is slow here is not its fault.

    Args:
        chunks: What the client sends.
        size_of: Bytes of a chunk.
        limits: The least that is asked of the client.
        clock: Seconds, growing.

    Yields:
        The chunks.

    Raises:
        ClientTooSlow: The client was silent for too long, or its average rate is too low.
    """
    progress = _Progress(aiter(chunks), limits, clock)
    with Watchdog(progress.overdue) as watchdog:
        while True:
            try:
                with watchdog.wait(progress.remaining_s()):
                    chunk = await progress.next_chunk()
            except StopAsyncIteration:
                return
            progress.count(size_of(chunk))
            yield chunk


async def send_with_timeout(
    answers: AsyncIterable[T], send: Callable[[T], Awaitable[None]], seconds: float, limit: str
) -> None:
    """Send answers one after another; a client that does not take what was sent before is given up.

    Args:
        answers: What is to be sent; the time that they take to come does not count.
        send: Sends one, and returns when there is room for the next.
        seconds: Longest time for one call of ``send``.
        limit: Name of the setting that gives the seconds.

    Raises:
        ClientTooSlow: An answer was not taken in time.
    """
    with Watchdog(lambda: _too_slow("no answer was taken", seconds, limit)) as watchdog:
        async for answer in answers:
            with watchdog.wait(seconds):
                await send(answer)


class _Progress(Generic[T]):
    """An upload's bytes, and the seconds that were spent waiting for them."""

    def __init__(self, chunks: AsyncIterator[T], limits: UploadLimits, clock: Callable[[], float]) -> None:
        self._chunks, self._limits, self._clock = chunks, limits, clock
        self._received, self._waited_s, self._rate_is_nearer = 0, 0.0, False

    def _rate_left_s(self) -> float:
        """Seconds after which the rate is too low, where no byte comes."""
        return self._limits.allowed_s(self._received) - self._waited_s

    def remaining_s(self) -> float:
        """Seconds within which the next chunk must come."""
        self._rate_is_nearer = self._rate_left_s() < self._limits.timeout_s
        return min(self._rate_left_s(), self._limits.timeout_s)

    async def next_chunk(self) -> T:
        """The next chunk; the time until it comes counts."""
        began = self._clock()
        try:
            return await anext(self._chunks)
        finally:
            self._waited_s += self._clock() - began

    def count(self, size: int) -> None:
        """A chunk came. Raises ClientTooSlow where it was too little, too late."""
        self._received += size
        if self._rate_left_s() < 0.0:
            raise self._too_few()

    def overdue(self) -> ClientTooSlow:
        """What is wrong where no chunk came within ``remaining_s``."""
        return self._too_few() if self._rate_is_nearer else _silent(self._limits.timeout_s, "client_timeout_s")

    def _too_few(self) -> ClientTooSlow:
        limit, least = "upload_min_bytes_per_s", self._limits.min_bytes_per_s
        slow = f"{self._received} bytes came in {self._waited_s:.3g} s"
        return ClientTooSlow(f"{slow}, less than {least:g} a second, which is the limit {limit}", limit=limit)


def _silent(seconds: float, limit: str) -> ClientTooSlow:
    return _too_slow("nothing came", seconds, limit)


def _too_slow(what: str, seconds: float, limit: str) -> ClientTooSlow:
    return ClientTooSlow(f"{what} for {seconds:g} s, which is the limit {limit}", limit=limit)
