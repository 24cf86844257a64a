"""A live stream's frames: the one that waits decodes while this one is looked at."""

from __future__ import annotations

import asyncio

import numpy as np
from numpy.typing import NDArray

from red_align.errors import BadFrame
from red_align.frames import Frame, FrameResult, FrameStatus
from red_align.media.reader import DecodeLimits
from service.streams.live import StreamRun


class Looking:
    """Stands for a session: its step takes long, and says which picture it got."""

    def __init__(self) -> None:
        self.seen: list[int] = []
        self.decoded_by_then: list[list[bytes]] = []

    async def step(self, frame: Frame) -> FrameResult:
        await asyncio.sleep(0.02)
        self.decoded_by_then.append(list(decoded))
        if frame.image is None:
            return FrameResult(frame.index, frame.time_s, FrameStatus.ERROR, error=frame.error)
        self.seen.append(int(frame.image[0, 0, 0]))
        return FrameResult(frame.index, frame.time_s)


decoded: list[bytes] = []


async def decode(data: bytes) -> NDArray[np.uint8]:
    await asyncio.sleep(0.005)
    decoded.append(data)
    if not data.isdigit():
        raise BadFrame("no number")
    return np.full((4, 4, 3), int(data), np.uint8)


def opened() -> tuple[StreamRun, Looking]:
    decoded.clear()
    session = Looking()
    return StreamRun(decode, DecodeLimits(), session, lambda state: ""), session  # type: ignore[arg-type]


async def test_the_frame_behind_decodes_once_and_meanwhile() -> None:
    run, session = opened()
    for number in range(5):
        await run.encoded(b"%d" % number, float(number), b"%d" % (number + 1) if number < 4 else b"")
    assert session.seen == [0, 1, 2, 3, 4]
    assert session.decoded_by_then[0] == [b"0", b"1"]
    assert decoded == [b"0", b"1", b"2", b"3", b"4"]


async def test_another_frame_than_the_one_behind_is_answered_by_its_own_picture() -> None:
    run, session = opened()
    await run.encoded(b"1", 0.0, b"2")
    await run.encoded(b"3", 1.0)
    assert session.seen == [1, 3]


async def test_a_bad_frame_behind_is_an_error_of_its_own_answer() -> None:
    run, session = opened()
    assert (await run.encoded(b"1", 0.0, b"bad")).status == FrameStatus.OK
    answer = await run.encoded(b"bad", 1.0, b"2")
    assert (answer.index, answer.status) == (1, FrameStatus.ERROR)
    assert (await run.encoded(b"2", 2.0)).status == FrameStatus.OK
    assert session.seen == [1, 2]


async def test_a_stream_that_ends_leaves_nothing_decoding() -> None:
    run, _ = opened()
    await run.encoded(b"1", 0.0, b"bad")
    await run.encoded(b"2", 1.0, b"3")
    await run.close()
    await run.close()
    assert asyncio.all_tasks() == {asyncio.current_task()}
