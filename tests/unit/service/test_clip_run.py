"""A clip's answer is whole however it ends: an error in mid-clip is reported in it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import orjson
import pytest

from red_align.engine.base import StepRequest, StepResult
from red_align.errors import NotReady, RedAlignError
from red_align.formats.base import Writer
from red_align.formats.json_text import JsonWriter, NdjsonWriter
from red_align.frames import Frame
from red_align.media.reader import DecodeLimits, Reader, open_media
from red_align.schemes import IBUG68
from red_align.tracking.tracker import Tracker
from service.streams.clip import ClipRun
from service.streams.threads import ThreadCalls
from tests.support.engines import ScriptedDetector, ScriptedEngine, detection
from tests.support.media import carphone_path

GOOD = 7


class Failing(ScriptedEngine):
    """Is gone after some steps."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.left = steps

    def answer_step(self, request: StepRequest) -> StepResult:
        if not self.left:
            raise NotReady("the inference server has gone")
        self.left -= 1
        return super().answer_step(request)


@pytest.fixture
def reader() -> Iterator[Reader]:
    opened = open_media(carphone_path(), DecodeLimits(threads=1))
    yield opened
    opened.close()


@pytest.fixture
def calls() -> Iterator[ThreadCalls]:
    with ThreadPoolExecutor(1) as threads:
        yield ThreadCalls(threads)


def tracker_of(engine: ScriptedEngine) -> Tracker:
    detector = ScriptedDetector()
    detector.found = [detection(88, 72)]
    return Tracker(engine=engine, detector=detector)


@pytest.mark.parametrize("writer", [JsonWriter(IBUG68), NdjsonWriter(IBUG68)])
async def test_an_error_in_mid_clip_ends_a_whole_answer_as_incomplete(
    reader: Reader, calls: ThreadCalls, writer: Writer
) -> None:
    run = ClipRun(reader, tracker_of(Failing(GOOD - 1)), calls)
    await run.begin()
    body = b"".join([piece async for piece in run.pieces(writer)])
    await run.close()
    if isinstance(writer, JsonWriter):
        end = orjson.loads(body)
        frames = end["frames"]
    else:
        _, *frames, end = [orjson.loads(line) for line in body.splitlines()]
    assert [frame["index"] for frame in frames] == list(range(GOOD))
    assert (end["complete"], end["frame_count"]) == (False, GOOD)
    assert end["warnings"] == ["the inference server has gone"]


async def test_an_error_at_the_first_frames_is_raised_since_no_answer_has_begun(
    reader: Reader, calls: ThreadCalls
) -> None:
    run = ClipRun(reader, tracker_of(Failing(0)), calls)
    with pytest.raises(NotReady):
        await run.begin()
    await run.close()


async def test_a_decoder_that_fails_in_mid_clip_is_a_warning(calls: ThreadCalls) -> None:
    class Breaking:
        """A reader whose second frame raises."""

        def __init__(self) -> None:
            self._inner = open_media(carphone_path(), DecodeLimits(threads=1))
            self.info, self.complete, self.count, self.warnings = self._inner.info, True, 0, list[str]()

        def frames(self, stride: int = 1, *, planes: bool = False) -> Iterator[Frame]:
            yield next(self._inner.frames(stride))
            raise RedAlignError("the frame grew")

        def close(self) -> None:
            self._inner.close()

    run = ClipRun(Breaking(), tracker_of(ScriptedEngine()), calls)
    await run.begin()
    assert [len(results) async for results in run.results(lambda result: result)] == [1]
    assert (run.end.complete, run.end.warnings) == (False, ("the frame grew",))
    await run.close()


async def test_frames_are_numbered_on_from_where_the_stream_stood(reader: Reader, calls: ThreadCalls) -> None:
    run = ClipRun(reader, tracker_of(ScriptedEngine()), calls, stride=50, first_index=1000)
    indices = [index async for batch in run.results(lambda result: result.index) for index in batch]
    assert indices == [1000, 1050, 1100]
    assert run.state.next_index == 1120
    await run.close()


async def test_answers_come_together_unless_each_frame_has_to_wait_for_its_turn(calls: ThreadCalls) -> None:
    turns = 0

    async def turn() -> None:
        nonlocal turns
        turns += 1

    for rate_limit, together in ((None, True), (turn, False)):
        opened = open_media(carphone_path(), DecodeLimits(threads=1))
        run = ClipRun(opened, tracker_of(ScriptedEngine()), calls, rate_limit=rate_limit)
        sizes = [len(results) async for results in run.results(lambda result: result)]
        await run.close()
        assert sum(sizes) == 120
        assert (max(sizes) > 1) == together
    assert turns == 121  # and one for the end
