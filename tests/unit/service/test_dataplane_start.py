"""A gateway is ready when real sequences were served, whatever the engine's bounds."""

from __future__ import annotations

import pytest

from red_align.engine.base import Array, StepResult
from red_align.engine.onnx_engine import OnnxEngine
from red_align.errors import Overloaded, SequenceUnknown
from red_align.tracking.detector import YuNetDetector
from service.config.settings import MODEL_FOLDER, Settings
from service.dataplane import DataPlane


class Counting(OnnxEngine):
    """Counts the sequences that are there at once; refuses the first starts where told."""

    most, refusals = 0, 0

    async def step(self, sequence: str, *values: object, **options: object) -> StepResult:
        """See Engine.step."""
        if options.get("start") and self.refusals:
            self.refusals -= 1
            raise Overloaded("all places are taken")
        result = await super().step(sequence, *values, **options)  # type: ignore[arg-type]
        self.most = max(self.most, self.sequences)
        return result


async def started(engine: Counting) -> DataPlane:
    dataplane = DataPlane(Settings(), engine, YuNetDetector())
    await dataplane.start()
    return dataplane


async def test_sequences_are_tried_up_to_a_full_batch_and_all_end() -> None:
    engine = Counting(MODEL_FOLDER)
    dataplane = await started(engine)
    assert dataplane.ready
    assert engine.most == 16
    assert engine.sequences == 0
    assert max(engine.batch_sizes) > 1
    await dataplane.close()


async def test_an_engine_with_fewer_places_is_ready_all_the_same() -> None:
    engine = Counting(MODEL_FOLDER, max_sequences=3)
    dataplane = await started(engine)
    assert dataplane.ready
    assert engine.sequences == 0
    await dataplane.close()


async def test_places_that_others_hold_are_waited_for() -> None:
    engine = Counting(MODEL_FOLDER)
    engine.refusals = 1
    dataplane = await started(engine)
    assert engine.refusals == 0
    assert dataplane.ready
    await dataplane.close()


async def test_what_else_fails_ends_the_start() -> None:
    class Broken(Counting):
        async def acquire(self, crop: object, prior: Array, resume: Array | None = None) -> StepResult:
            raise SequenceUnknown("broken")

    dataplane = DataPlane(Settings(), Broken(MODEL_FOLDER), YuNetDetector())
    with pytest.raises(SequenceUnknown, match="broken"):
        await dataplane.start()
    assert not dataplane.ready
    await dataplane.close()
