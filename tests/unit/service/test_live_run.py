"""A live stream's frames: each is one blocking call, and the one that waits decodes while this one is processed."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from red_align.errors import BadFrame, Overloaded
from red_align.frames import FrameStatus
from red_align.media.decode_pool import DecodePool
from red_align.media.isolated import PendingFrame
from red_align.media.reader import DecodeLimits
from red_align.tracking.tracker import Tracker
from service.streams.live import LiveRun
from service.streams.threads import ThreadCalls
from tests.support.engines import ScriptedDetector, ScriptedEngine, detection
from tests.support.media import carphone_frames, jpeg
from tests.unit.red_align.media.test_isolated import workers

FRAMES = [jpeg(frame) for frame in carphone_frames()[:8]]


class CountingPool(DecodePool):
    """Keeps what was begun, and whether ahead."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.begun: list[tuple[int, bool]] = []

    def begin_frame(self, data: bytes, limits: DecodeLimits, pixels: int = 0) -> PendingFrame:
        self.begun.append((FRAMES.index(data) if data in FRAMES else -1, False))
        return super().begin_frame(data, limits, pixels)

    def begin_frame_ahead(self, data: bytes, limits: DecodeLimits, pixels: int = 0) -> PendingFrame | None:
        self.begun.append((FRAMES.index(data) if data in FRAMES else -1, True))
        return super().begin_frame_ahead(data, limits, pixels)


class Bench:
    """A stream over real decoding processes and a scripted engine."""

    def __init__(self, pool: CountingPool, threads: ThreadPoolExecutor, slots: int = 9) -> None:
        self.engine, self.pool = ScriptedEngine(slots), pool
        detector = ScriptedDetector()
        detector.found = [detection(88, 72)]
        tracker = Tracker(engine=self.engine, detector=detector)
        self.run = LiveRun(pool, DecodeLimits(threads=1), tracker, ThreadCalls(threads), lambda state: "token")


@pytest.fixture
def bench() -> Iterator[Bench]:
    pool = CountingPool(kept=2)
    with ThreadPoolExecutor(1) as threads:
        yield Bench(pool, threads)
    pool.close()
    assert not workers()


def test_the_following_frame_decodes_once_and_meanwhile(bench: Bench) -> None:
    for i in range(5):
        result = bench.run.encoded(FRAMES[i], i / 25, FRAMES[i + 1] if i < 4 else b"")
        assert (result.index, result.status, len(result.faces)) == (i, FrameStatus.OK, 1)
    assert bench.pool.begun == [(0, False), (1, True), (2, True), (3, True), (4, True)]


def test_another_frame_than_the_following_one_is_answered_by_its_own_picture(bench: Bench) -> None:
    bench.run.encoded(FRAMES[0], 0.0, FRAMES[1])
    assert bench.run.encoded(FRAMES[2], 0.1).status == FrameStatus.OK
    assert bench.pool.begun == [(0, False), (1, True), (2, False)]


def test_a_bad_following_frame_is_an_error_of_its_own_answer(bench: Bench) -> None:
    assert bench.run.encoded(FRAMES[0], 0.0, b"bad").status == FrameStatus.OK
    answer = bench.run.encoded(b"bad", 0.1, FRAMES[1])
    assert (answer.index, answer.status) == (1, FrameStatus.ERROR)
    assert isinstance(answer.error, BadFrame)
    assert bench.run.encoded(FRAMES[1], 0.2).status == FrameStatus.OK


def test_the_state_after_an_answer_goes_on_with_the_next_frame(bench: Bench) -> None:
    assert bench.run.state.next_index == 0
    bench.run.encoded(FRAMES[0], 0.0)
    bench.run.dropped(0.02)
    assert (bench.run.next_index, bench.run.state.next_index, bench.run.end.frame_count) == (2, 2, 2)
    bench.run.encoded(b"bad", 0.04)
    assert bench.run.state.next_index == 3


async def test_a_stream_that_ends_leaves_no_process_and_no_sequence(bench: Bench) -> None:
    for i in range(2):
        bench.run.encoded(FRAMES[i], i / 25, FRAMES[i + 1])
    assert bench.engine.memories
    await bench.run.close()
    await bench.run.close()
    assert bench.engine.memories == {}
    ahead = [bench.pool.begin_frame_ahead(FRAMES[0], DecodeLimits()) for _ in range(2)]
    assert None not in ahead, "what was decoded ahead has given its slot back"
    for frame in ahead:
        assert frame is not None
        frame.release()


def test_a_stream_whose_first_face_finds_the_engine_full_is_refused(bench: Bench) -> None:
    bench.engine.slots = 0
    bench.run.encoded(FRAMES[0], 0.0)
    with pytest.raises(Overloaded):
        bench.run.encoded(FRAMES[1], 0.1)


def test_a_stream_that_comes_back_to_a_full_engine_is_refused_and_goes_on_when_there_is_a_slot(bench: Bench) -> None:
    for i in range(3):
        assert len(bench.run.encoded(FRAMES[i], i / 25).faces) == 1
    bench.engine.memories.clear()  # It paused, and others took its slot.
    bench.engine.slots = 0
    refused = bench.run.encoded(FRAMES[3], 60.0)
    assert refused.error is not None
    assert (refused.status, refused.error.reason) == (FrameStatus.ERROR, "OVERLOADED")
    bench.engine.slots = 1
    result = bench.run.encoded(FRAMES[4], 60.1)
    assert (result.index, result.resumed, [face.track_id for face in result.faces]) == (4, True, [0])
