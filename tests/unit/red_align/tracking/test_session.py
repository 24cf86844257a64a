"""Sessions: when to detect, whom to follow, when a face is lost. Engine and detector are told what to answer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import cv2
import numpy as np
import pytest

from red_align.contract import CONTRACT_VERSION
from red_align.engine.base import Array, ModelInfo, StepResult
from red_align.errors import BadFrame, SequenceUnknown
from red_align.frames import Frame, FrameResult, FrameStatus
from red_align.geometry import FaceBox, FaceRegion
from red_align.schemes import IBUG68
from red_align.tracking.detector import Detection
from red_align.tracking.tracker import Session, TrackingOptions

WHITE = np.full((240, 320, 3), 255, np.uint8)
MEAN = IBUG68.mean_shape.astype(np.float32)


class ScriptedEngine:
    """Points are the mean shape; confidence is what the test says. Memory counts the steps of a sequence."""

    def __init__(self) -> None:
        self.info = ModelInfo("none", "none", CONTRACT_VERSION, IBUG68, 4, "scripted")
        self.step_confidence = self.acquire_confidence = 0.9
        self.memories: dict[str, Array] = {}
        self.started: list[str] = []
        self.acquired = 0
        self.first_points = MEAN  # of the first acquire

    async def start(self) -> None:
        pass

    async def acquire(self, crop: Any, prior: Array, resume: Array | None = None) -> StepResult:
        assert np.array_equal(prior, MEAN)
        self.acquired += 1
        memory = np.full(4, 100.0, np.float32) if resume is None else resume + 1000
        points = self.first_points if self.acquired == 1 else MEAN
        return StepResult(points, np.full(68, self.acquire_confidence, np.float32), memory)

    async def step(
        self, sequence: str, crop: Any, prior: Array, *, start: bool = False, resume: Array | None = None
    ) -> StepResult:
        assert prior.shape == (68, 2)
        if start:
            assert resume is not None, "a track hands its memory on from acquire"
            self.started.append(sequence)
            self.memories[sequence] = resume
        elif sequence not in self.memories:
            raise SequenceUnknown(sequence)
        self.memories[sequence] = self.memories[sequence] + 1
        return StepResult(MEAN, np.full(68, self.step_confidence, np.float32), self.memories[sequence])

    async def end(self, sequence: str) -> None:
        self.memories.pop(sequence, None)

    async def close(self) -> None:
        pass


class ScriptedDetector:
    """Gives the detections that the test put there, and counts the calls."""

    def __init__(self) -> None:
        self.found: list[Detection] = []
        self.calls = 0

    def detect(self, image: np.ndarray[Any, Any]) -> list[Detection]:
        self.calls += 1
        return list(self.found)


def detection(cx: float, cy: float, side: float = 60.0, score: float = 0.9) -> Detection:
    half = side / 2.8
    return Detection(FaceBox(cx - half, cy - half, 2 * half, 2 * half), score, FaceRegion(cx, cy, side, 0.0))


class Bench:
    """A session with its scripted parts; ``run`` sends white frames."""

    def __init__(self, executor: ThreadPoolExecutor, **options: Any) -> None:
        self.engine, self.detector = ScriptedEngine(), ScriptedDetector()
        self.session = Session(self.engine, self.detector, executor, TrackingOptions(**options))
        self.index = 0

    async def run(self, count: int = 1, image: np.ndarray[Any, Any] = WHITE) -> list[FrameResult]:
        results = []
        for _ in range(count):
            results.append(await self.session.step(Frame(self.index, self.index / 25, image)))
            self.index += 1
        return results


@pytest.fixture
async def executor() -> AsyncIterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


def ids(results: list[FrameResult]) -> list[list[int]]:
    return [[face.track_id for face in result.faces] for result in results]


async def test_without_a_face_the_detector_runs_every_nth_frame(executor: ThreadPoolExecutor) -> None:
    bench = Bench(executor, detect_every=1, search_every=5)
    results = await bench.run(11)
    assert bench.detector.calls == 3
    assert all(r.status is FrameStatus.OK and r.faces == () for r in results)


async def test_with_all_faces_tracked_the_detector_rests(executor: ThreadPoolExecutor) -> None:
    bench = Bench(executor, detect_every=2)
    bench.detector.found = [detection(100, 100)]
    assert ids(await bench.run(20)) == [[0]] * 20
    assert bench.detector.calls == 1


async def test_while_there_is_room_the_search_goes_on(executor: ThreadPoolExecutor) -> None:
    bench = Bench(executor, detect_every=4, search_every=1, max_faces=2)
    bench.detector.found = [detection(100, 100)]
    await bench.run(3)
    bench.detector.found.append(detection(220, 120))
    results = await bench.run(5)
    assert ids(results) == [[0], [0, 1], [0, 1], [0, 1], [0, 1]]
    assert bench.detector.calls == 2


async def test_one_wanted_face_is_the_largest_and_then_the_best(executor: ThreadPoolExecutor) -> None:
    bench = Bench(executor)
    bench.detector.found = [detection(60, 60, 40, 0.99), detection(200, 120, 90, 0.7), detection(90, 180, 90.5, 0.8)]
    face = (await bench.run())[0].faces[0]
    assert face.box.y + face.box.h / 2 == pytest.approx(180, abs=3)


async def test_the_points_come_back_to_the_frame(executor: ThreadPoolExecutor) -> None:
    bench = Bench(executor)
    bench.detector.found = [detection(160, 120, 128)]
    face = (await bench.run())[0].faces[0]
    assert np.allclose(face.landmarks.points, MEAN + (160 - 63.5, 120 - 63.5), atol=1e-3)


async def test_a_track_begins_with_the_memory_of_acquire_and_keeps_its_sequence(executor: ThreadPoolExecutor) -> None:
    bench = Bench(executor)
    bench.detector.found = [detection(100, 100)]
    await bench.run(4)
    assert len(bench.engine.started) == 1
    assert bench.engine.memories[bench.engine.started[0]][0] == 103.0


def counted(bench: Bench) -> dict[str, float]:
    """What the metrics say of the tracks."""
    lines = bench.session.metrics.text().decode().splitlines()
    values = {line.split()[0]: float(line.split()[1]) for line in lines if not line.startswith("#")}
    names = {"begun": "tracks_begun", "lost": "tracks_lost", "again": "redetections"}
    return {key: values[f"red_{name}_total"] for key, name in names.items()}


async def test_a_lost_face_ends_its_sequence_and_comes_back_as_a_new_track(executor: ThreadPoolExecutor) -> None:
    bench = Bench(executor, search_every=50)
    bench.detector.found = [detection(100, 100)]
    await bench.run(3)
    bench.engine.step_confidence = bench.engine.acquire_confidence = 0.05
    assert ids(await bench.run(2)) == [[], []]
    assert bench.engine.memories == {}
    assert bench.detector.calls == 2, "the frame that loses a face looks for it at once"
    bench.engine.step_confidence = bench.engine.acquire_confidence = 0.9
    bench.session._since_search = 50
    assert counted(bench) == {"begun": 1, "lost": 1, "again": 0}
    assert ids(await bench.run(2)) == [[1], [1]]
    assert counted(bench) == {"begun": 2, "lost": 1, "again": 1}


async def test_a_face_that_a_second_look_finds_stays_the_same_track(executor: ThreadPoolExecutor) -> None:
    bench = Bench(executor)
    bench.detector.found = [detection(100, 100)]
    await bench.run(3)
    bench.engine.step_confidence = 0.05
    assert ids(await bench.run(1)) == [[0]]
    bench.engine.step_confidence = 0.9
    assert ids(await bench.run(1)) == [[0]]
    first, second = bench.engine.started
    assert first not in bench.engine.memories
    # 102 after two steps, the failed third step adds one, acquire takes it up, the next step goes on from there.
    assert bench.engine.memories[second][0] == 1104.0


async def test_a_detection_that_the_network_does_not_believe_is_no_face(executor: ThreadPoolExecutor) -> None:
    bench = Bench(executor)
    bench.detector.found = [detection(100, 100)]
    bench.engine.acquire_confidence = 0.05
    assert ids(await bench.run(2)) == [[], []]
    bench.engine.acquire_confidence = 0.9
    assert ids(await bench.run(4))[-1] == [0], "ids are not spent on what was no face"


async def test_two_detections_of_one_face_make_one_track(executor: ThreadPoolExecutor) -> None:
    bench = Bench(executor, max_faces=3)
    bench.detector.found = [detection(100, 100), detection(104, 102)]
    assert ids(await bench.run(8)) == [[0]] * 8


async def test_a_face_whose_points_ask_for_another_region_is_looked_at_again(executor: ThreadPoolExecutor) -> None:
    bench = Bench(executor)
    turned = FaceRegion(100, 100, 60, 0.0)
    bench.detector.found = [detection(100, 100)]
    way = FaceRegion(63.5, 63.5, 128, np.deg2rad(25)).to_frame(128)  # the face stands turned in its first crop
    bench.engine.first_points = way.apply(MEAN).astype(np.float32)
    face = (await bench.run())[0].faces[0]
    assert bench.engine.acquired == 2
    upright = FaceRegion(turned.cx, turned.cy, turned.side, np.deg2rad(25))
    assert np.abs(face.landmarks.points - upright.to_frame(128).apply(MEAN)).max() < 2.5


async def test_a_broken_frame_is_answered_and_the_track_goes_on(executor: ThreadPoolExecutor) -> None:
    bench = Bench(executor)
    bench.detector.found = [detection(100, 100)]
    await bench.run(2)
    broken = await bench.session.step(Frame(2, 0.1, None, BadFrame("no picture")))
    assert (broken.status, broken.error and broken.error.reason) == (FrameStatus.ERROR, "BAD_FRAME")
    other = await bench.session.step(Frame(3, 0.2, np.zeros((10, 20, 3), np.uint8)))
    assert other.error is not None
    assert "20x10" in other.error.message
    assert "320x240" in other.error.message
    assert ids(await bench.run(1)) == [[0]]
    assert len(bench.engine.started) == 1


def picture(seed: int) -> np.ndarray[Any, Any]:
    """Smooth noise: a scene of its own for every seed."""
    small = np.random.default_rng(seed).integers(0, 256, (24, 32, 3)).astype(np.uint8)
    return cv2.resize(small, (320, 240), interpolation=cv2.INTER_CUBIC)


async def test_a_cut_to_another_face_in_the_same_place_is_a_new_track(executor: ThreadPoolExecutor) -> None:
    bench = Bench(executor)
    bench.detector.found = [detection(100, 100)]
    before = ids(await bench.run(3, picture(0)))
    after = ids(await bench.run(3, picture(1)))
    assert before + after == [[0]] * 3 + [[1]] * 3
    assert bench.detector.calls == 1
    first, second = bench.engine.started
    assert first not in bench.engine.memories
    assert bench.engine.memories[second][0] == 102.0, "the new face begins with a memory of its own"


async def test_a_cut_to_what_is_no_face_loses_the_track(executor: ThreadPoolExecutor) -> None:
    bench = Bench(executor)
    bench.detector.found = [detection(100, 100)]
    await bench.run(3, picture(0))
    bench.engine.acquire_confidence = 0.1  # The step believed its prior; a look without it does not.
    assert ids(await bench.run(2, picture(1))) == [[], []]
    assert bench.engine.memories == {}


async def test_light_that_changes_is_no_cut(executor: ThreadPoolExecutor) -> None:
    bench = Bench(executor)
    bench.detector.found = [detection(100, 100)]
    dim = (picture(0) * 0.4 + 30).astype(np.uint8)
    assert ids([*await bench.run(2, picture(0)), *await bench.run(2, dim), *await bench.run(2)]) == [[0]] * 6


async def test_closing_ends_every_sequence(executor: ThreadPoolExecutor) -> None:
    bench = Bench(executor, max_faces=3)
    bench.detector.found = [detection(60, 60), detection(160, 160), detection(260, 60)]
    await bench.run(3)
    assert len(bench.engine.memories) == 3
    await bench.session.close()
    await bench.session.close()
    assert bench.engine.memories == {}
