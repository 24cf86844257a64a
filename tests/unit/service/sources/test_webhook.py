"""Webhooks: batches are signed, tried again, and never sent where the receiver points."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from red_align.errors import SourceNotAllowed
from red_align.media.sources.rules import parse_rules
from red_align.media.sources.urls import parse_live_url
from service.streams.sources import webhook
from service.streams.sources.ring import EventRing
from service.streams.sources.webhook import Webhook

RULES = parse_rules("http://127.0.0.0/8:*")
Received = list[tuple[dict[str, str], bytes]]


@contextmanager
def receiver(*statuses: int) -> Iterator[tuple[str, Received]]:
    """A receiver that answers with these, the last of them from then on, and what it received."""
    received: Received = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status = statuses[min(len(received), len(statuses) - 1)]
            received.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(status)
            self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hook", received
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


async def sent(url: str, *, events: int = 3, most: int = 100, rules: Any = RULES) -> tuple[Webhook, list[str]]:
    """A webhook that has sent the events of a source that has ended."""
    counted: list[str] = []
    with ThreadPoolExecutor(1) as threads:
        hook = Webhook(parse_live_url(url), "secret", "src_1", rules, threads, counted.append)
        ring = EventRing(most)
        for i in range(events):
            ring.add("frame", b'{"type":"frame","index":%d}' % i)
        ring.end()
        await hook.run(ring)
    return hook, counted


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "FIRST_PAUSE_S", 0.01)


async def test_a_batch_is_signed_and_numbered() -> None:
    with receiver(200) as (url, received):
        hook, counted = await sent(url)
    ((headers, body),) = received
    stamp = headers["x-red-timestamp"]
    expected = hmac.new(b"secret", stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    assert headers["x-red-signature"] == f"sha256={expected}"
    assert headers["x-red-delivery"] == "src_1-1-3"
    values = json.loads(body)
    assert values["source"] == "src_1"
    assert [(e["number"], e["event"]["index"]) for e in values["events"]] == [(1, 0), (2, 1), (3, 2)]
    assert (hook.delivered, hook.error, counted) == (3, None, ["delivered"])


async def test_many_events_are_several_batches_and_those_that_are_gone_are_counted() -> None:
    with receiver(204) as (url, received):
        hook, _ = await sent(url, events=300, most=250)
    assert [len(json.loads(body)["events"]) for _, body in received] == [100, 100, 50]
    assert (hook.delivered, hook.missed) == (250, 50)


async def test_a_batch_that_is_not_taken_is_tried_again_under_the_same_name() -> None:
    with receiver(500, 429, 200) as (url, received):
        hook, counted = await sent(url)
    assert {headers["x-red-delivery"] for headers, _ in received} == {"src_1-1-3"}
    assert (hook.delivered, hook.retries, counted) == (3, 2, ["failed", "failed", "delivered"])


async def test_a_batch_that_is_refused_is_not_tried_again() -> None:
    with receiver(400, 200) as (url, received):
        hook, counted = await sent(url, events=150, most=200)
    assert len(received) == 2
    assert (hook.refused, hook.delivered, counted) == (100, 50, ["refused", "delivered"])


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_receiver_that_points_elsewhere_is_not_followed(status: int) -> None:
    with receiver(status) as (url, received):
        hook, _ = await sent(url)
    assert len(received) == 1
    assert isinstance(hook.error, SourceNotAllowed)


async def test_what_is_not_listed_gets_nothing() -> None:
    with receiver(200) as (url, received):
        hook, _ = await sent(url, rules=parse_rules("http://*:*"))
    assert received == []
    assert isinstance(hook.error, SourceNotAllowed)


async def test_what_is_left_when_nobody_answers_is_given_up_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "LAST_S", 0.1)
    with receiver(503) as (url, _):
        hook, _ = await asyncio.wait_for(sent(url), 20)
    assert (hook.delivered, hook.missed) == (0, 3)
