"""Sends a source's events somewhere in batches, each signed; one that is not taken is tried again."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import logging
import random
import time
from collections.abc import Callable
from concurrent.futures import Executor

from red_align.errors import RedAlignError, SourceNotAllowed, SourceUnreachable
from red_align.media.sources.fetch import requested
from red_align.media.sources.rules import SourceRules
from red_align.media.sources.urls import LiveUrl
from service.streams.sources.ring import Event, EventRing

log = logging.getLogger(__name__)
MOST_EVENTS = 100
"""Events of a batch."""
GATHER_S = 1.0
"""A batch waits this long for more events."""
TIMEOUT_S = 10.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0
LAST_S = 5.0
"""Seconds for what is left when the source has ended."""
TRY_AGAIN = frozenset({408, 425, 429})
"""Statuses of a client's fault that pass; others of 400 to 499 refuse the batch for good."""


class Webhook:
    """Sends the events of one source.

    Args:
        url: Where to.
        secret: Key of the signatures.
        source_id: Id of the source.
        rules: Where events may be sent.
        threads: What blocks runs here.
        count: Told how each attempt ended: ``delivered``, ``refused`` or ``failed``.
    """

    def __init__(
        self,
        url: LiveUrl,
        secret: str,
        source_id: str,
        rules: SourceRules,
        threads: Executor,
        count: Callable[[str], None],
    ) -> None:
        self.url = url
        self.delivered, self.refused, self.missed, self.retries = 0, 0, 0, 0
        """Events that were taken, refused, and no more there when they would have been sent; attempts that failed."""
        self.error: RedAlignError | None = None
        """Why the last attempt failed; None where it did not."""
        self._secret, self._source_id, self._rules = secret.encode(), source_id, rules
        self._threads, self._count = threads, count

    async def run(self, ring: EventRing) -> None:
        """Send all events of a ring until it has ended, or the receiver sends its client elsewhere."""
        last = 0
        while await ring.after(last, 1):
            if not ring.ended:
                await asyncio.sleep(GATHER_S)
            self.missed += ring.first_after(last) - last - 1
            batch = ring.waiting(last, MOST_EVENTS)
            if not await self._deliver(batch, ring):
                return
            last = batch[-1].number

    async def _deliver(self, batch: list[Event], ring: EventRing) -> bool:
        """Try until a batch is taken or refused; whether there is any use in sending more."""
        pause_s, body = FIRST_PAUSE_S, self._body(batch)
        deadline: float | None = None
        while True:
            try:
                status = await asyncio.get_running_loop().run_in_executor(self._threads, self._post, body, batch)
                if 200 <= status < 300:
                    self.error = None
                    self.delivered += len(batch)
                    self._count("delivered")
                    return True
                self.error = SourceUnreachable(f"the webhook answers with HTTP status {status}")
                if 400 <= status < 500 and status not in TRY_AGAIN:
                    self.refused += len(batch)
                    self._count("refused")
                    return True
            except SourceNotAllowed as error:
                self.error = error
                self._count("refused")
                log.warning("webhook %s ends: %s", self.url, error)
                return False
            except RedAlignError as error:
                self.error = error
            self.retries += 1
            self._count("failed")
            if ring.ended and deadline is None:
                deadline = time.monotonic() + LAST_S
            if deadline is not None and time.monotonic() > deadline:
                self.missed += ring.last - batch[0].number + 1
                return False
            await self._pause(pause_s * random.uniform(0.8, 1.2), ring)
            pause_s = min(2.0 * pause_s, LONGEST_PAUSE_S)

    async def _pause(self, seconds: float, ring: EventRing) -> None:
        """Wait; shorter once the source has ended."""
        if ring.ended:
            await asyncio.sleep(min(seconds, FIRST_PAUSE_S))
        else:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(ring.over.wait(), seconds)

    def _body(self, batch: list[Event]) -> bytes:
        numbered = b",".join(b'{"number":%d,"event":%s}' % (event.number, event.data) for event in batch)
        return b'{"source":"%s","events":[%s]}' % (self._source_id.encode(), numbered)

    def _post(self, body: bytes, batch: list[Event]) -> int:
        stamp = str(int(time.time()))
        headers = {
            "Content-Type": "application/json",
            "X-Red-Source": self._source_id,
            "X-Red-Delivery": f"{self._source_id}-{batch[0].number}-{batch[-1].number}",
            "X-Red-Timestamp": stamp,
            "X-Red-Signature": "sha256=" + signature(self._secret, stamp, body),
        }
        with requested(self.url, self._rules, TIMEOUT_S, headers, body, total_s=2 * TIMEOUT_S) as answer:
            return answer.status


def signature(secret: bytes, stamp: str, body: bytes) -> str:
    """HMAC-SHA256, hexadecimal, of the time in the header, a dot, and the body."""
    return hmac.new(secret, stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
