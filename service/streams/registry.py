"""Streams by name: what a stream was when its last segment or connection ended, kept for the next one.

A name belongs to one tenant: another tenant's same name is another stream. What is kept is a TrackerState, so a waiting
stream holds no place in the engine.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from red_align.errors import InvalidRequest, StreamBusy
from red_align.tracking.state import TrackerState

MAX_STREAM_ID = 128
_Key = tuple[str, str]


@dataclass(slots=True)
class Lease:
    """The right to send to a stream: ``state`` is where it stands (None: it is new); set it before it is given back."""

    tenant: str
    stream_id: str
    state: TrackerState | None = None


class StreamRegistry:
    """At most ``most`` streams wait here, each for ``idle_s`` seconds; of too many the longest unused go first."""

    def __init__(self, idle_s: float, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._idle_s, self._most, self._clock = idle_s, most, clock
        self._waiting: OrderedDict[_Key, tuple[TrackerState, float]] = OrderedDict()
        self._leased: set[_Key] = set()

    def __len__(self) -> int:
        self._expire()
        return len(self._waiting)

    def lease(self, tenant: str, stream_id: str) -> Lease:
        """Take a stream; without a name it is a new one that nobody keeps. Raises StreamBusy or InvalidRequest."""
        if len(stream_id) > MAX_STREAM_ID:
            raise InvalidRequest(f"stream_id is longer than {MAX_STREAM_ID} characters")
        if not stream_id:
            return Lease(tenant, stream_id)
        key = (tenant, stream_id)
        if key in self._leased:
            raise StreamBusy(f"another request is sending to stream {stream_id!r}")
        self._expire()
        self._leased.add(key)
        state, _ = self._waiting.pop(key, (None, 0.0))
        return Lease(tenant, stream_id, state)

    def release(self, lease: Lease) -> None:
        """The request has ended; what the stream is now waits for its next one."""
        if not lease.stream_id:
            return
        key = (lease.tenant, lease.stream_id)
        self._leased.discard(key)
        if lease.state is not None:
            self._waiting[key] = (lease.state, self._clock())
            while len(self._waiting) > self._most:
                self._waiting.popitem(last=False)

    def _expire(self) -> None:
        limit = self._clock() - self._idle_s
        while self._waiting and next(iter(self._waiting.values()))[1] < limit:
            self._waiting.popitem(last=False)
