"""The queue of a live stream: order, back-pressure, the newest alone, age, and draining."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from red_align.errors import ConfigRepeated
from service.streams.frame_queue import MOST_DROPPED, FrameQueue, LiveFrame


class Sender:
    """Sends frames 0, 1, 2, ... as fast as they are taken."""

    def __init__(self, count: int, max_age_ms: int = 0) -> None:
        self.count, self.max_age_ms = count, max_age_ms
        self.taken = 0

    async def requests(self) -> AsyncIterator[LiveFrame]:
        for number in range(self.count):
            self.taken += 1
            yield LiveFrame(float(number), b"x", max_age_ms=self.max_age_ms)


async def settle() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


async def test_block_holds_the_sender_back_and_loses_nothing() -> None:
    sender, queue = Sender(20), FrameQueue(latest=False, limit=4, idle_s=60.0)
    async with queue.filled_from(sender.requests(), asyncio.Event()):
        await settle()
        assert sender.taken == 5  # four wait, one is held at the door
        seen = []
        while (waiting := await queue.next()) is not None:
            assert waiting.frame is not None
            seen.append(waiting.time_s)
            await settle()
            assert sender.taken <= len(seen) + 5
    assert seen == list(range(20))


async def test_latest_answers_every_frame_but_processes_the_newest_alone() -> None:
    sender, queue = Sender(20), FrameQueue(latest=True, limit=4, idle_s=60.0)
    async with queue.filled_from(sender.requests(), asyncio.Event()):
        await settle()
        assert sender.taken == 20
        seen = []
        while (waiting := await queue.next()) is not None:
            seen.append((waiting.time_s, waiting.frame is not None))
    assert seen == [(float(i), i == 19) for i in range(20)]


@pytest.mark.parametrize("latest", [False, True])
async def test_the_frame_behind_is_given_where_it_is_certain(latest: bool) -> None:
    queue = FrameQueue(latest=latest, limit=4, idle_s=60.0)
    assert queue.following() is None
    async with queue.filled_from(Sender(3).requests(), asyncio.Event()):
        await settle()
        behind = []
        while await queue.next() is not None:
            frame = queue.following()
            behind.append(None if frame is None else frame.time_s)
    assert behind == ([None, None, None] if latest else [1.0, 2.0, None])


async def test_a_client_that_reads_no_answers_is_held_back_at_last() -> None:
    sender, queue = Sender(3 * MOST_DROPPED), FrameQueue(latest=True, limit=4, idle_s=60.0)
    async with queue.filled_from(sender.requests(), asyncio.Event()):
        for _ in range(4 * MOST_DROPPED):
            await asyncio.sleep(0)
        assert sender.taken <= MOST_DROPPED + 1
        count = 0
        while await queue.next() is not None:
            count += 1
    assert count == 3 * MOST_DROPPED


async def test_a_frame_that_waited_too_long_is_dropped() -> None:
    now = [0.0]
    queue = FrameQueue(latest=False, limit=4, idle_s=60.0, clock=lambda: now[0])
    async with queue.filled_from(Sender(3, max_age_ms=100).requests(), asyncio.Event()):
        await settle()
        first = await queue.next()
        now[0] = 0.2
        second = await queue.next()
    assert first is not None
    assert first.frame is not None
    assert second is not None
    assert second.frame is None


async def test_while_the_service_is_draining_what_waits_is_left_to_the_client() -> None:
    draining, queue = asyncio.Event(), FrameQueue(latest=False, limit=4, idle_s=60.0)
    async with queue.filled_from(Sender(20).requests(), draining):
        await settle()
        assert await queue.next() is not None
        draining.set()
        await settle()
        assert await queue.next() is None


async def test_what_is_wrong_with_a_stream_is_reported_after_the_frames_before_it() -> None:
    async def requests() -> AsyncIterator[LiveFrame]:
        yield LiveFrame(0.0, b"x")
        raise ConfigRepeated("a second config")

    queue = FrameQueue(latest=False, limit=4, idle_s=60.0)
    async with queue.filled_from(requests(), asyncio.Event()):
        await settle()
        assert await queue.next() is not None
        with pytest.raises(ConfigRepeated):
            await queue.next()
