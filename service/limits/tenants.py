"""What one tenant may have at once, so that none takes all: live streams, uploads, and frames a second."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from aiolimiter import AsyncLimiter

from service.limits.admission import Admission
from service.limits.work import WorkLimit

INTAKE = 4.0
OTHER_CALLS = 32
"""Calls beside streams and uploads: such as ask for the service's limits, or have not sent their config yet."""


@dataclass(frozen=True, slots=True)
class TenantLimits:
    """What each tenant may have.

    Attributes:
        max_streams: Most live streams at once.
        max_uploads: Most uploads at once.
        max_calls: Most gRPC calls at once, streams and uploads with them.
        frames_per_s: Frames processed a second; 0 is no limit.
        pixels_per_s: Pixels decoded a second; 0 is no limit.
    """

    max_streams: int
    max_uploads: int
    max_calls: int
    frames_per_s: float
    pixels_per_s: float = 0.0


class Tenant:
    """A tenant's share. Frames beyond its rate limit wait: flow control holds back who sends them.

    Reading from the wire is limited too, INTAKE times as high: frames that are to be dropped cost something as well.

    Args:
        limits: What it may have.
    """

    def __init__(self, limits: TenantLimits) -> None:
        self.streams = Admission("tenant_max_streams", limits.max_streams)
        self.uploads = Admission("tenant_max_uploads", limits.max_uploads)
        self.calls = Admission("tenant_max_calls", limits.max_calls)
        self._rate_limit = _limiter(limits.frames_per_s)
        self._intake_limit = _limiter(INTAKE * limits.frames_per_s)
        self.work = WorkLimit(limits.pixels_per_s)

    @property
    def limited(self) -> bool:
        """Whether frames have to wait at all."""
        return self._rate_limit is not None or self.work.limited

    async def frame(self) -> None:
        """Wait until a further frame may be processed."""
        if self._rate_limit is not None:
            await self._rate_limit.acquire()
        if (wait := self.work.wait_s) > 0:
            await asyncio.sleep(wait)

    async def message(self) -> None:
        """Wait until a further frame may be read from the wire."""
        if self._intake_limit is not None:
            await self._intake_limit.acquire()


def _limiter(per_s: float) -> AsyncLimiter | None:
    if not per_s:
        return None
    # Small bursts, since clients send in bursts; not a whole second of them, which others would feel.
    burst = max(1.0, per_s / 10.0)
    return AsyncLimiter(burst, burst / per_s)


class Tenants:
    """The shares of those that have something under way; a tenant without anything, and without debt, is forgotten.

    Args:
        limits: What each of them may have.
    """

    def __init__(self, limits: TenantLimits) -> None:
        self._limits = limits
        self._known: dict[str, tuple[Tenant, int]] = {}

    def __len__(self) -> int:
        return len(self._known)

    @contextmanager
    def of(self, name: str) -> Iterator[Tenant]:
        """The share of a tenant, the same for all blocks at one time.

        Args:
            name: The tenant.
        """
        for other in [key for key, (idle, users) in self._known.items() if not users and not idle.work.owes]:
            del self._known[other]
        tenant, users = self._known.get(name) or (Tenant(self._limits), 0)
        self._known[name] = (tenant, users + 1)
        try:
            yield tenant
        finally:
            tenant, users = self._known[name]
            if users == 1 and not tenant.work.owes:
                del self._known[name]
            else:
                self._known[name] = (tenant, users - 1)
