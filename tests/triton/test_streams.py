"""Many streams on one server: each as if it were alone."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from export.parity import moving_faces
from red_align.engine.onnx_engine import OnnxEngine
from service.config.settings import MODEL_FOLDER
from tests.triton.conftest import Make
from tests.triton.server import TritonProcess
from tests.triton.streams import OTHER_PX, SAME_PX, Stream, apart, engine_of

FRAMES = 20


@pytest.mark.parametrize("count", [1, 8, 64])
async def test_streams_side_by_side_get_the_points_of_each_alone(triton: TritonProcess, count: int) -> None:
    crops = moving_faces(FRAMES, count)
    before = triton.statistics("red")
    async with engine_of(triton.url) as engine:
        together = await asyncio.gather(*(Stream(engine, f"{i}").run(crops[:, i]) for i in range(count)))
        alone = [await Stream(engine, f"{i}").run(crops[:, i]) for i in range(count)]
        assert engine.sequences == 0
    assert max(apart(a, b) for a, b in zip(together, alone, strict=True)) < SAME_PX
    batches = {n: k - before.get(n, 0) for n, k in triton.statistics("red").items()}
    shared = sum(k for n, k in batches.items() if n > 1)
    assert shared > 0 if count > 1 else shared == 0


async def test_the_servers_points_are_those_of_the_embedded_engine(triton: TritonProcess) -> None:
    crops = moving_faces(FRAMES, 2)
    embedded = OnnxEngine(MODEL_FOLDER)
    async with engine_of(triton.url) as engine:
        for i in range(2):
            there = await Stream(engine, "a").run(crops[:, i])
            assert apart(there, await Stream(embedded, "a").run(crops[:, i])) < SAME_PX
    embedded.close()


async def test_streams_that_start_and_end_all_the_time_disturb_nobody(triton: TritonProcess) -> None:
    crops = moving_faces(FRAMES, 2)
    async with engine_of(triton.url) as engine:
        alone = await Stream(engine, "alone").run(crops[:, 0])

        async def come_and_go() -> None:
            for i in range(10):
                await Stream(engine, f"short{i}").run(crops[: 1 + i % 3, 1])

        together, _ = await asyncio.gather(Stream(engine, "long").run(crops[:, 0]), come_and_go())
    assert apart(together, alone) < SAME_PX


@pytest.mark.parametrize("strategy", ["oldest", "direct"])
async def test_a_used_slot_never_shows_another_streams_memory(make_triton: Make, strategy: str) -> None:
    server = make_triton(candidates=1, max_batch=1, strategy=strategy)
    crops = moving_faces(FRAMES, 2)
    async with engine_of(server.url, admission_s=5.0) as engine:
        first = Stream(engine, "first")
        used = [(await first.step(crop)).memory for crop in crops[:, 0]][-1]
        engine.end("first")
        after = await Stream(engine, "second").run(crops[:, 1])  # in the only slot there is
        control = Stream(engine, "control")
        leaked = [(await control.step(crops[0, 1], memory=used)).points]
        leaked += [(await control.step(crop)).points for crop in crops[1:, 1]]
    embedded = OnnxEngine(MODEL_FOLDER)
    alone = await Stream(embedded, "second").run(crops[:, 1])
    embedded.close()
    assert apart(after, alone) < SAME_PX
    assert apart(np.array(leaked), alone) > OTHER_PX


async def test_slots_that_change_hands_under_direct_scheduling_disturb_nobody(make_triton: Make) -> None:
    """Under ``direct`` every batch has all slots, the empty and the ended ones too, whatever they hold."""
    server = make_triton(max_batch=4, strategy="direct")
    crops = moving_faces(FRAMES, 8)
    embedded = OnnxEngine(MODEL_FOLDER)
    alone = [await Stream(embedded, f"{i}").run(crops[:, i]) for i in range(8)]
    embedded.close()
    async with engine_of(server.url, admission_s=20.0) as engine:

        async def follow(i: int) -> float:
            await asyncio.sleep(0.02 * i)
            frames = FRAMES if i % 3 else 5  # some leave early, and others come into their slots
            return apart(await Stream(engine, f"{i}").run(crops[:frames, i]), alone[i][:frames])

        assert max(await asyncio.gather(*(follow(i) for i in range(8)))) < SAME_PX
    assert sum(k for n, k in server.statistics("red").items() if n > 1) > 0
