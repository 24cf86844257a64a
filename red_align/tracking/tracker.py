"""A session: the faces of one clip or stream, followed frame by frame.

frame -> crops of the tracked faces -> engine -> points -> next boxes, or lost
      -> room for a face and its turn? detect -> crop -> engine.acquire -> new track
"""

from __future__ import annotations

import asyncio
import math
import secrets
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import NDArray

from red_align.contract import CROP_SIZE
from red_align.crop import crop_face
from red_align.engine.base import Array, Engine, StepResult
from red_align.errors import FrameSizeChanged, RedAlignError, TimestampNotGrowing
from red_align.frames import Face, Frame, FrameResult, FrameStatus, Landmarks
from red_align.geometry import FaceBox, FaceRegion, Similarity
from red_align.tracking.detector import Detection, Detector
from red_align.tracking.rules import (
    appearance_descriptor,
    face_score,
    is_identity_switch,
    is_lost,
    region_from_landmarks,
)
from red_align.tracking.state import SessionState, TrackState
from service.observability.metrics import Metrics

NEVER = 1 << 30
"""Frames since a search that was never made."""
SAME_FACE_IOU = 0.4
"""Two boxes that overlap more than this show the same face."""


MUCH_TURN, MUCH_SHIFT, MUCH_SCALE = 0.17, 0.08, 0.15
"""Turn (radians), shift (share of the side) and scale (logarithm) of a region that are worth a second look."""


@dataclass(frozen=True, slots=True)
class TrackingOptions:
    """How faces are followed. Scores are 0..1; see service.config.settings for the meaning of each."""

    max_faces: int = 1
    detect_every: int = 5
    search_every: int = 2
    track_lost_threshold: float = 0.2
    track_activation_threshold: float = 0.25


@dataclass(slots=True)
class _Track:
    track_id: int
    sequence: str
    points: NDArray[np.float64]  # [L, 2], frame pixels
    confidence: Array
    memory: Array
    look: NDArray[np.float32]
    started: bool = False
    resumed: bool = False

    @property
    def box(self) -> FaceBox:
        return FaceBox.around(self.points)

    @property
    def score(self) -> float:
        return face_score(self.confidence)

    def face(self) -> Face:
        return Face(self.track_id, self.box, self.score, Landmarks(self.points, self.confidence))

    def state(self) -> TrackState:
        return TrackState(self.track_id, self.points, self.confidence, self.memory, self.look)

    @classmethod
    def of(cls, state: TrackState) -> Self:
        """A track that begins a sequence of its own with the memory it had."""
        return cls(state.track_id, _new_sequence(), state.points, state.confidence, state.memory, state.look)


@dataclass(slots=True)
class Session:
    """State of one clip or stream; ``step`` takes its frames one after another."""

    engine: Engine
    detector: Detector
    workers: Executor
    options: TrackingOptions
    rate_limit: Callable[[], Awaitable[None]] | None = None
    """Waited for before each frame, where a tenant's rate is limited."""
    metrics: Metrics = field(default_factory=Metrics)
    _tracks: list[_Track] = field(default_factory=list)
    _next_id: int = 0
    _size: tuple[int, int] | None = None
    _since_search: int = NEVER
    _time_s: float | None = None  # of the last frame
    _restored: bool = False
    _missing: int = 0  # faces that were lost and not found again

    async def step(self, frame: Frame) -> FrameResult:
        """The answer to one frame. What is wrong with the frame itself is told in the answer, not raised."""
        result = await self._answer(frame)
        self.metrics.frames.labels(result.status).inc()
        self.metrics.resumes.inc(result.resumed)
        return result

    async def _answer(self, frame: Frame) -> FrameResult:
        if frame.image is None:
            error = frame.error or RedAlignError("the frame is missing")
            return FrameResult(frame.index, frame.time_s, FrameStatus.ERROR, error=error)
        if self._time_s is not None and not frame.time_s > self._time_s:
            message = f"frame {frame.index} is at {frame.time_s:g} s, the last one was at {self._time_s:g} s"
            return FrameResult(frame.index, frame.time_s, FrameStatus.ERROR, error=TimestampNotGrowing(message))
        height, width = frame.image.shape[:2]
        if self._size is None:
            self._size = (width, height)
        elif self._size != (width, height):
            message = f"frame {frame.index} is {width}x{height}, the stream began with {self._size[0]}x{self._size[1]}"
            return FrameResult(frame.index, frame.time_s, FrameStatus.ERROR, error=FrameSizeChanged(message))
        if self.rate_limit is not None:
            await self.rate_limit()
        # A new segment's clock begins anew; its first frame follows the last one of before.
        gap_s = 0.0 if self._time_s is None else frame.time_s - self._time_s
        self._time_s = frame.time_s
        await self._follow(frame.image, gap_s)
        await self._search(frame.image)
        faces = tuple(track.face() for track in self._tracks)
        resumed = self._restored or any(track.resumed for track in self._tracks)
        self._restored = False
        return FrameResult(frame.index, frame.time_s, faces=faces, resumed=resumed)

    def state(self, next_index: int) -> SessionState:
        """What the session is after its last frame; ``next_index`` is the number of the frame that comes next."""
        tracks = tuple(track.state() for track in self._tracks)
        return SessionState(tracks, self._next_id, next_index, self._size, self._since_search, self._time_s)

    def restore(self, state: SessionState, *, same_clock: bool, resumed: bool) -> None:
        """Go on from a state, before the first frame.

        With ``same_clock`` times go on to grow from there, else they begin anew. ``resumed`` tells the first answer so.
        """
        self._tracks = [_Track.of(track) for track in state.tracks[: self.options.max_faces]]
        self._next_id, self._size, self._since_search = state.next_id, state.size, state.since_search
        self._time_s = state.time_s if same_clock else None
        self._restored = resumed and bool(self._tracks)

    async def close(self) -> None:
        """End all sequences; safe to call twice."""
        tracks, self._tracks = self._tracks, []
        for track in tracks:
            await self.engine.end(track.sequence)

    async def _follow(self, image: NDArray[np.uint8], gap_s: float) -> None:
        """Move every track to this frame; drop those that are lost."""
        if not self._tracks:
            return
        scheme = self.engine.info.scheme
        regions = [region_from_landmarks(t.points, scheme) for t in self._tracks]
        crops = await self._cut(image, regions)
        moves = [self._move(*each, image, gap_s) for each in zip(self._tracks, regions, crops, strict=True)]
        alive = await asyncio.gather(*moves)
        kept: list[_Track] = []
        for before, track in zip(self._tracks, alive, strict=True):
            doubled = track is not None and any(track.box.iou(other.box) > SAME_FACE_IOU for other in kept)
            if track is not None and not doubled:
                kept.append(track)
            else:
                self._since_search = NEVER  # Look for a lost face at once.
                self.metrics.tracks_lost.inc()
                self._missing += not doubled
            if track is not before or doubled:
                await self.engine.end(before.sequence)
        self._tracks = kept

    async def _move(
        self, track: _Track, region: FaceRegion, crop: NDArray[np.uint8], image: NDArray[np.uint8], gap_s: float
    ) -> _Track | None:
        """One step of one track: the same one, another where the picture was cut to another face, or None."""
        to_crop = region.to_crop(CROP_SIZE)
        prior = to_crop.apply(track.points).astype(np.float32)
        start, track.resumed = not track.started, False
        with self.metrics.timed(self.metrics.step):
            result = await self.engine.step(
                track.sequence, crop, prior, start=start, resume=track.memory if start else None
            )
        track.started = True
        self._take(track, result, to_crop)
        if self._lost(track, image, self.options.track_lost_threshold):
            # A quick movement may have left the prior behind: look once more without it.
            result = await self.engine.acquire(crop, self._mean_prior(), track.memory)
            self._take(track, result, to_crop)
            if self._lost(track, image, self.options.track_activation_threshold):
                return None
            await self.engine.end(track.sequence)
            track.sequence, track.started = _new_sequence(), False
        look = await self._look_of(image, track.points)
        if is_identity_switch(track.look, look, gap_s):
            points, result = await self._look(image, region_from_landmarks(track.points, self.engine.info.scheme))
            return await self._new_track(points, result, image)
        track.look = look
        return track

    async def _search(self, image: NDArray[np.uint8]) -> None:
        """Detect when there is room for a face and it is time to."""
        room = self.options.max_faces - len(self._tracks)
        if room <= 0:
            return
        self._since_search += 1
        if self._since_search < (self.options.detect_every if self._tracks else self.options.search_every):
            return
        self._since_search = 0
        loop = asyncio.get_running_loop()
        with self.metrics.timed(self.metrics.detect):
            found = await loop.run_in_executor(self.workers, self.detector.detect, image)
        new = [d for d in found if all(d.box.iou(t.box) < SAME_FACE_IOU for t in self._tracks)]
        chosen = sorted(new, key=_preference, reverse=True)[:room]
        looks = await asyncio.gather(*(self._look(image, d.region) for d in chosen))
        for points, result in looks:
            track = await self._new_track(points, result, image)
            if track is not None and all(track.box.iou(other.box) <= SAME_FACE_IOU for other in self._tracks):
                self._tracks.append(track)
                if self._missing:
                    self._missing -= 1
                    self.metrics.redetections.inc()

    async def _look(self, image: NDArray[np.uint8], region: FaceRegion) -> tuple[NDArray[np.float64], StepResult]:
        """Acquire a face in a region; where its points ask for a rather different region, once more in that."""
        for last in (False, True):
            crop = (await self._cut(image, [region]))[0]
            result = await self.engine.acquire(crop, self._mean_prior())
            points = region.to_frame(CROP_SIZE).apply(result.points)
            better = region_from_landmarks(points, self.engine.info.scheme)
            if last or not _differ(region, better):
                break
            region = better
        return points, result

    async def _new_track(
        self, points: NDArray[np.float64], result: StepResult, image: NDArray[np.uint8]
    ) -> _Track | None:
        """A track with an id of its own; None where there is no face to be sure of."""
        track = _Track(-1, _new_sequence(), points, result.confidence, result.memory, np.zeros(0, np.float32))
        if self._lost(track, image, self.options.track_activation_threshold):
            return None
        track.look = await self._look_of(image, points)
        track.track_id, self._next_id = self._next_id, self._next_id + 1
        self.metrics.tracks_begun.inc()
        return track

    async def _look_of(self, image: NDArray[np.uint8], points: NDArray[np.float64]) -> NDArray[np.float32]:
        scheme = self.engine.info.scheme
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self.workers, lambda: appearance_descriptor(image, points, scheme))

    async def _cut(self, image: NDArray[np.uint8], regions: list[FaceRegion]) -> list[NDArray[np.uint8]]:
        if not regions:
            return []
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self.workers, lambda: [crop_face(image, r) for r in regions])

    def _mean_prior(self) -> Array:
        return self.engine.info.scheme.mean_shape.astype(np.float32)

    @staticmethod
    def _take(track: _Track, result: StepResult, to_crop: Similarity) -> None:
        track.resumed = track.resumed or result.resumed
        track.points = to_crop.inverse().apply(result.points)
        track.confidence, track.memory = result.confidence, result.memory

    @staticmethod
    def _lost(track: _Track, image: NDArray[np.uint8], below: float) -> bool:
        height, width = image.shape[:2]
        return is_lost(track.score, track.points, (width, height), below)


def _preference(detection: Detection) -> tuple[float, float]:
    """The largest face first, then the best score; sizes within a sixteenth count as equal."""
    return (round(4 * np.log2(max(detection.box.area, 1.0))), detection.score)


def _differ(one: FaceRegion, other: FaceRegion) -> bool:
    """Whether two regions are further apart than the errors that the network takes in its stride."""
    turn = abs(math.remainder(other.angle - one.angle, math.tau))
    shift = math.hypot(other.cx - one.cx, other.cy - one.cy) / one.side
    scale = abs(math.log(max(other.side, 1e-3) / one.side))
    return turn > MUCH_TURN or shift > MUCH_SHIFT or scale > MUCH_SCALE


def _new_sequence() -> str:
    """A random name, never derived from stream or user: it cannot be guessed."""
    return secrets.token_hex(16)
