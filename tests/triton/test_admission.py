"""A server that is full says so at once, and a slot that is given back can be had."""

from __future__ import annotations

import asyncio
import time

import pytest

from export.parity import moving_faces
from red_align.errors import Overloaded
from tests.triton.conftest import Make
from tests.triton.streams import Stream, engine_of


async def test_more_streams_than_the_server_admits_are_refused_and_the_others_go_on(make_triton: Make) -> None:
    server = make_triton(candidates=2, max_batch=2)
    crops = moving_faces(6, 3)
    async with engine_of(server.url, admission_s=0.3, deadline_s=20.0) as engine:
        inside = [Stream(engine, "a"), Stream(engine, "b")]
        for i, stream in enumerate(inside):
            await stream.step(crops[0, i])
        late = Stream(engine, "late")
        began = time.monotonic()
        with pytest.raises(Overloaded) as refused:
            await late.step(crops[0, 2])
        assert time.monotonic() - began < 10.0  # not the idle limit of a minute
        assert refused.value.metadata == {"limit": "triton_sequences"}
        assert engine.sequences == 2
        for t in range(1, 6):
            answers = await asyncio.gather(*(s.step(crops[t, i]) for i, s in enumerate(inside)))
            assert not any(answer.resumed for answer in answers)
        engine.end("a")
        after = await Stream(engine, "after").run(crops[:, 2])
        assert len(after) == 6


async def test_ended_sequences_give_their_slots_back(make_triton: Make) -> None:
    server = make_triton(candidates=2, max_batch=2)
    crops = moving_faces(2, 1)[:, 0]
    async with engine_of(server.url, admission_s=5.0) as engine:
        for i in range(12):  # six times as many as there are slots; the idle limit is a minute
            await Stream(engine, f"{i}").run(crops)


async def test_a_gateway_that_may_have_more_than_the_server_admits_says_so(
    make_triton: Make, caplog: pytest.LogCaptureFixture
) -> None:
    server = make_triton(candidates=4, max_batch=2)
    async with engine_of(server.url, max_sequences=4):
        assert "admits" not in caplog.text
    async with engine_of(server.url, max_sequences=5):
        assert "admits 4 sequences, RED_MAX_SEQUENCES allows 5" in caplog.text


async def test_each_instance_of_a_model_admits_its_own_candidates(
    make_triton: Make, caplog: pytest.LogCaptureFixture
) -> None:
    server = make_triton(candidates=2, max_batch=2, instances=2)
    crops = moving_faces(3, 5)
    async with engine_of(server.url, admission_s=0.3, max_sequences=5) as engine:
        assert "admits 4 sequences, RED_MAX_SEQUENCES allows 5" in caplog.text
        inside = [Stream(engine, f"{i}") for i in range(4)]
        for t in range(3):
            await asyncio.gather(*(s.step(crops[t, i]) for i, s in enumerate(inside)))
        with pytest.raises(Overloaded):
            await Stream(engine, "late").step(crops[0, 4])


async def test_a_gateways_own_limit_is_raised_before_the_server_is_asked(make_triton: Make) -> None:
    server = make_triton(candidates=4, max_batch=2)
    crops = moving_faces(2, 2)
    async with engine_of(server.url, max_sequences=1) as engine:
        first = Stream(engine, "a")
        await first.step(crops[0, 0])
        with pytest.raises(Overloaded) as refused:
            await Stream(engine, "b").step(crops[0, 1])
        assert refused.value.metadata == {"limit": "max_sequences"}
        await first.step(crops[1, 0])
        engine.end("a")
        await Stream(engine, "b").step(crops[0, 1])
