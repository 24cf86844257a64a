"""A session: the faces of one clip or stream, followed frame by frame.

frame -> crops of the tracked faces -> engine -> points -> next boxes, or lost
      -> room for a face and its turn? detect -> crop -> engine.acquire -> new track
"""

from __future__ import annotations

import asyncio
import math
import secrets
from concurrent.futures import Executor
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from landmarks.contract import CROP_SIZE
from landmarks.crop import cut_face
from landmarks.errors import FrameSizeChanged, RedAlignError
from landmarks.frames import Face, Frame, FrameResult, FrameStatus, Landmarks
from landmarks.geometry import FaceBox, FaceRegion, Similarity
from landmarks.tracking import face_score, is_lost, region_from_landmarks
from service.detector import Detection, Detector
from service.engine import Array, Engine, StepResult

SAME_FACE_IOU = 0.4
"""Two boxes that overlap more than this show the same face."""


MUCH_TURN, MUCH_SHIFT, MUCH_SCALE = 0.17, 0.08, 0.15
"""Turn (radians), shift (share of the side) and scale (logarithm) of a region that are worth a second look."""


@dataclass(frozen=True, slots=True)
class TrackingOptions:
    """How faces are followed. Scores are 0..1; see service.settings for the meaning of each."""

    max_faces: int = 1
    detect_every: int = 5
    lost_below: float = 0.2
    begin_above: float = 0.25


@dataclass(slots=True)
class _Track:
    track_id: int
    sequence: str
    points: NDArray[np.float64]  # [L, 2], frame pixels
    confidence: Array
    memory: Array
    started: bool = False

    @property
    def box(self) -> FaceBox:
        return FaceBox.around(self.points)

    @property
    def score(self) -> float:
        return face_score(self.confidence)

    def face(self) -> Face:
        return Face(self.track_id, self.box, self.score, Landmarks(self.points, self.confidence))


@dataclass(slots=True)
class Session:
    """State of one clip or stream; ``step`` takes its frames one after another."""

    engine: Engine
    detector: Detector
    workers: Executor
    options: TrackingOptions
    _tracks: list[_Track] = field(default_factory=list)
    _next_id: int = 0
    _size: tuple[int, int] | None = None
    _until_search: int = 0

    async def step(self, frame: Frame) -> FrameResult:
        """The answer to one frame. What is wrong with the frame itself is told in the answer, not raised."""
        if frame.image is None:
            error = frame.error or RedAlignError("the frame is missing")
            return FrameResult(frame.index, frame.time_s, FrameStatus.ERROR, error=error)
        height, width = frame.image.shape[:2]
        if self._size is None:
            self._size = (width, height)
        elif self._size != (width, height):
            message = f"frame {frame.index} is {width}x{height}, the stream began with {self._size[0]}x{self._size[1]}"
            return FrameResult(frame.index, frame.time_s, FrameStatus.ERROR, error=FrameSizeChanged(message))
        await self._follow(frame.image)
        await self._search(frame.image)
        faces = tuple(track.face() for track in self._tracks)
        return FrameResult(frame.index, frame.time_s, faces=faces)

    async def close(self) -> None:
        """End all sequences; safe to call twice."""
        tracks, self._tracks = self._tracks, []
        for track in tracks:
            await self.engine.end(track.sequence)

    async def _follow(self, image: NDArray[np.uint8]) -> None:
        """Move every track to this frame; drop those that are lost."""
        if not self._tracks:
            return
        scheme = self.engine.info.scheme
        regions = [region_from_landmarks(t.points, scheme) for t in self._tracks]
        crops = await self._cut(image, regions)
        moves = [self._move(*each, image) for each in zip(self._tracks, regions, crops, strict=True)]
        alive = await asyncio.gather(*moves)
        kept: list[_Track] = []
        for track, lives in zip(self._tracks, alive, strict=True):
            doubled = any(track.box.iou(other.box) > SAME_FACE_IOU for other in kept)
            if lives and not doubled:
                kept.append(track)
            else:
                await self.engine.end(track.sequence)
                self._until_search = 0  # Look for a lost face at once.
        self._tracks = kept

    async def _move(self, track: _Track, region: FaceRegion, crop: NDArray[np.uint8], image: NDArray[np.uint8]) -> bool:
        """One step of one track; False when the face is lost."""
        to_crop = region.to_crop(CROP_SIZE)
        prior = to_crop.apply(track.points).astype(np.float32)
        start = not track.started
        result = await self.engine.step(
            track.sequence, crop, prior, start=start, resume=track.memory if start else None
        )
        track.started = True
        self._take(track, result, to_crop)
        if not self._lost(track, image, self.options.lost_below):
            return True
        # A quick movement may have left the prior behind: look once more without it.
        result = await self.engine.acquire(crop, self._mean_prior(), track.memory)
        self._take(track, result, to_crop)
        if self._lost(track, image, self.options.begin_above):
            return False
        await self.engine.end(track.sequence)
        track.sequence, track.started = _new_sequence(), False
        return True

    async def _search(self, image: NDArray[np.uint8]) -> None:
        """Detect when there is room for a face and it is time to."""
        room = self.options.max_faces - len(self._tracks)
        if room <= 0:
            return
        if self._until_search > 0:
            self._until_search -= 1
            return
        self._until_search = self.options.detect_every - 1
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self.workers, self.detector.detect, image)
        new = [d for d in found if all(d.box.iou(t.box) < SAME_FACE_IOU for t in self._tracks)]
        chosen = sorted(new, key=_preference, reverse=True)[:room]
        looks = await asyncio.gather(*(self._look(image, d.region) for d in chosen))
        for points, result in looks:
            self._begin(points, result, image)

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

    def _begin(self, points: NDArray[np.float64], result: StepResult, image: NDArray[np.uint8]) -> None:
        track = _Track(self._next_id, _new_sequence(), points, result.confidence, result.memory)
        doubled = any(track.box.iou(other.box) > SAME_FACE_IOU for other in self._tracks)
        if doubled or self._lost(track, image, self.options.begin_above):
            return
        self._next_id += 1
        self._tracks.append(track)

    async def _cut(self, image: NDArray[np.uint8], regions: list[FaceRegion]) -> list[NDArray[np.uint8]]:
        if not regions:
            return []
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self.workers, lambda: [cut_face(image, r) for r in regions])

    def _mean_prior(self) -> Array:
        return self.engine.info.scheme.mean_shape.astype(np.float32)

    @staticmethod
    def _take(track: _Track, result: StepResult, to_crop: Similarity) -> None:
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
