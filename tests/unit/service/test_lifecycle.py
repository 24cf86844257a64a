"""A data plane is ready when real sequences were served, whatever the engine's bounds."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import replace

import pytest

from red_align.contract import CONTRACT_VERSION
from red_align.engine.base import ModelInfo, StepRequest, StepResult
from red_align.engine.onnx_engine import OnnxEngine
from red_align.errors import Overloaded, SequenceUnknown
from red_align.schemes import IBUG68
from red_align.tracking.detector import YuNetDetector
from service import lifecycle
from service.config.settings import MODEL_FOLDER, Settings
from service.dataplane import DataPlane


class Counting(OnnxEngine):
    """Counts the sequences that are there at once; refuses the first starts where it is to."""

    most, refusals = 0, 0

    def submit(self, request: StepRequest) -> Future[StepResult]:
        """See Engine.submit."""
        if request.start and self.refusals:
            self.refusals -= 1
            refused: Future[StepResult] = Future()
            refused.set_exception(Overloaded("all slots are taken"))
            return refused
        future = super().submit(request)
        self.most = max(self.most, self.sequences)
        return future


async def started(engine: OnnxEngine) -> DataPlane:
    dataplane = DataPlane(Settings(), engine, YuNetDetector())
    await lifecycle.start(dataplane)
    return dataplane


async def test_sequences_are_tried_up_to_a_full_batch_and_all_end() -> None:
    batches: list[float] = []
    engine = Counting(MODEL_FOLDER, on_batch=batches.append)
    dataplane = await started(engine)
    assert dataplane.ready
    assert engine.most == 16
    assert engine.sequences == 0
    assert max(batches) > 1
    await lifecycle.close(dataplane)


async def test_an_engine_with_fewer_slots_is_ready_all_the_same() -> None:
    engine = Counting(MODEL_FOLDER, max_sequences=3)
    dataplane = await started(engine)
    assert dataplane.ready
    assert engine.sequences == 0
    await lifecycle.close(dataplane)


async def test_slots_that_others_hold_are_waited_for() -> None:
    engine = Counting(MODEL_FOLDER)
    engine.refusals = 1
    dataplane = await started(engine)
    assert engine.refusals == 0
    assert dataplane.ready
    await lifecycle.close(dataplane)


async def test_what_else_fails_ends_the_start() -> None:
    class Broken(Counting):
        def submit(self, request: StepRequest) -> Future[StepResult]:
            raise SequenceUnknown("broken")

    dataplane = DataPlane(Settings(), Broken(MODEL_FOLDER), YuNetDetector())
    with pytest.raises(SequenceUnknown, match="broken"):
        await lifecycle.start(dataplane)
    assert not dataplane.ready
    await lifecycle.close(dataplane)


def test_the_log_says_what_runs_where() -> None:
    info = ModelInfo("edge", "run", CONTRACT_VERSION, IBUG68, 4, "embedded", "int8", ("cuda", "cpu"))
    first, second = lifecycle.engine_lines(info)
    assert first == "ready: edge from run run, ibug68, embedded, int8 on cuda, cpu"
    assert second.startswith("instructions of this CPU for int8: ")
    (only,) = lifecycle.engine_lines(replace(info, engine="triton", precision="fp32", providers=()))
    assert only == "ready: edge from run run, ibug68, triton, fp32"
