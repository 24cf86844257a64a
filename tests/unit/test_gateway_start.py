"""A gateway is ready when real sequences were served, whatever the engine's bounds."""

from __future__ import annotations

import pytest

from landmarks.errors import Overloaded, SequenceUnknown
from service.detector import YuNetDetector
from service.engine import Array, StepResult
from service.gateway import Gateway
from service.onnx_engine import OnnxEngine
from service.settings import MODEL_FOLDER, Settings


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


async def started(engine: Counting) -> Gateway:
    gateway = Gateway(Settings(), engine, YuNetDetector())
    await gateway.start()
    return gateway


async def test_sequences_are_tried_up_to_a_full_batch_and_all_end() -> None:
    engine = Counting(MODEL_FOLDER)
    gateway = await started(engine)
    assert gateway.ready
    assert engine.most == 16
    assert engine.sequences == 0
    assert max(engine.batch_sizes) > 1
    await gateway.close()


async def test_an_engine_with_fewer_places_is_ready_all_the_same() -> None:
    engine = Counting(MODEL_FOLDER, max_sequences=3)
    gateway = await started(engine)
    assert gateway.ready
    assert engine.sequences == 0
    await gateway.close()


async def test_places_that_others_hold_are_waited_for() -> None:
    engine = Counting(MODEL_FOLDER)
    engine.refusals = 1
    gateway = await started(engine)
    assert engine.refusals == 0
    assert gateway.ready
    await gateway.close()


async def test_what_else_fails_ends_the_start() -> None:
    class Broken(Counting):
        async def acquire(self, crop: object, prior: Array, resume: Array | None = None) -> StepResult:
            raise SequenceUnknown("broken")

    gateway = Gateway(Settings(), Broken(MODEL_FOLDER), YuNetDetector())
    with pytest.raises(SequenceUnknown, match="broken"):
        await gateway.start()
    assert not gateway.ready
    await gateway.close()
