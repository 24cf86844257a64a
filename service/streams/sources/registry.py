"""All sources: who may add one, whose they are, and what is left of those that have ended."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass

from red_align.errors import InvalidRequest, RedAlignError, SourceNotAllowed, SourceNotFound
from red_align.media.decode_pool import DecodePool
from red_align.media.reader import DecodeLimits
from red_align.media.sources.isolated import IsolatedLive
from red_align.media.sources.opening import check_readable
from red_align.media.sources.reconnecting import Reconnecting
from red_align.media.sources.rules import SourceRules
from red_align.media.sources.urls import LiveUrl, parse_live_url
from red_align.tracking.tracker import Tracker
from service.limits.admission import Admission
from service.limits.tenants import Tenants
from service.observability.logs import set_stream_id
from service.observability.metrics import Metrics
from service.streams.sources.options import SourceLimits, SourceOptions
from service.streams.sources.source import Source, new_source_id
from service.streams.sources.tracked import TrackedSource
from service.streams.sources.webhook import Webhook
from service.streams.threads import ThreadCalls

log = logging.getLogger(__name__)
KEPT_S = 300.0
"""Seconds for which a source that has ended is still there to be read."""
CLOSE_S = 10.0


@dataclass(frozen=True, slots=True)
class Workshop:
    """What sources are made with, shared by all of the service.

    Attributes:
        decoders: Bounds of decoding processes, and the memory of all.
        decoding: Bounds of a frame.
        tracker: Makes a tracker for that many faces; raises what stands against a request.
        scheme: Tells the name of the points.
        tenants: Shares.
        metrics: What is counted.
    """

    decoders: DecodePool
    decoding: DecodeLimits
    tracker: Callable[[int], Tracker]
    scheme: Callable[[], str]
    tenants: Tenants
    metrics: Metrics


class Sources:
    """All sources of the service. All methods are for the event loop's thread.

    Args:
        limits: What holds for each of them.
        workshop: What they are made with.
    """

    def __init__(self, limits: SourceLimits, workshop: Workshop) -> None:
        self.running = Admission("max_sources", limits.max_sources)
        self._limits, self._with = limits, workshop
        self._sources: dict[str, Source] = {}
        # One for each: none waits for another's camera, decoder or receiver.
        self._threads = ThreadPoolExecutor(limits.max_sources, thread_name_prefix="source")
        self._senders = ThreadPoolExecutor(limits.max_sources, thread_name_prefix="webhook")
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def readers(self) -> int:
        """Readers of all events."""
        return sum(source.readers for source in self._sources.values())

    def add(self, options: SourceOptions) -> Source:
        """Begin a source.

        Args:
            options: What was chosen.

        Raises:
            SourceNotAllowed: Sources are off, or this one or its webhook is not listed.
            InvalidRequest: A URL or a number cannot be used.
            Overloaded: There are too many, of all or of the tenant.
            RedAlignError: What else stands against it.
        """
        limits, metrics = self._limits, self._with.metrics
        if not limits.rules:
            raise SourceNotAllowed("the service pulls no sources: RED_SOURCES lists none", limit="sources")
        url = parse_live_url(options.url)
        limits.rules.check(url)
        check_readable(url)
        hook_url = None if options.webhook is None else _webhook_url(options.webhook.url, limits.webhook_rules)
        tracker = self._with.tracker(options.max_faces)
        with ExitStack() as stack:
            stack.enter_context(self.running.acquire_slot())
            tenant = stack.enter_context(self._with.tenants.of(options.tenant))
            stack.enter_context(tenant.sources.acquire_slot())
            tenant.work.check()
            source_id = new_source_id()
            set_stream_id(source_id)
            source: Source

            def lost(error: RedAlignError) -> None:
                metrics.sources_lost.labels(error.reason).inc()
                source.lost(error)

            reader = Reconnecting(lambda after: self._connected(options.url, after), limits.retries, lost)
            calls = ThreadCalls(self._threads)
            source = Source(source_id, url, options, reader, calls, limits.events, limits.idle_s)
            if hook_url is not None and options.webhook is not None:
                counted = metrics.webhook_batches.labels
                secret, rules, senders = options.webhook.secret, limits.webhook_rules, self._senders
                source.webhook = Webhook(hook_url, secret, source_id, rules, senders, lambda how: counted(how).inc())
            tracked = TrackedSource(
                reader, tracker, self._with.scheme(), options.stride, tenant.work.spend, self._with.metrics
            )
            self._forget_old()
            self._sources[source_id] = source
            source.task = asyncio.create_task(source.run(tracked, tenant, stack.pop_all(), self._over))
        self._tasks.add(source.task)
        source.task.add_done_callback(self._tasks.discard)
        log.info("source %s: %s", source_id, url.shown)
        return source

    def of(self, tenant: str) -> list[Source]:
        """The sources of a tenant, the oldest first."""
        self._forget_old()
        return [source for source in self._sources.values() if source.options.tenant == tenant]

    def get(self, tenant: str, source_id: str) -> Source:
        """A source of a tenant.

        Raises:
            SourceNotFound: It has none of this id, whoever else may have.
        """
        self._forget_old()
        source = self._sources.get(source_id)
        if source is None or source.options.tenant != tenant:
            raise SourceNotFound("there is no source of this id")
        return source

    def remove(self, source: Source) -> None:
        """End a source, and forget it."""
        source.stop("it was deleted")
        self._sources.pop(source.id, None)

    async def drain(self) -> None:
        """End all sources, and wait for the last events to be sent."""
        for source in self._sources.values():
            if source.running:
                source.stop("the service is shutting down")
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=CLOSE_S)

    def close(self) -> None:
        """End the threads, after ``drain``; blocks."""
        for threads in (self._threads, self._senders):
            threads.shutdown(wait=True, cancel_futures=True)

    def _connected(self, url: str, after: int) -> IsolatedLive:
        limits = self._limits
        return IsolatedLive(self._with.decoders, url, limits.rules, self._with.decoding, limits.times, after)

    def _over(self, source: Source) -> None:
        """A source has ended. Of each tenant as many are kept as may run at once, so that none pushes others out."""
        ended = [other for other in self.of(source.options.tenant) if not other.running]
        with self._with.tenants.of(source.options.tenant) as tenant:
            most = tenant.sources.limit
        for other in sorted(ended, key=lambda one: one.ended_at)[: max(len(ended) - most, 0)]:
            self._sources.pop(other.id, None)

    def _forget_old(self) -> None:
        now = time.monotonic()
        for source in [s for s in self._sources.values() if not s.running and now - s.ended_at > KEPT_S]:
            with contextlib.suppress(KeyError):
                del self._sources[source.id]


def new_secret() -> str:
    """A key for the signatures of a webhook."""
    return secrets.token_urlsafe(32)


def _webhook_url(text: str, rules: SourceRules) -> LiveUrl:
    try:
        url = parse_live_url(text)
    except InvalidRequest as error:
        raise InvalidRequest(f"webhook: {error.message}") from error
    if url.scheme not in ("http", "https"):
        raise InvalidRequest("a webhook is an http:// or https:// URL")
    if not rules:
        raise SourceNotAllowed("the service sends to no webhooks: RED_SOURCE_WEBHOOKS lists none")
    rules.check(url)
    return url
