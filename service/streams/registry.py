"""Streams by name: what a stream was when its last segment or connection ended, kept for the next one.

A name belongs to one tenant: another tenant's same name is another stream. What is kept is a TrackerState, so a waiting
stream holds no slot in the engine.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from cachetools import TTLCache

from red_align.errors import InvalidRequest, StreamBusy
from red_align.tracking.state import TrackerState

MAX_STREAM_ID = 128
_Key = tuple[str, str]


@dataclass(slots=True)
class Lease:
    """The right to send to a stream.

    Attributes:
        tenant: Whose stream it is.
        stream_id: Its name; empty for a stream that nobody keeps.
        state: Where it stands, None while it is new; to be set before the lease is released.
    """

    tenant: str
    stream_id: str
    state: TrackerState | None = None


class StreamRegistry:
    """Streams that wait for their next segment; of too many the longest unused go first.

    Args:
        idle_s: Seconds for which a stream waits.
        most: Most that wait.
        clock: Seconds, growing.
    """

    def __init__(self, idle_s: float, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._waiting: TTLCache[_Key, TrackerState] = TTLCache(most, idle_s, clock)
        self._leased: set[_Key] = set()

    def __len__(self) -> int:
        return len(self._waiting)

    def lease(self, tenant: str, stream_id: str) -> Lease:
        """Take a stream.

        Args:
            tenant: Whose it is.
            stream_id: Its name; without one it is a new stream that nobody keeps.

        Raises:
            StreamBusy: Another request holds it.
            InvalidRequest: The name is too long.
        """
        if len(stream_id) > MAX_STREAM_ID:
            raise InvalidRequest(f"stream_id is longer than {MAX_STREAM_ID} characters")
        if not stream_id:
            return Lease(tenant, stream_id)
        key = (tenant, stream_id)
        if key in self._leased:
            raise StreamBusy(f"another request is sending to stream {stream_id!r}")
        self._leased.add(key)
        return Lease(tenant, stream_id, self._waiting.pop(key, None))

    def release(self, lease: Lease) -> None:
        """Let the stream wait for its next request: this one has ended."""
        if not lease.stream_id:
            return
        key = (lease.tenant, lease.stream_id)
        self._leased.discard(key)
        if lease.state is not None:
            self._waiting[key] = lease.state
