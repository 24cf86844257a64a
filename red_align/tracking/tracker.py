"""The tracker: the faces of one clip or stream, followed frame by frame, in the caller's thread.

frame -> regions of the tracks -> crops -> engine -> points -> kept, lost, or another face
      -> room for a face and its turn? detect -> crop -> acquire -> new track
"""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter
from typing import Self

import numpy as np
from numpy.typing import NDArray

from red_align.crop import Picture, crop_face
from red_align.engine.base import Engine
from red_align.engine.default import default_engine
from red_align.errors import FrameSizeChanged, InvalidRequest, Overloaded, RedAlignError, TimestampNotGrowing
from red_align.frames import Frame, FrameResult, FrameStatus
from red_align.tracking import steps
from red_align.tracking.detector import Detection, Detector, default_detector, detect
from red_align.tracking.options import Observer, TrackingOptions
from red_align.tracking.rules import appearance_descriptor, is_identity_switch
from red_align.tracking.state import TrackerState
from red_align.tracking.track import Track

NEVER = 1 << 30
"""Frames since a search that was never made."""
SAME_FACE_IOU = 0.4
"""Two boxes that overlap more than this show the same face."""
FULL_ENGINE_FRAMES = 50
"""Frames without a search for further faces after the engine had no slot for one."""
USUAL_STEP_S = 0.04
"""Time between two frames where the caller names none."""


class Tracker:
    """Follows the faces of one clip, camera or stream: each frame in turn, in one thread at a time.

    Recurrent memory is the engine's, keyed by a sequence of each face; all else is in here and can be taken out as a
    plain value (``state``) and gone on with anywhere (``from_state``).

    Args:
        max_faces: Most faces to follow at once.
        engine: Who runs the network; by default one that all trackers of the process share.
        detector: Who finds faces; by default YuNet, shared likewise.
        options: Thresholds and intervals.
        observe: Called for what is counted and timed.

    Example:
        >>> import cv2
        >>> import red_align
        >>> camera = cv2.VideoCapture("clip.mp4")  # or 0: the first camera
        >>> with red_align.Tracker(max_faces=2) as tracker:
        ...     for index in range(5):
        ...         _, bgr = camera.read()
        ...         result = tracker.track(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), time_s=index / 30)
        >>> result.index, result.faces[0].landmarks.points.shape
        (4, (68, 2))
    """

    def __init__(
        self,
        max_faces: int = 1,
        *,
        engine: Engine | None = None,
        detector: Detector | None = None,
        options: TrackingOptions | None = None,
        observe: Observer | None = None,
    ) -> None:
        if max_faces < 1:
            raise InvalidRequest(f"max_faces is {max_faces}, it must be 1 or more")
        self.max_faces = max_faces
        self.engine = engine if engine is not None else default_engine()
        self.warnings: list[str] = []
        """What did not go as asked, each said once."""
        self._detector = detector if detector is not None else default_detector()
        self._options = options or TrackingOptions()
        self._observe: Observer = observe or (lambda name, value: None)
        self._tracks: list[Track] = []
        self._next_id = self._next_index = 0
        self._size: tuple[int, int] | None = None
        self._since_search = NEVER
        self._time_s: float | None = None  # of the last frame
        self._restored = False
        self._missing = 0  # faces that were lost and not found again

    def track(self, image: NDArray[np.uint8], time_s: float | None = None) -> FrameResult:
        """Follow all faces to the next frame, and search for more where there is room.

        Args:
            image: The upright frame, RGB uint8 [H, W, 3]; all frames have one size.
            time_s: Its time in seconds, later than the last one's; by default 0.04 s after it.

        Returns:
            The frame's faces. A frame of another size, or that is not later, has status ``error`` and says why; the
            tracker stays as it was.

        Raises:
            InvalidRequest: The image is no uint8 [H, W, 3].
        """
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
            raise InvalidRequest(f"a frame is RGB uint8 [H, W, 3], this one {image.dtype} {list(image.shape)}")
        if time_s is None:
            time_s = 0.0 if self._time_s is None else self._time_s + USUAL_STEP_S
        return self.process(Frame(self._next_index, time_s, image))

    def process(self, frame: Frame) -> FrameResult:
        """As ``track``, for a numbered frame or one that did not decode.

        Args:
            frame: RGB uint8 [H, W, 3] or planes, with number and time, or the error that it has instead.

        Returns:
            The frame's faces; a frame that cannot be processed has status ``error`` and says why.

        Raises:
            RedAlignError: The engine failed, such as Overloaded where it has no slot for the first face.
        """
        self._next_index = frame.index + 1
        image = frame.picture
        error = frame.error if image is None else self._unfit(frame, image)
        if image is None or error is not None:
            error = error or RedAlignError("the frame is missing")
            return FrameResult(frame.index, frame.time_s, FrameStatus.ERROR, error=error)
        # A new segment's clock begins anew; its first frame follows the last one of before.
        gap_s = 0.0 if self._time_s is None else frame.time_s - self._time_s
        self._size, self._time_s = (image.shape[1], image.shape[0]), frame.time_s
        if self._tracks:
            self._follow(image, gap_s)
        if len(self._tracks) < self.max_faces:
            self._search(image)
        faces = tuple(track.face() for track in self._tracks)
        resumed = self._restored or any(track.resumed for track in self._tracks)
        self._restored = False
        return FrameResult(frame.index, frame.time_s, faces=faces, resumed=resumed)

    def state(self, next_index: int | None = None) -> TrackerState:
        """What the tracker is after its last frame.

        Args:
            next_index: Number of the frame that comes next; by default one more than the last one's.

        Returns:
            A plain value to continue from, here or elsewhere.
        """
        tracks = tuple(track.state() for track in self._tracks)
        index = self._next_index if next_index is None else next_index
        return TrackerState(tracks, self._next_id, index, self._size, self._since_search, self._time_s)

    def restore(self, state: TrackerState, *, same_clock: bool = True, resumed: bool = True) -> None:
        """Go on from a state, before the first frame.

        Args:
            state: Of any tracker with the same model.
            same_clock: Whether times go on to grow from there; else they begin anew.
            resumed: Whether the first answer says so.
        """
        scheme = self.engine.info.scheme
        self._tracks = [Track.restored(track, scheme) for track in state.tracks[: self.max_faces]]
        self._next_id, self._next_index, self._size = state.next_id, state.next_index, state.size
        self._since_search, self._time_s = state.since_search, state.time_s if same_clock else None
        self._restored = resumed and bool(self._tracks)

    @classmethod
    def from_state(
        cls,
        state: TrackerState,
        max_faces: int = 1,
        *,
        engine: Engine | None = None,
        detector: Detector | None = None,
        options: TrackingOptions | None = None,
    ) -> Self:
        """A tracker that goes on where another one stood, with the same points as if it were that one.

        Args:
            state: What ``state`` gave.
            max_faces: See Tracker.
            engine: See Tracker.
            detector: See Tracker.
            options: See Tracker.

        Returns:
            The new tracker; its first frame follows the last one of the other.
        """
        tracker = cls(max_faces, engine=engine, detector=detector, options=options)
        tracker.restore(state)
        return tracker

    def close(self) -> None:
        """Give back the engine's slots; safe to call twice."""
        tracks, self._tracks = self._tracks, []
        for track in tracks:
            self.engine.end(track.sequence)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _unfit(self, frame: Frame, image: Picture) -> RedAlignError | None:
        """Why a frame cannot follow the last one."""
        if self._time_s is not None and not frame.time_s > self._time_s:
            message = f"frame {frame.index} is at {frame.time_s:g} s, the last one was at {self._time_s:g} s"
            return TimestampNotGrowing(message)
        height, width = image.shape[:2]
        if self._size is not None and self._size != (width, height):
            began = f"{self._size[0]}x{self._size[1]}"
            return FrameSizeChanged(f"frame {frame.index} is {width}x{height}, the stream began with {began}")
        return None

    def _follow(self, image: Picture, gap_s: float) -> None:
        """Move every track to this frame; drop those that are lost."""
        moved = self._step(image)
        alive = self._recover(image, moved)
        kept: list[Track] = []
        for before, crop in moved:
            track = self._same_face(before, crop, image, gap_s) if before in alive else None
            doubled = track is not None and _overlaps(track, kept)
            if track is not None and not doubled:
                kept.append(track)
            else:
                self._since_search = NEVER  # Search for a lost face at once.
                self._observe("track_lost", 1)
                self._missing += not doubled
            if track is not before or doubled:
                self.engine.end(before.sequence)
        self._tracks = kept

    def _step(self, image: Picture) -> list[tuple[Track, NDArray[np.uint8]]]:
        """One network step of every track.

        Returns:
            The tracks and their crops, without new faces that the engine has no slot for.
        """
        pairs = [(track, crop_face(image, track.region)) for track in self._tracks]
        began = perf_counter()
        answers = steps.step(self.engine, pairs)
        self._observe("step_s", perf_counter() - began)
        moved = []
        for (track, crop), answer in zip(pairs, answers, strict=True):
            if isinstance(answer, Overloaded) and track.starts and len(pairs) > 1:
                self._leave_out(answer)
            elif isinstance(answer, RedAlignError):
                raise answer
            else:
                track.starts = track.resumed = False
                track.update(answer)
                moved.append((track, crop))
        return moved

    def _leave_out(self, why: Overloaded) -> None:
        """A new face found no slot in the engine: those that are followed go on without it."""
        self._since_search = -FULL_ENGINE_FRAMES
        self._observe("face_refused", 1)
        warning = f"further faces were left out: {why.message}"
        if warning not in self.warnings:
            self.warnings.append(warning)

    def _recover(self, image: Picture, moved: Sequence[tuple[Track, NDArray[np.uint8]]]) -> set[Track]:
        """The tracks that are alive, those among them that seemed lost and were acquired once more.

        A quick movement may have left the prior behind, so the second try is without it.
        """
        options = self._options
        lost = [pair for pair in moved if pair[0].is_lost(image, options.track_lost_threshold)]
        alive = {track for track, _ in moved} - {track for track, _ in lost}
        again = steps.acquire(self.engine, [crop for _, crop in lost], [track.memory for track, _ in lost])
        for (track, _), result in zip(lost, again, strict=True):
            track.update(result)
            if not track.is_lost(image, options.track_activation_threshold):
                track.starts = True
                alive.add(track)
        return alive

    def _same_face(self, track: Track, crop: NDArray[np.uint8], image: Picture, gap_s: float) -> Track | None:
        """The track, moved on; a new one where the picture was cut to another face; None where that is no face."""
        cut = (crop, track.region)
        track.advance(self.engine.info.scheme)
        appearance = appearance_descriptor(image, track.region, cut)
        if is_identity_switch(track.appearance, appearance, gap_s):
            return self._begun(steps.find_faces(self.engine, image, [track.region])[0], image)
        track.appearance = appearance
        return track

    def _search(self, image: Picture) -> None:
        """Detect when it is time to, and begin tracks."""
        self._since_search = min(self._since_search + 1, NEVER)
        if self._since_search < (self._options.detect_every if self._tracks else self._options.search_every):
            return
        self._since_search = 0
        began = perf_counter()
        # Beside faces that are followed, a new one may be any; among none, the largest are all that is asked for.
        found = detect(self._detector, image, None if self._tracks else self.max_faces)
        self._observe("detect_s", perf_counter() - began)
        new = [d for d in found if all(d.box.iou(t.box) < SAME_FACE_IOU for t in self._tracks)]
        chosen = sorted(new, key=_preference, reverse=True)[: self.max_faces - len(self._tracks)]
        for candidate in steps.find_faces(self.engine, image, [detection.region for detection in chosen]):
            track = self._begun(candidate, image)
            if track is not None and not _overlaps(track, self._tracks):
                self._tracks.append(track)
                if self._missing:
                    self._missing -= 1
                    self._observe("track_redetected", 1)

    def _begun(self, track: Track, image: Picture) -> Track | None:
        """A found face with an id of its own; None where there is no face to be sure of."""
        if track.is_lost(image, self._options.track_activation_threshold):
            return None
        track.appearance = appearance_descriptor(image, track.region)
        track.track_id, self._next_id = self._next_id, self._next_id + 1
        self._observe("track_begun", 1)
        return track


def _overlaps(track: Track, others: Sequence[Track]) -> bool:
    return any(track.box.iou(other.box) > SAME_FACE_IOU for other in others)


def _preference(detection: Detection) -> tuple[float, float]:
    """The largest face first, then the best score; sizes within a sixteenth count as equal."""
    return (round(4 * np.log2(max(detection.box.area, 1.0))), detection.score)
