"""The latest events of a source: memory is bounded, and slow readers know what they missed."""

from __future__ import annotations

import asyncio

from service.streams.sources.ring import EventRing


async def test_the_latest_events_are_kept_with_their_numbers() -> None:
    ring = EventRing(3)
    for i in range(5):
        ring.add("frame", b"%d" % i)
    found = await ring.after(0, 10)
    assert [(event.number, event.data) for event in found] == [(3, b"2"), (4, b"3"), (5, b"4")]
    assert ring.first_after(0) == 3
    assert [event.number for event in await ring.after(3, 1)] == [4]


async def test_a_reader_waits_for_the_next_event_and_hears_the_end() -> None:
    ring = EventRing(3)
    waiting = asyncio.create_task(ring.after(0, 10))
    await asyncio.sleep(0)
    ring.add("frame", b"{}")
    assert [event.number for event in await waiting] == [1]
    waiting = asyncio.create_task(ring.after(1, 10))
    await asyncio.sleep(0)
    assert not waiting.done()
    ring.end()
    assert await waiting == []
    assert ring.ended
