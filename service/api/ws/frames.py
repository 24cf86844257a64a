"""Frames of a WebSocket stream as the session takes them, with their times."""

from __future__ import annotations

import struct
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable

import orjson

from red_align.errors import ConfigRepeated
from service.api.ws.config import StreamConfig
from service.api.ws.messages import Message
from service.streams.frame_queue import LiveFrame

TIME = struct.Struct("<d")
"""What a binary message begins with where the client gives times: seconds."""
_LEAST_STEP_S = 1e-6


class ArrivalClock:
    """Times of frames from when they came: seconds since the stream began; one that goes on goes on to count.

    Args:
        clock: Seconds, growing.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._zero = clock()
        self._last = -_LEAST_STEP_S

    def goes_on_from(self, time_s: float | None) -> None:
        """The stream had frames before.

        Args:
            time_s: Time of the last one, seconds; None where there was none.
        """
        if time_s is not None:
            self._zero = self._clock() - time_s
            self._last = time_s

    def now(self) -> float:
        """Time of a frame that came now; later than that of the last one."""
        self._last = max(self._clock() - self._zero, self._last + _LEAST_STEP_S)
        return self._last


async def frames(
    messages: AsyncIterator[Message], config: StreamConfig, clock: ArrivalClock
) -> AsyncGenerator[LiveFrame]:
    """Frames until the client says that there are no more.

    Args:
        messages: What the client sends after its config.
        config: Says what binary messages hold.
        clock: Gives times where the client does not.

    Yields:
        The frames.

    Raises:
        ConfigRepeated: A text message that is not the end.
    """
    async for message in messages:
        if isinstance(message, str):
            if _is_end(message):
                return
            raise ConfigRepeated('after its config a stream has binary messages, a frame each, and {"type": "end"}')
        if config.times == "arrival":
            yield LiveFrame(clock.now(), message, max_age_ms=config.max_age_ms)
        elif len(message) < TIME.size:
            yield LiveFrame(clock.now(), None, max_age_ms=config.max_age_ms)
        else:
            (time_s,) = TIME.unpack_from(message)
            yield LiveFrame(time_s, message[TIME.size :], max_age_ms=config.max_age_ms)


def _is_end(message: str) -> bool:
    try:
        return bool(orjson.loads(message) == {"type": "end"})
    except orjson.JSONDecodeError:
        return False
