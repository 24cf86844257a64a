"""The embedded engine: memory per sequence, batching, expiry, and models that break the contract."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from red_align import contract
from red_align.crop import crop_face
from red_align.engine.batching import Batcher
from red_align.engine.onnx_engine import OnnxEngine
from red_align.errors import ModelMismatch, NotReady, Overloaded, SequenceUnknown
from red_align.geometry import FaceRegion
from service.config.settings import MODEL_FOLDER
from tests.support.media import astronaut

Crops = list[np.ndarray[Any, Any]]


class Clock:
    """A clock that tests turn by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def engine(clock: Clock) -> AsyncIterator[OnnxEngine]:
    engine = OnnxEngine(MODEL_FOLDER, max_batch=8, idle_s=10.0, max_sequences=40, clock=clock)
    yield engine
    await engine.close()


def face_in_motion(seed: int, frames: int) -> Crops:
    rng = np.random.default_rng(seed)
    x, y, drift = 222 + rng.normal(0, 6), 113 + rng.normal(0, 6), rng.normal(0, 1.0, 2)
    regions = [FaceRegion(x + drift[0] * t, y + drift[1] * t, 150, 0.01 * t) for t in range(frames)]
    return [crop_face(astronaut(), region) for region in regions]


async def follow(engine: OnnxEngine, name: str, crops: Crops) -> np.ndarray[Any, Any]:
    """Acquire, then step; the prior is the last answer, as in a session whose box stands still."""
    prior = engine.info.scheme.mean_shape.astype(np.float32)
    found = await engine.acquire(crops[0], prior)
    points = [found.points]
    for t, crop in enumerate(crops[1:]):
        first = t == 0
        result = await engine.step(name, crop, points[-1], start=first, resume=found.memory if first else None)
        points.append(result.points)
    await engine.end(name)
    return np.array(points)


async def test_interleaved_sequences_give_the_points_they_give_alone(engine: OnnxEngine) -> None:
    clips = [face_in_motion(seed, 12) for seed in range(20)]
    alone = [await follow(engine, f"alone {i}", clip) for i, clip in enumerate(clips)]
    before = dict(engine.batch_sizes)
    together = await asyncio.gather(*(follow(engine, f"together {i}", clip) for i, clip in enumerate(clips)))
    for one, other in zip(alone, together, strict=True):
        assert np.abs(one - other).max() < 0.01
    assert before == {1: 20 * 11}
    assert max(engine.batch_sizes) > 1, "streams that wait at once share a call"
    assert max(engine.batch_sizes) <= 8
    assert engine.sequences == 0


async def test_memory_is_kept_per_sequence_and_resume_continues_it_elsewhere(engine: OnnxEngine) -> None:
    crops = face_in_motion(3, 6)
    prior = engine.info.scheme.mean_shape.astype(np.float32)
    memories = []
    for t, crop in enumerate(crops):
        memories.append((await engine.step("one", crop, prior, start=t == 0)).memory)
    resumed = await engine.step("two", crops[3], prior, start=True, resume=memories[2])
    assert np.abs(resumed.memory - memories[3]).max() < 1e-5
    fresh = await engine.step("three", crops[3], prior, start=True)
    assert np.abs(fresh.memory - memories[3]).max() > 1e-3, "without its memory a sequence goes another way"


async def test_a_start_forgets_what_the_sequence_knew(engine: OnnxEngine) -> None:
    crops = face_in_motion(4, 3)
    prior = engine.info.scheme.mean_shape.astype(np.float32)
    fresh = await engine.step("a", crops[2], prior, start=True)
    await engine.step("b", crops[0], prior, start=True)
    await engine.step("b", crops[1], prior)
    again = await engine.step("b", crops[2], prior, start=True)
    assert np.abs(again.memory - fresh.memory).max() < 1e-5


async def test_unknown_ended_and_expired_sequences_are_told(engine: OnnxEngine, clock: Clock) -> None:
    crop, prior = face_in_motion(0, 1)[0], engine.info.scheme.mean_shape.astype(np.float32)
    with pytest.raises(SequenceUnknown):
        await engine.step("never started", crop, prior)
    await engine.step("ended", crop, prior, start=True)
    await engine.end("ended")
    await engine.end("ended")
    with pytest.raises(SequenceUnknown):
        await engine.step("ended", crop, prior)
    await engine.step("idle", crop, prior, start=True)
    clock.now = 6.0
    await engine.step("used", crop, prior, start=True)
    clock.now = 11.0
    assert engine.sequences == 1
    with pytest.raises(SequenceUnknown):
        await engine.step("idle", crop, prior)
    await engine.step("used", crop, prior)


async def test_more_sequences_than_allowed_are_refused_at_once_and_places_come_free(engine: OnnxEngine) -> None:
    crop, prior = face_in_motion(0, 1)[0], engine.info.scheme.mean_shape.astype(np.float32)
    await asyncio.gather(*(engine.step(str(i), crop, prior, start=True) for i in range(40)))
    with pytest.raises(Overloaded):
        await engine.step("one more", crop, prior, start=True)
    await engine.end("7")
    await engine.step("one more", crop, prior, start=True)
    assert engine.sequences == 40


async def test_a_closed_engine_refuses(clock: Clock) -> None:
    engine = OnnxEngine(MODEL_FOLDER, clock=clock)
    await engine.close()
    with pytest.raises(NotReady):
        await engine.acquire(face_in_motion(0, 1)[0], np.zeros((68, 2), np.float32))


def changed_copy(tmp_path: Path, change: Callable[[onnx.ModelProto], None]) -> Path:
    folder = tmp_path / "model"
    shutil.copytree(MODEL_FOLDER, folder)
    path = folder / f"{contract.STEP_GRAPH}.onnx"
    model = onnx.load(str(path), load_external_data=False)
    change(model)
    path.write_bytes(model.SerializeToString())
    return folder


def rename(name: str) -> Callable[[onnx.ModelProto], None]:
    def change(model: onnx.ModelProto) -> None:
        for node in model.graph.node:
            node.input[:] = [name + "_x" if i == name else i for i in node.input]
            node.output[:] = [name + "_x" if o == name else o for o in node.output]
        for value in [*model.graph.input, *model.graph.output]:
            value.name = name + "_x" if value.name == name else value.name

    return change


@pytest.mark.parametrize("name", [*contract.STEP_INPUTS, *contract.STEP_OUTPUTS])
def test_a_model_without_a_tensor_of_the_contract_is_refused_by_the_tensor_s_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(ModelMismatch, match=f"'{name}'"):
        OnnxEngine(changed_copy(tmp_path, rename(name)))


def test_a_model_of_another_contract_version_is_refused(tmp_path: Path) -> None:
    def change(model: onnx.ModelProto) -> None:
        for entry in model.metadata_props:
            entry.value = "99" if entry.key == "contract_version" else entry.value

    with pytest.raises(ModelMismatch, match="contract version 99"):
        OnnxEngine(changed_copy(tmp_path, change))


@pytest.mark.parametrize("content", [None, b"", b"not a model"])
def test_a_missing_or_damaged_model_file_is_told(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / f"{contract.STEP_GRAPH}.onnx").write_bytes(content)
    with pytest.raises(ModelMismatch, match=contract.STEP_GRAPH):
        OnnxEngine(tmp_path)


async def test_a_failing_batch_fails_its_callers_and_no_others() -> None:
    def run(items: Sequence[int]) -> list[int]:
        if 13 in items:
            raise ValueError("thirteen")
        return [2 * i for i in items]

    with ThreadPoolExecutor(1) as executor:
        batcher = Batcher(run, 1, executor)
        answers = await asyncio.gather(*(batcher.submit(i) for i in (1, 13, 5)), return_exceptions=True)
    assert answers[0] == 2
    assert isinstance(answers[1], ValueError)
    assert answers[2] == 10


async def test_a_cancelled_caller_does_not_hold_up_the_others() -> None:
    with ThreadPoolExecutor(1) as executor:
        batcher: Batcher[int, int] = Batcher(lambda items: [i + 1 for i in items], 4, executor)
        tasks = [asyncio.create_task(batcher.submit(i)) for i in range(10)]
        await asyncio.sleep(0)
        tasks[5].cancel()
        answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert [a for i, a in enumerate(answers) if i != 5] == [i + 1 for i in range(10) if i != 5]
    assert isinstance(answers[5], asyncio.CancelledError)
