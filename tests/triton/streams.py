"""Streams at the engine's own level: crops of moving faces, each followed by its own points."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import numpy as np
from numpy.typing import NDArray

from red_align.engine.base import Array, Engine, StepRequest, StepResult
from red_align.engine.triton_engine import TritonEngine

SAME_PX = 0.01
"""Points of one stream in two runs differ by less."""
OTHER_PX = 0.1
"""Where something is wrong, some point differs by more."""


@asynccontextmanager
async def engine_of(
    *urls: str,
    deadline_s: float = 5.0,
    recover_s: float = 20.0,
    admission_s: float = 0.5,
    max_sequences: int = 1024,
) -> AsyncIterator[TritonEngine]:
    """An engine that has reached its server."""
    engine = TritonEngine(
        urls,
        deadline_s=deadline_s,
        recover_s=recover_s,
        admission_s=admission_s,
        max_sequences=max_sequences,
    )
    await asyncio.to_thread(engine.start)
    try:
        yield engine
    finally:
        await asyncio.to_thread(engine.close)


async def submit(engine: Engine, request: StepRequest) -> StepResult:
    """The answer to a request, awaited."""
    return await asyncio.wrap_future(engine.submit(request))


class Stream:
    """One followed face: ``step`` takes a crop, the prior is the last answer's points."""

    def __init__(self, engine: Engine, name: str) -> None:
        self.engine, self.name = engine, name
        self.last: StepResult | None = None
        self.started = False

    async def step(self, crop: NDArray[np.uint8], *, memory: Array | None = None) -> StepResult:
        """``memory`` begins the sequence anew with it, as a test of what must not happen."""
        if self.last is None:
            prior = self.engine.info.scheme.mean_shape.astype(np.float32)
            self.last = await submit(self.engine, StepRequest(crop, prior))
        start = not self.started or memory is not None
        given = memory if memory is not None else self.last.memory
        self.last = await submit(self.engine, StepRequest(crop, self.last.points, given, self.name, start))
        self.started = True
        return self.last

    async def run(self, crops: Iterable[NDArray[np.uint8]]) -> NDArray[np.float64]:
        """Points [T, L, 2] of all crops; the sequence is ended."""
        points = [(await self.step(crop)).points for crop in crops]
        self.engine.end(self.name)
        return np.array(points, np.float64)


def apart(one: NDArray[np.floating], other: NDArray[np.floating]) -> float:
    """The largest difference of two tracks in pixels of the crop."""
    assert len(one) == len(other)
    return float(np.abs(np.asarray(one) - other).max())
