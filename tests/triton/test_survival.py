"""A stream that loses its server goes on as if nothing had happened, at the very frame where it broke."""

from __future__ import annotations

import asyncio
import signal

import numpy as np
import pytest
from numpy.typing import NDArray

from export.parity import moving_faces
from red_align.engine.base import StepRequest
from red_align.engine.triton_engine import TritonEngine
from red_align.errors import NotReady, SequenceUnknown
from tests.triton.conftest import Make
from tests.triton.server import TritonProcess
from tests.triton.streams import OTHER_PX, SAME_PX, Stream, apart, engine_of, submit

FRAMES, BREAK = 40, 20


async def undisturbed(triton: TritonProcess, crops: NDArray[np.uint8]) -> NDArray[np.float64]:
    async with engine_of(triton.url) as engine:
        return await Stream(engine, "undisturbed").run(crops)


async def restart(server: TritonProcess) -> None:
    await asyncio.to_thread(server.start)


async def test_a_killed_server_costs_no_frame_and_no_hundredth_of_a_pixel(
    triton: TritonProcess, make_triton: Make
) -> None:
    crops = moving_faces(FRAMES, 4)
    server = make_triton()
    async with engine_of(server.url, recover_s=60.0) as engine:
        streams = [Stream(engine, f"{i}") for i in range(4)]
        answers = []
        for t in range(FRAMES):
            if t == BREAK:
                server.kill()
                coming = asyncio.create_task(restart(server))
            answers.append(await asyncio.gather(*(s.step(crops[t, i]) for i, s in enumerate(streams))))
        await coming
    for i in range(4):
        mine = [answer[i] for answer in answers]
        assert [a.resumed for a in mine] == [t == BREAK for t in range(FRAMES)]
        assert apart(np.array([a.points for a in mine]), await undisturbed(triton, crops[:, i])) < SAME_PX


@pytest.mark.parametrize("memory", ["none", "another stream's"])
async def test_without_its_own_memory_a_stream_would_go_elsewhere(triton: TritonProcess, memory: str) -> None:
    """The control of the test above: what the kept memory is worth."""
    crops = moving_faces(FRAMES, 2)
    wanted = await undisturbed(triton, crops[:, 0])
    async with engine_of(triton.url) as engine:
        other = Stream(engine, "other")  # whose face moves four times as fast
        theirs = [(await other.step(crop)).memory for crop in moving_faces(4 * BREAK, 2)[::4, 1]][-1]
        wrong = np.zeros_like(theirs) if memory == "none" else theirs
        stream = Stream(engine, "broken")
        memories = [wrong if t == BREAK else None for t in range(FRAMES)]
        points = [(await stream.step(crops[t, 0], memory=memories[t])).points for t in range(FRAMES)]
        for name in ("other", "broken"):
            engine.end(name)
    assert apart(np.array(points[:BREAK]), wanted[:BREAK]) < SAME_PX
    assert apart(np.array(points), wanted) > OTHER_PX


async def test_another_replica_takes_over(triton: TritonProcess, make_triton: Make) -> None:
    crops = moving_faces(FRAMES, 4)
    one, two = make_triton(), make_triton()
    async with engine_of(one.url, two.url) as engine:
        streams = [Stream(engine, f"{i}") for i in range(4)]
        answers = []
        for t in range(FRAMES):
            if t == BREAK:
                one.kill()
            answers.append(await asyncio.gather(*(s.step(crops[t, i]) for i, s in enumerate(streams))))
    resumed = [[answer[i].resumed for answer in answers] for i in range(4)]
    assert sum(any(row) for row in resumed) == 2  # they had taken turns
    assert all(row[BREAK] == any(row) and sum(row) <= 1 for row in resumed)
    for i in range(4):
        mine = np.array([answer[i].points for answer in answers])
        assert apart(mine, await undisturbed(triton, crops[:, i])) < SAME_PX


async def test_a_stream_that_pauses_beyond_the_idle_limit_goes_on(triton: TritonProcess, make_triton: Make) -> None:
    crops = moving_faces(FRAMES, 1)[:, 0]
    server = make_triton(idle_s=1.0)
    async with engine_of(server.url) as engine:
        stream = Stream(engine, "slow")
        answers = []
        for t in range(FRAMES):
            if t == BREAK:
                await asyncio.sleep(3.0)
            answers.append(await stream.step(crops[t]))
    assert [a.resumed for a in answers] == [t == BREAK for t in range(FRAMES)]
    assert apart(np.array([a.points for a in answers]), await undisturbed(triton, crops)) < SAME_PX


async def test_a_server_that_hangs_is_given_up_and_the_stream_goes_on_later(
    triton: TritonProcess, make_triton: Make
) -> None:
    crops = moving_faces(FRAMES, 1)[:, 0]
    server = make_triton()
    async with engine_of(server.url, deadline_s=1.0, recover_s=60.0) as engine:
        stream = Stream(engine, "stuck")
        points = []
        for t in range(FRAMES):
            if t == BREAK:
                server.signal(signal.SIGSTOP)
                asyncio.get_running_loop().call_later(2.5, server.signal, signal.SIGCONT)
            points.append((await stream.step(crops[t])).points)
    assert apart(np.array(points), await undisturbed(triton, crops)) < SAME_PX


async def test_a_server_that_never_comes_back_ends_in_not_ready(make_triton: Make) -> None:
    crops = moving_faces(2, 1)[:, 0]
    server = make_triton()
    async with engine_of(server.url, recover_s=1.0) as engine:
        stream = Stream(engine, "lost")
        await stream.step(crops[0])
        server.kill()
        with pytest.raises(NotReady, match=r"127\.0\.0\.1"):
            await stream.step(crops[1])


async def test_what_never_started_is_unknown_and_what_was_not_reached_not_ready(triton: TritonProcess) -> None:
    engine = TritonEngine([triton.url])
    with pytest.raises(NotReady):
        _ = engine.info
    await asyncio.to_thread(engine.start)
    crop, prior = np.zeros((128, 128, 3), np.uint8), engine.info.scheme.mean_shape.astype(np.float32)
    with pytest.raises(SequenceUnknown, match="stranger"):
        await submit(engine, StepRequest(crop, prior, sequence="stranger"))
    engine.end("stranger")
    await asyncio.to_thread(engine.close)
    with pytest.raises(NotReady, match="closed"):
        await submit(engine, StepRequest(crop, prior))


async def test_a_start_that_waits_for_a_server_ends_when_the_engine_is_closed() -> None:
    engine = TritonEngine(["127.0.0.1:9"])
    starting = asyncio.create_task(asyncio.to_thread(engine.start))
    await asyncio.sleep(0.3)
    await asyncio.to_thread(engine.close)
    with pytest.raises(NotReady, match="closed"):
        await starting


async def test_a_sequence_that_this_side_lost_goes_on_with_the_memory_that_its_request_brings(
    triton: TritonProcess,
) -> None:
    crops = moving_faces(FRAMES, 1)[:, 0]
    async with engine_of(triton.url) as engine:
        stream = Stream(engine, "forgotten")
        answers = []
        for t in range(FRAMES):
            if t == BREAK:
                engine.end("forgotten")
            answers.append(await stream.step(crops[t]))
    assert [a.resumed for a in answers] == [t == BREAK for t in range(FRAMES)]
    assert apart(np.array([a.points for a in answers]), await undisturbed(triton, crops)) < SAME_PX
