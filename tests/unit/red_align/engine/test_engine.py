"""The embedded engine: memory per sequence, batching, expiry, and models that break the contract."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from red_align import contract
from red_align.crop import crop_face
from red_align.engine.base import StepRequest, StepResult
from red_align.engine.onnx_engine import OnnxEngine
from red_align.errors import ModelMismatch, NotReady, Overloaded, SequenceUnknown
from red_align.geometry import FaceRegion
from service.config.settings import MODEL_FOLDER
from tests.support.engines import acquire, step
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
def batches() -> Counter[int]:
    """How many step calls ran with how many faces."""
    return Counter()


@pytest.fixture
def engine(clock: Clock, batches: Counter[int]) -> Iterator[OnnxEngine]:
    def count(faces: float) -> None:
        batches[int(faces)] += 1

    engine = OnnxEngine(MODEL_FOLDER, max_batch=8, idle_s=10.0, max_sequences=40, clock=clock, on_batch=count)
    yield engine
    engine.close()


def face_in_motion(seed: int, frames: int) -> Crops:
    rng = np.random.default_rng(seed)
    x, y, drift = 222 + rng.normal(0, 6), 113 + rng.normal(0, 6), rng.normal(0, 1.0, 2)
    regions = [FaceRegion(x + drift[0] * t, y + drift[1] * t, 150, 0.01 * t) for t in range(frames)]
    return [crop_face(astronaut(), region) for region in regions]


def follow(engine: OnnxEngine, name: str, crops: Crops) -> np.ndarray[Any, Any]:
    """Acquire, then step; the prior is the last answer, as in a tracker whose box stands still."""
    last = acquire(engine, crops[0], engine.info.scheme.mean_shape.astype(np.float32))
    points = [last.points]
    for t, crop in enumerate(crops[1:]):
        last = step(engine, name, crop, points[-1], last.memory, start=t == 0)
        points.append(last.points)
    engine.end(name)
    return np.array(points)


def test_interleaved_sequences_give_the_points_they_give_alone(engine: OnnxEngine, batches: Counter[int]) -> None:
    clips = [face_in_motion(seed, 12) for seed in range(20)]
    alone = [follow(engine, f"alone {i}", clip) for i, clip in enumerate(clips)]
    before = dict(batches)
    with ThreadPoolExecutor(20) as threads:
        together = list(threads.map(lambda i: follow(engine, f"together {i}", clips[i]), range(20)))
    for one, other in zip(alone, together, strict=True):
        assert np.abs(one - other).max() < 0.01
    assert before == {1: 20 * 11}
    assert max(batches) > 1, "streams that wait at once share a call"
    assert max(batches) <= 8
    assert engine.sequences == 0


def test_memory_is_kept_per_sequence_and_resume_continues_it_elsewhere(engine: OnnxEngine) -> None:
    crops = face_in_motion(3, 6)
    prior = engine.info.scheme.mean_shape.astype(np.float32)
    memories = [step(engine, "one", crop, prior, start=t == 0).memory for t, crop in enumerate(crops) if t == 0]
    memories += [step(engine, "one", crop, prior).memory for crop in crops[1:]]
    resumed = step(engine, "two", crops[3], prior, memories[2], start=True)
    assert np.abs(resumed.memory - memories[3]).max() < 1e-5
    fresh = step(engine, "three", crops[3], prior, start=True)
    assert np.abs(fresh.memory - memories[3]).max() > 1e-3, "without its memory a sequence takes another course"


def test_a_start_forgets_what_the_sequence_knew(engine: OnnxEngine) -> None:
    crops = face_in_motion(4, 3)
    prior = engine.info.scheme.mean_shape.astype(np.float32)
    fresh = step(engine, "a", crops[2], prior, start=True)
    step(engine, "b", crops[0], prior, start=True)
    step(engine, "b", crops[1], prior)
    again = step(engine, "b", crops[2], prior, start=True)
    assert np.abs(again.memory - fresh.memory).max() < 1e-5


def test_without_memory_unknown_ended_and_expired_sequences_are_errors(engine: OnnxEngine, clock: Clock) -> None:
    crop, prior = face_in_motion(0, 1)[0], engine.info.scheme.mean_shape.astype(np.float32)
    with pytest.raises(SequenceUnknown):
        step(engine, "never started", crop, prior)
    step(engine, "ended", crop, prior, start=True)
    engine.end("ended")
    engine.end("ended")
    with pytest.raises(SequenceUnknown):
        step(engine, "ended", crop, prior)
    step(engine, "idle", crop, prior, start=True)
    clock.now = 6.0
    step(engine, "used", crop, prior, start=True)
    clock.now = 11.0
    assert engine.sequences == 1
    with pytest.raises(SequenceUnknown):
        step(engine, "idle", crop, prior)
    step(engine, "used", crop, prior)


def test_an_expired_sequence_goes_on_with_its_last_memory(engine: OnnxEngine, clock: Clock) -> None:
    crops = face_in_motion(5, 8)
    prior = engine.info.scheme.mean_shape.astype(np.float32)
    results: dict[str, list[Any]] = {"steady": [], "pausing": []}
    for t, crop in enumerate(crops):
        for name, answers in results.items():
            if t == 4 and name == "pausing":
                clock.now += 34.0
                assert engine.sequences == 0
            memory = answers[-1].memory if answers else None
            answers.append(step(engine, name, crop, prior, memory, start=t == 0))
    for one, other in zip(*results.values(), strict=True):
        assert np.abs(one.points - other.points).max() < 1e-4
    assert [answer.resumed for answer in results["pausing"]] == [t == 4 for t in range(8)]


def test_more_sequences_than_allowed_are_refused_at_once_and_slots_come_free(engine: OnnxEngine) -> None:
    crop, prior = face_in_motion(0, 1)[0], engine.info.scheme.mean_shape.astype(np.float32)
    for future in [engine.submit(StepRequest(crop, prior, None, str(i), True)) for i in range(40)]:
        future.result()
    with pytest.raises(Overloaded):
        step(engine, "one more", crop, prior, start=True)
    engine.end("7")
    step(engine, "one more", crop, prior, start=True)
    assert engine.sequences == 40


def test_a_closed_engine_refuses(clock: Clock) -> None:
    engine = OnnxEngine(MODEL_FOLDER, clock=clock)
    engine.close()
    engine.close()
    with pytest.raises(NotReady):
        acquire(engine, face_in_motion(0, 1)[0], np.zeros((68, 2), np.float32))


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
def test_a_missing_or_damaged_model_file_is_refused(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / f"{contract.STEP_GRAPH}.onnx").write_bytes(content)
    with pytest.raises(ModelMismatch, match=contract.STEP_GRAPH):
        OnnxEngine(tmp_path)


def test_the_faces_of_one_frame_run_as_a_batch_and_a_refused_one_harms_no_other(
    engine: OnnxEngine, batches: Counter[int]
) -> None:
    crops = [face_in_motion(seed, 1)[0] for seed in range(3)]
    prior = engine.info.scheme.mean_shape.astype(np.float32)
    requests = [StepRequest(crop, prior, None, f"new-{i}", i != 1) for i, crop in enumerate(crops)]
    first, refused, third = engine.run(requests)
    assert isinstance(refused, SequenceUnknown)
    assert batches == {2: 1}
    for index, (answer, crop) in enumerate(zip((first, third), (crops[0], crops[2]), strict=True)):
        assert isinstance(answer, StepResult)
        alone = step(engine, f"alone-{index}", crop, prior, start=True)
        np.testing.assert_allclose(answer.points, alone.points, atol=1e-3)
    engine.close()
    assert [type(answer) for answer in engine.run(requests[:1])] == [NotReady]
