"""A clip whose chunks are tracked side by side; its results come in the order of its frames.

Each worker decodes and tracks every n-th chunk in a thread of its own. Whatever is not as the clip's index says ends
the worker; the rest of the clip is then read and tracked as without chunks, from the last answer on.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from contextvars import copy_context
from typing import Any

from red_align.clip.chunks import Chunk, split
from red_align.clip.joints import TrackNames, join
from red_align.clip.lanes import SEED_AFTER, Lane, Seeds, Stopped, follow
from red_align.clip.sources import Source
from red_align.errors import RedAlignError
from red_align.frames import Frame, FrameResult, VideoInfo
from red_align.media.reader import Reader
from red_align.tracking.state import TrackerState
from red_align.tracking.tracker import Tracker

THREAD = "red-align-chunk"
"""Name of the workers' threads."""
MOST_REPEATED = 2
"""Chunks in a row that are tracked anew before the rest of the clip is not split any more."""


class ParallelRun:
    """Tracks the chunks of a clip.

    Args:
        source: The clip.
        video: Its size and rate.
        chunks: Its chunks, two or more.
        parallel: Chunks that are tracked side by side.
        make_tracker: Gives trackers of their own; called in the workers' threads.
        stride: Every stride-th frame is processed.
    """

    def __init__(
        self,
        source: Source,
        video: VideoInfo,
        chunks: Sequence[Chunk],
        parallel: int,
        make_tracker: Callable[[], Tracker],
        stride: int = 1,
    ) -> None:
        self.video, self.complete, self.stride = video, True, stride
        self.warnings: list[str] = []
        """What could not be read, and which faces were left out."""
        self.repeated = 0
        """Chunks that were tracked anew, since a face could not be followed through the joint."""
        self._source, self._make_tracker = source, make_tracker
        self._change = threading.Condition()
        self._closed = False
        self._head = 0  # number of the chunk that is answered
        self._window = 2 * parallel
        self._failure: BaseException | None = None
        self._lanes = [Lane(number, chunk, self._change) for number, chunk in enumerate(chunks)]
        parts = [self._lanes[first::parallel] for first in range(min(parallel, len(chunks)))]
        self._threads = [self._thread(part) for part in parts]
        self._results = self._joined()
        for thread in self._threads:
            thread.start()

    def next(self) -> FrameResult | None:
        """The next result; None after the last one, or after ``close``.

        Raises:
            RedAlignError: A frame could not be processed, as without chunks.
        """
        return next(self._results, None)

    def close(self) -> None:
        """End all chunks and give back what they hold; safe to call twice."""
        with self._change:
            self._closed = True
            for lane in self._lanes:
                lane.over = True
                lane.results.clear()
            self._change.notify_all()
        current = threading.current_thread()
        for thread in self._threads:
            if thread is not current:
                thread.join()
        with suppress(ValueError):  # Another thread is taking a result, which comes to its end by itself.
            self._results.close()

    def _joined(self) -> Generator[FrameResult]:
        names, in_a_row, last = TrackNames(), 0, -1
        for number, lane in enumerate(self._lanes):
            lane = self._lanes[number]  # It may have been replaced meanwhile.
            following = self._lanes[number + 1] if number + 1 < len(self._lanes) else None
            held: list[FrameResult] = []
            for result in lane.taken():
                if result.index <= last:
                    continue
                if following is not None and result.index >= self._overlap(following):
                    held.append(result)
                    continue
                last = result.index
                yield names.renamed(result)
            self._check()
            if self._closed:
                return
            if not lane.whole or following is None:
                yield from map(names.renamed, held)
                last = held[-1].index if held else last
                self._warn(lane.warnings)
                if not lane.whole:
                    yield from self._rest(lane.state, names, last + 1)
                return
            self._warn(lane.warnings)
            joint = join(held, following.warm_up())
            for result in held:
                if joint is None or result.index <= joint.last:
                    last = result.index
                    yield names.renamed(result)
            if joint is not None:
                names, in_a_row = names.through(joint), 0
            elif in_a_row < MOST_REPEATED and lane.state is not None and (following.whole or not following.over):
                in_a_row += 1
                self._repeat(number + 1, lane.state, last + 1)
            else:
                yield from self._rest(lane.state, names, last + 1)
                return
            with self._change:
                self._head = number + 1
                self._change.notify_all()

    def _overlap(self, following: Lane) -> int:
        """Number of the frame from which on the next chunk may take over: its warm-up's second half."""
        return (following.chunk.span.index + following.chunk.first) // 2

    def _rest(self, state: TrackerState | None, names: TrackNames, begin: int) -> Iterator[FrameResult]:
        """Everything from a frame on, as without chunks."""
        self._stop_workers()
        tracker = self._make_tracker()
        try:
            if state is not None:
                tracker.restore(state, resumed=False)
            reader = self._source.open()
            try:
                frames = reader.frames(self.stride, planes=True)
                while (frame := _read(reader, frames)) is not None:
                    if frame.index >= begin:
                        yield names.renamed(tracker.process(frame))
            finally:
                reader.close()
                self.complete, self.warnings = reader.complete, [*reader.warnings, *self.warnings]
        finally:
            tracker.close()
            self._warn(tracker.warnings)

    def _repeat(self, number: int, state: TrackerState, begin: int) -> None:
        """Track a chunk anew, from what the tracker of the chunk before was."""
        old = self._lanes[number]
        lane = Lane(number, old.chunk, self._change)
        self.repeated += 1
        with self._change:
            old.unwanted = True
            old.results.clear()
            self._lanes[number] = lane
            self._change.notify_all()
        thread = self._thread([lane], state, begin)
        self._threads.append(thread)
        thread.start()

    def _thread(self, *work: Any) -> threading.Thread:
        """A worker, with the caller's context variables (log ids, trace)."""
        return threading.Thread(target=copy_context().run, args=(self._work, *work), name=THREAD, daemon=True)

    def _work(self, lanes: Sequence[Lane], state: TrackerState | None = None, begin: int = -1) -> None:
        """Decode and track chunks one after another; the first one from a state and a frame where they are given."""
        reader: Reader | None = None
        try:
            reader = self._source.open_spans([lane.chunk.span for lane in lanes])
            frames = reader.frames(self.stride, planes=True)
            for lane in lanes:
                if not self._follow(lane, frames, state, begin):
                    return
                if lane.number == len(self._lanes) - 1 and next(frames, None) is None:
                    self.complete, self.warnings = reader.complete, [*reader.warnings, *self.warnings]
                lane.end(whole=True)
        except (Stopped, RedAlignError):
            pass  # What did not come is for ``_rest`` to read, and to raise where it fails again.
        except BaseException as error:
            self._failure = error
        finally:
            for lane in lanes:
                lane.end(whole=False)
            if reader is not None:
                reader.close()

    def _follow(self, lane: Lane, frames: Iterator[Frame], state: TrackerState | None, begin: int) -> bool:
        with self._change:
            self._change.wait_for(lambda: self._closed or lane.number < self._head + self._window)
        tracker = self._make_tracker()
        try:
            if state is not None:
                tracker.restore(state, resumed=False)
                lane.state = state
            span = lane.chunk.span
            start = max(span.index, begin)
            indices = range(start + -start % self.stride, span.stop, self.stride)
            seeds = (lambda: self._seeds(lane.number)) if lane.number and state is None else None
            return follow(lane, frames, tracker, indices, lambda: self._closed, seeds)
        finally:
            tracker.close()

    def _seeds(self, number: int) -> Seeds:
        """The faces of the nearest chunk before that was followed long enough; waits for the first chunk."""
        first = self._lanes[0]
        with self._change:
            self._change.wait_for(lambda: self._closed or first.over or first.count >= SEED_AFTER)
            for lane in reversed(self._lanes[:number]):
                if lane.count >= SEED_AFTER and lane.state is not None and lane.state.tracks:
                    return lane.state.tracks
        return ()

    def _stop_workers(self) -> None:
        with self._change:
            self._closed = True
            self._change.notify_all()
        for thread in self._threads:
            thread.join()

    def _check(self) -> None:
        """Raise what was no domain error in a worker."""
        if self._failure is not None:
            raise self._failure

    def _warn(self, warnings: Sequence[str]) -> None:
        self.warnings += [warning for warning in warnings if warning not in self.warnings]


def open_parallel(
    source: Source, parallel: int, make_tracker: Callable[[], Tracker], stride: int = 1
) -> ParallelRun | None:
    """Begin to track a clip in chunks.

    Args:
        source: The clip.
        parallel: Most chunks that are tracked side by side.
        make_tracker: See ParallelRun.
        stride: Every stride-th frame is processed.

    Returns:
        The run; None where the clip is too short for that, or cannot be split.
    """
    if parallel == 1:
        return None
    try:
        index = source.index()
    except RedAlignError:  # Whoever opens the clip then says why.
        return None
    chunks = split(index, parallel, stride) if index is not None else []
    if index is None or not chunks:
        return None
    return ParallelRun(source, index.video, chunks, parallel, make_tracker, stride)


def _read(reader: Reader, frames: Iterator[Frame]) -> Frame | None:
    """The next frame; None at the end, or where the file could not be read on."""
    try:
        return next(frames, None)
    except RedAlignError as error:
        reader.complete = False
        reader.warnings.append(error.message)
        return None
