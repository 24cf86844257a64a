"""Waiting for clients: for each item, for an upload's average rate, and until answers are taken."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest

from red_align.errors import ClientTooSlow
from service.limits.timeouts import UploadLimits, iterate_upload, iterate_with_timeout, send_with_timeout

SHORT_S = 0.1
FOREVER_S = 60.0


async def numbers(count: int, pause_s: float = 0.0, stall_after: int | None = None) -> AsyncIterator[int]:
    for number in range(count):
        if number == stall_after:
            await asyncio.sleep(FOREVER_S)
        await asyncio.sleep(pause_s)
        yield number


async def consume(items: AsyncIterator[int], seen: list[int], each_s: float = 0.0) -> None:
    async for item in items:
        await asyncio.sleep(each_s)
        seen.append(item)


async def test_items_that_come_in_time_are_passed_on_though_all_of_them_take_longer() -> None:
    seen = [item async for item in iterate_with_timeout(numbers(8, SHORT_S / 2), SHORT_S * 2, "a_limit")]
    assert seen == list(range(8))


async def test_an_item_that_does_not_come_is_an_error_that_names_the_limit() -> None:
    seen: list[int] = []
    with pytest.raises(ClientTooSlow) as raised:
        await consume(iterate_with_timeout(numbers(8, stall_after=3), SHORT_S, "a_limit"), seen)
    assert seen == [0, 1, 2]
    assert raised.value.metadata == {"limit": "a_limit"}
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_what_the_consumer_does_with_an_item_takes_no_time_of_the_clients() -> None:
    seen: list[int] = []
    await consume(iterate_with_timeout(numbers(3), SHORT_S, "a_limit"), seen, each_s=SHORT_S * 2)
    assert seen == [0, 1, 2]


async def test_a_stall_after_a_slow_consumer_is_still_noticed() -> None:
    seen: list[int] = []
    with pytest.raises(ClientTooSlow):
        await consume(iterate_with_timeout(numbers(3, stall_after=2), SHORT_S, "a_limit"), seen, each_s=SHORT_S * 2)
    assert seen == [0, 1]


async def test_a_cancellation_from_outside_stays_one() -> None:
    stalled = iterate_with_timeout(numbers(3, stall_after=0), FOREVER_S, "a_limit")
    task = asyncio.create_task(consume(stalled, []))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_errors_of_the_items_pass_through() -> None:
    async def broken() -> AsyncIterator[int]:
        yield 1
        raise TimeoutError("its own")

    with pytest.raises(TimeoutError, match="its own"):
        [item async for item in iterate_with_timeout(broken(), FOREVER_S, "a_limit")]


async def test_one_timer_serves_many_items_and_none_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    timers: list[asyncio.TimerHandle] = []
    call_at = loop.call_at

    def counted(*args: Any, **values: Any) -> asyncio.TimerHandle:
        timers.append(call_at(*args, **values))
        return timers[-1]

    async def at_once(count: int) -> AsyncIterator[int]:
        for number in range(count):
            yield number

    monkeypatch.setattr(loop, "call_at", counted)
    assert len([item async for item in iterate_with_timeout(at_once(1000), FOREVER_S, "a_limit")]) == 1000
    await send_with_timeout(at_once(1000), lambda _: asyncio.sleep(0), FOREVER_S, "a_limit")
    assert len(timers) == 2
    assert all(timer.cancelled() for timer in timers)


async def test_answers_that_are_not_taken_are_an_error_and_those_that_take_long_to_come_are_none() -> None:
    taken: list[int] = []

    async def take(answer: int) -> None:
        if answer == 3:
            await asyncio.sleep(FOREVER_S)
        taken.append(answer)

    with pytest.raises(ClientTooSlow) as raised:
        await send_with_timeout(numbers(5, SHORT_S * 2), take, SHORT_S, "a_limit")
    assert taken == [0, 1, 2]
    assert raised.value.metadata == {"limit": "a_limit"}


class Client:
    """Sends chunks of a size, with a clock of its own."""

    def __init__(self, size: int, every_s: float) -> None:
        self._size, self._every_s = size, every_s
        self.now = 0.0

    def clock(self) -> float:
        return self.now

    async def chunks(self, count: int) -> AsyncIterator[bytes]:
        for _ in range(count):
            self.now += self._every_s
            yield bytes(self._size)


RATE = UploadLimits(timeout_s=60.0, min_bytes_per_s=1024.0, grace_s=30.0)


async def received(client: Client, count: int, limits: UploadLimits = RATE) -> int:
    async with aclosing(iterate_upload(client.chunks(count), len, limits, client.clock)) as chunks:
        return sum([len(chunk) async for chunk in chunks])


async def test_an_upload_of_a_byte_now_and_then_is_too_slow() -> None:
    client = Client(1, every_s=59.0)
    with pytest.raises(ClientTooSlow, match="1 bytes came in 59 s, less than 1024 a second") as raised:
        await received(client, 1000)
    assert raised.value.metadata == {"limit": "upload_min_bytes_per_s"}
    assert client.now == 59.0


@pytest.mark.parametrize(("size", "every_s"), [(59 * 1024, 59.0), (1024, 1.0), (65536, 0.001)])
async def test_an_upload_of_the_least_rate_is_read(size: int, every_s: float) -> None:
    assert await received(Client(size, every_s), 100) == 100 * size


async def test_an_upload_just_below_the_rate_ends_after_the_grace() -> None:
    client = Client(1023, every_s=1.0)
    with pytest.raises(ClientTooSlow):
        await received(client, 1000)
    assert client.now == 31.0


async def test_a_short_upload_may_be_slow_and_no_limit_is_none() -> None:
    assert await received(Client(1, every_s=3.0), 10) == 10
    assert await received(Client(1, every_s=59.0), 100, UploadLimits(60.0, 0.0, 30.0)) == 100


async def test_time_that_the_service_takes_is_not_the_clients() -> None:
    client = Client(1024, every_s=1.0)
    count = 0
    async for _ in iterate_upload(client.chunks(100), len, RATE, client.clock):
        client.now += 100.0
        count += 1
    assert count == 100


async def test_an_upload_that_stops_is_noticed_while_nothing_comes() -> None:
    for limits, name in (
        (UploadLimits(FOREVER_S, 1e6, SHORT_S), "upload_min_bytes_per_s"),
        (UploadLimits(SHORT_S, 1.0, FOREVER_S), "client_timeout_s"),
    ):
        with pytest.raises(ClientTooSlow) as raised:
            [chunk async for chunk in iterate_upload(numbers(5, stall_after=2), lambda _: 1, limits)]
        assert raised.value.metadata == {"limit": name}
