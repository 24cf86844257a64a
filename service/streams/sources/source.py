"""One source while it runs: connected, followed, its events kept and sent, until somebody or something ends it."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from typing import Any

from red_align.errors import Overloaded, RedAlignError
from red_align.media.serialization import video_values
from red_align.media.sources.reconnecting import Reconnecting
from red_align.media.sources.urls import LiveUrl
from service.limits.tenants import Tenant
from service.streams.sources.options import SourceOptions
from service.streams.sources.ring import EventRing
from service.streams.sources.tracked import TrackedSource, state_event
from service.streams.sources.webhook import Webhook
from service.streams.threads import ThreadCalls

log = logging.getLogger(__name__)
MOST_READERS = 16
"""Readers of one source's events at once."""
RUNNING = ("connecting", "live", "reconnecting")


def new_source_id() -> str:
    """An id that cannot be guessed."""
    return "src_" + secrets.token_urlsafe(12)


class Source:
    """A source, for the event loop's thread; its frames are followed in a thread of its own.

    Args:
        source_id: Its id.
        url: Where it is.
        options: What was chosen.
        reader: Its connections.
        calls: The thread to block in.
        most_events: Events that are kept.
        idle_s: See SourceLimits.
    """

    def __init__(
        self,
        source_id: str,
        url: LiveUrl,
        options: SourceOptions,
        reader: Reconnecting,
        calls: ThreadCalls,
        most_events: int,
        idle_s: float,
    ) -> None:
        self.id, self.url, self.options = source_id, url, options
        self.ring = EventRing(most_events)
        self.state = "connecting"
        self.error: RedAlignError | None = None
        """Why it was lost last, or has ended; None while all is well."""
        self.created_s, self.ended_at = time.time(), 0.0
        self.readers = 0
        self.webhook: Webhook | None = None
        self.task: asyncio.Task[None] | None = None
        self._reader, self._calls, self._idle_s = reader, calls, idle_s
        self._loop = asyncio.get_running_loop()
        self._tracked: TrackedSource | None = None
        self._stopping = ""
        self._idle: asyncio.TimerHandle | None = None

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self.state in RUNNING

    def lost(self, error: RedAlignError) -> None:
        """It was lost, or is not to be had; from the thread of its frames."""
        if self._tracked is not None:
            self._tracked.live = False
        self._loop.call_soon_threadsafe(self._now_lost, error)

    def stop(self, why: str) -> None:
        """End it; its task ends soon after.

        Args:
            why: For people.
        """
        self._stopping = self._stopping or why
        # Closing waits for a process that is being started, so it waits in a thread.
        self._loop.run_in_executor(None, self._reader.close)

    async def run(
        self, tracked: TrackedSource, tenant: Tenant, held: ExitStack, over: Callable[[Source], None]
    ) -> None:
        """Everything from the first connection to the end.

        Args:
            tracked: Follows its faces.
            tenant: Whose rate limit holds.
            held: Places that are given back at the end.
            over: Called then.
        """
        self._tracked = tracked
        self._watch()
        sending = asyncio.create_task(self.webhook.run(self.ring)) if self.webhook is not None else None
        try:
            await self._follow(tracked, tenant)
        except RedAlignError as error:
            self.error = error
        except Exception:
            log.exception("source %s ends by a fault", self.id)
            self.error = RedAlignError("internal error")
        finally:
            await self._loop.run_in_executor(None, self._reader.close)
            await self._calls.settled()
            self._end(tracked)
            held.close()
            over(self)
            await self._calls(tracked.close)
            if sending is not None:
                await asyncio.gather(sending, return_exceptions=True)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[EventRing]:
        """Read its events until the block ends.

        Raises:
            Overloaded: Too many are reading.
        """
        if self.readers >= MOST_READERS:
            raise Overloaded(f"{MOST_READERS} are reading the events of this source, which is the limit")
        self.readers += 1
        self._watch()
        try:
            yield self.ring
        finally:
            self.readers -= 1
            self._watch()

    def values(self) -> dict[str, Any]:
        """What it is and does, without any secret."""
        tracked, hook, options = self._tracked, self.webhook, self.options
        video = tracked.video if tracked is not None else None
        return {
            "id": self.id,
            "url": self.url.shown,
            "state": self.state,
            "created_s": round(self.created_s, 3),
            "max_faces": options.max_faces,
            "stride": options.stride,
            "video": None if video is None else video_values(video),
            "frame_count": tracked.answered if tracked is not None else 0,
            "dropped_count": tracked.dropped_count if tracked is not None else 0,
            "reconnects": self._reader.reconnects,
            "last_event": self.ring.last,
            "readers": self.readers,
            "error": _error_values(self.error),
            "webhook": None if hook is None else _webhook_values(hook),
        }

    async def _follow(self, tracked: TrackedSource, tenant: Tenant) -> None:
        self.ring.add(*state_event(self.state))
        await self._calls(tracked.open)
        while not self._stopping:
            await tenant.frame()
            events = await self._calls(tracked.next)
            if events is None:
                break
            if self.state != "live" and tracked.live:
                self.state, self.error = "live", None
            for kind, data in events:
                self.ring.add(kind, data)
        if self._reader.error is not None:
            raise self._reader.error

    def _now_lost(self, error: RedAlignError) -> None:
        if not self.running or self._stopping:
            return
        again = self.state != "connecting"
        if again and self.state != "reconnecting":
            log.info("source %s is lost: %s", self.id, error)
        if self.state == "live" or self.error is None or self.error.message != error.message:
            self.ring.add(*state_event("reconnecting" if again else "connecting", error))
        self.state, self.error = "reconnecting" if again else "connecting", error

    def _end(self, tracked: TrackedSource) -> None:
        if self._idle is not None:
            self._idle.cancel()
        failed = self.error is not None and not self._stopping
        self.state, self.ended_at = "failed" if failed else "ended", time.monotonic()
        if not failed:
            self.error = None
        log.info("source %s has %s after %d frames", self.id, self.state, tracked.answered)
        self.ring.add(*state_event(self.state, self.error))
        self.ring.add(*tracked.ended((self._stopping,) if self._stopping else ()))
        self.ring.end()

    def _watch(self) -> None:
        """Begin or stop to count the time without anybody who takes events."""
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
        if self._idle_s and not self.readers and self.webhook is None and self.running:
            why = f"nobody read the events for {self._idle_s:g} s"
            self._idle = self._loop.call_later(self._idle_s, self.stop, why)


def _error_values(error: RedAlignError | None) -> dict[str, str] | None:
    return None if error is None else {"code": error.code, "reason": error.reason, "message": error.message}


def _webhook_values(hook: Webhook) -> dict[str, Any]:
    return {
        "url": hook.url.shown,
        "delivered": hook.delivered,
        "refused": hook.refused,
        "missed": hook.missed,
        "retries": hook.retries,
        "error": _error_values(hook.error),
    }
