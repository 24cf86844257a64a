"""What one tenant may have at once, so that none takes all: live streams, and frames a second."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from aiolimiter import AsyncLimiter

from service.limits.admission import Admission

INTAKE = 4.0


class Tenant:
    """A tenant's share. Frames beyond its rate wait: flow control holds back who sends them.

    Reading from the wire is bounded too, INTAKE times as high: frames that are to be dropped cost something as well.
    """

    def __init__(self, max_streams: int, frames_per_s: float) -> None:
        self.streams = Admission("tenant_max_streams", max_streams)
        self._rate = _limiter(frames_per_s)
        self._intake = _limiter(INTAKE * frames_per_s)

    async def frame(self) -> None:
        """Wait until a further frame may be processed."""
        if self._rate is not None:
            await self._rate.acquire()

    async def message(self) -> None:
        """Wait until a further frame may be read from the wire."""
        if self._intake is not None:
            await self._intake.acquire()


def _limiter(per_s: float) -> AsyncLimiter | None:
    if not per_s:
        return None
    # Small bursts, since clients send in bursts; not a whole second of them, which others would feel.
    burst = max(1.0, per_s / 10.0)
    return AsyncLimiter(burst, burst / per_s)


class Tenants:
    """The shares of those that have something under way; a tenant without anything is forgotten."""

    def __init__(self, max_streams: int, frames_per_s: float) -> None:
        self._max_streams, self._frames_per_s = max_streams, frames_per_s
        self._known: dict[str, tuple[Tenant, int]] = {}

    def __len__(self) -> int:
        return len(self._known)

    @contextmanager
    def of(self, name: str) -> Iterator[Tenant]:
        """The tenant's share, the same for all blocks at one time."""
        tenant, users = self._known.get(name) or (Tenant(self._max_streams, self._frames_per_s), 0)
        self._known[name] = (tenant, users + 1)
        try:
            yield tenant
        finally:
            tenant, users = self._known[name]
            if users == 1:
                del self._known[name]
            else:
                self._known[name] = (tenant, users - 1)
