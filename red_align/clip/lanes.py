"""A chunk that is being tracked: its results as they come, and what its tracker is after them."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from red_align.clip.chunks import MOST_CHUNK, Chunk
from red_align.frames import Frame, FrameResult
from red_align.tracking.state import TrackerState, TrackState
from red_align.tracking.tracker import Tracker

MOST_WAITING = 2 * MOST_CHUNK
"""Results of one chunk that may wait."""
SEED_AFTER = 45
"""Frames of a clip after which the memory of its faces is that of these people."""


class Stopped(Exception):
    """The run was closed."""


@dataclass
class Lane:
    """One chunk on its way. Everything of it is read and written under ``change``.

    Attributes:
        number: Of the chunk, from 0.
        chunk: What is tracked.
        change: Is notified when anything changes; one for all lanes of a run.
        results: What waits to be answered.
        count: Results so far.
        state: The tracker after the last result.
        warnings: Of the tracker.
        over: Whether no more results come.
        whole: Whether it was tracked to its end.
        unwanted: Whether nobody takes its results any more.
    """

    number: int
    chunk: Chunk
    change: threading.Condition
    results: deque[FrameResult] = field(default_factory=deque)
    count: int = 0
    state: TrackerState | None = None
    warnings: tuple[str, ...] = ()
    over: bool = False
    whole: bool = False
    unwanted: bool = False

    def put(self, result: FrameResult, tracker: Tracker, closed: Callable[[], bool]) -> None:
        """Add a result, once there is room. Raises Stopped where the run is closed."""
        state, warnings = tracker.state(), tuple(tracker.warnings)
        with self.change:
            self.change.wait_for(lambda: closed() or self.unwanted or len(self.results) < MOST_WAITING)
            if closed():
                raise Stopped
            self.state, self.warnings, self.count = state, warnings, self.count + 1
            if not self.unwanted:
                self.results.append(result)
            self.change.notify_all()

    def end(self, *, whole: bool) -> None:
        """No more results come."""
        with self.change:
            if not self.over:
                self.over, self.whole = True, whole
            self.change.notify_all()

    def taken(self) -> Iterator[FrameResult]:
        """Results as they come, to the last one."""
        while True:
            with self.change:
                self.change.wait_for(lambda: self.results or self.over)
                if not self.results:
                    return
                result = self.results.popleft()
                self.change.notify_all()
            yield result

    def warm_up(self) -> list[FrameResult]:
        """The results before the chunk's first frame, which stay; none where it ended among them."""
        first = self.chunk.first
        with self.change:
            self.change.wait_for(lambda: self.over or (bool(self.results) and self.results[-1].index >= first))
            if not self.results or self.results[-1].index < first:
                return []
            return [result for result in self.results if result.index < first]


Seeds = Sequence[TrackState]
"""Faces that were followed for a while: their memory suits new tracks of the same people."""


def follow(
    lane: Lane,
    frames: Iterator[Frame],
    tracker: Tracker,
    indices: Sequence[int],
    closed: Callable[[], bool],
    seeds: Callable[[], Seeds] | None = None,
) -> bool:
    """Track a chunk.

    Args:
        lane: Takes the results.
        frames: What is decoded.
        tracker: Follows the faces.
        indices: Numbers of the frames to process; earlier ones are skipped.
        closed: Whether to stop.
        seeds: Waits for faces whose memory new tracks begin with; None for fresh memory.

    Returns:
        Whether all frames came and were processed, with every face that there was room for.

    Raises:
        Stopped: ``closed`` said so.
        RedAlignError: A frame could not be read or processed.
    """
    found: Seeds = ()
    for count, index in enumerate(indices):
        frame = next((frame for frame in frames if frame.index >= index), None)
        if frame is None or frame.index != index:
            return False
        if seeds is not None and count == 0:
            found = seeds()
        if closed():
            raise Stopped
        if lane.unwanted:  # The frames of its worker's next chunk come after these.
            continue
        known = {track.track_id for track in lane.state.tracks} if lane.state is not None else set()
        result = tracker.process(frame)
        if found and index < lane.chunk.first:
            _sow(tracker, found, known)
        lane.put(result, tracker, closed)
        if tracker.warnings:
            return False
    return True


def _sow(tracker: Tracker, seeds: Seeds, known: set[int]) -> None:
    """Give faces that were found in this frame the memory of those that look most like them."""
    state = tracker.state()
    if all(track.track_id in known for track in state.tracks):
        return
    tracks = [track if track.track_id in known else _seeded(track, seeds) for track in state.tracks]
    tracker.close()
    tracker.restore(replace(state, tracks=tuple(tracks)), resumed=False)


def _seeded(track: TrackState, seeds: Seeds) -> TrackState:
    return replace(track, memory=max(seeds, key=lambda seed: float(seed.appearance @ track.appearance)).memory)
