"""The tracker: the faces of one clip or stream, followed frame by frame, in the caller's thread.

frame -> regions of the tracks -> crops -> engine -> points -> kept, rescued, lost, or another face
      -> room for a face and its turn? detect -> crop -> acquire -> new track, or one lost a moment ago -> features
"""

from __future__ import annotations

from time import perf_counter
from typing import Self

import numpy as np
from numpy.typing import NDArray

from red_align.crop import Picture, crop_face
from red_align.engine.base import Engine
from red_align.engine.default import default_engine
from red_align.errors import InvalidRequest, Overloaded, RedAlignError
from red_align.features.options import FeaturesLike
from red_align.frames import Frame, FrameResult, FrameStatus
from red_align.geometry import FaceRegion
from red_align.tracking import steps
from red_align.tracking.detector import Detection, Detector, default_detector
from red_align.tracking.lost import LostFaces
from red_align.tracking.options import FULL_ENGINE_FRAMES, USUAL_STEP_S, Observer, TrackingOptions, feature_stage
from red_align.tracking.rules import appearance_descriptor, is_identity_switch, unfit
from red_align.tracking.search import Search, choose
from red_align.tracking.state import TrackerState
from red_align.tracking.track import Track


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
        features: What faces are to have beside their points, see FeatureOptions.

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
        features: FeaturesLike = (),
    ) -> None:
        if max_faces < 1:
            raise InvalidRequest(f"max_faces is {max_faces}, it must be 1 or more")
        self.max_faces = max_faces
        self.engine = engine if engine is not None else default_engine()
        self.warnings: list[str] = []
        """What did not go as asked, each said once."""
        self._options = options or TrackingOptions()
        self._observe: Observer = observe or (lambda name, value: None)
        detector = detector if detector is not None else default_detector()
        self._search = Search(detector, self._options, self._observe)
        self._lost = LostFaces(2 * max_faces)
        self._tracks: list[Track] = []
        self._next_id = self._next_index = 0
        self._size: tuple[int, int] | None = None
        self._time_s: float | None = None  # of the last frame
        self._frame_s = 0.0  # of this one
        self._restored = False
        self._missing = 0  # faces that were lost and not found again
        self._stage = feature_stage(features, self.engine.info.scheme, live=True)

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
        next_s = 0.0 if self._time_s is None else self._time_s + USUAL_STEP_S
        return self.process(Frame(self._next_index, next_s if time_s is None else time_s, image))

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
        error = frame.error if image is None else unfit(frame, self._size, self._time_s)
        if image is None or error is not None:
            error = error or RedAlignError("the frame is missing")
            return FrameResult(frame.index, frame.time_s, FrameStatus.ERROR, error=error)
        # A new segment's clock begins anew; its first frame follows the last one of before.
        gap_s = 0.0 if self._time_s is None else frame.time_s - self._time_s
        self._size, self._time_s, self._frame_s = (image.shape[1], image.shape[0]), frame.time_s, frame.time_s
        if self._lost:
            self._lost.forget(frame.time_s)
        if self._tracks:
            self._follow(image, gap_s)
        if len(self._tracks) < self.max_faces and self._search.is_due(following=bool(self._tracks)):
            self._find(image)
        faces = tuple(track.face() for track in self._tracks)
        resumed = self._restored or any(track.resumed for track in self._tracks)
        self._restored = False
        result = FrameResult(frame.index, frame.time_s, faces=faces, resumed=resumed)
        return self._stage.now(result, image) if self._stage is not None else result

    def state(self, next_index: int | None = None) -> TrackerState:
        """What the tracker is after its last frame.

        Args:
            next_index: Number of the frame that comes next; by default one more than the last one's.

        Returns:
            A plain value to continue from, here or elsewhere.
        """
        tracks = tuple(track.state() for track in self._tracks)
        index = self._next_index if next_index is None else next_index
        search, lost = self._search, self._lost.faces
        return TrackerState(
            tracks, self._next_id, index, self._size, search.since, self._time_s, search.since_turned, search.turn, lost
        )

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
        search, self._time_s = self._search, state.time_s if same_clock else None
        search.since, search.since_turned, search.turn = state.since_search, state.since_turned, state.turn
        self._lost = LostFaces(2 * self.max_faces, state.lost if same_clock else ())
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
        features: FeaturesLike = (),
    ) -> Self:
        """A tracker that goes on where another one stood, with the same points as if it were that one.

        Args:
            state: What ``state`` gave.
            max_faces: See Tracker.
            engine: See Tracker.
            detector: See Tracker.
            options: See Tracker.
            features: See Tracker; smoothing, blinks and a person's neutral face begin anew.

        Returns:
            The new tracker; its first frame follows the last one of the other.
        """
        tracker = cls(max_faces, engine=engine, detector=detector, options=options, features=features)
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

    def _follow(self, image: Picture, gap_s: float) -> None:
        """Move every track to this frame; drop those that are lost."""
        last = {track: track.lead(gap_s) for track in self._tracks}
        moved = self._step(image)
        alive = steps.recover(self.engine, image, moved, self._options)
        kept: list[Track] = []
        for before, crop in moved:
            if before in alive:
                track = self._same_face(before, crop, last[before], image, gap_s)
            else:
                track = self._found_again(before, [before.region], last[before], image, gap_s)
            doubled = track is not None and track.overlaps(kept)
            if track is not None and not doubled:
                kept.append(track)
            else:
                self._search.at_once(last[before].angle)
                self._observe("track_lost", 1)
                self._missing += not doubled
            if track is not before and not doubled:
                self._lost.add(before, last[before], self._frame_s - gap_s)
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
                track.starts = track.resumed = track.reacquired = False
                track.update(answer)
                moved.append((track, crop))
        return moved

    def _leave_out(self, why: Overloaded) -> None:
        """A new face found no slot in the engine: those that are followed go on without it."""
        self._search.pause(FULL_ENGINE_FRAMES)
        self._observe("face_refused", 1)
        warning = f"further faces were left out: {why.message}"
        if warning not in self.warnings:
            self.warnings.append(warning)

    def _same_face(
        self, track: Track, crop: NDArray[np.uint8], last: FaceRegion, image: Picture, gap_s: float
    ) -> Track | None:
        """The track, moved on; a new one where the picture was cut to another face; None where that is no face."""
        cut = (crop, track.region)
        track.advance(self.engine.info.scheme, last, gap_s)
        appearance = appearance_descriptor(image, track.region, cut)
        if not is_identity_switch(track.appearance, appearance, gap_s):
            track.appearance = appearance
            return track
        here = track.region
        if self._found_again(track, [here, cut[1]], last, image, gap_s) is not None:
            return track
        return self._begun(steps.find_faces(self.engine, image, [here])[0], image)

    def _found_again(
        self, track: Track, regions: list[FaceRegion], last: FaceRegion, image: Picture, gap_s: float
    ) -> Track | None:
        """The track, gone on from where it is found in these regions; None where it is not."""
        threshold = self._options.track_activation_threshold
        found = steps.find_again(self.engine, image, track, regions, last, threshold)
        if found is None:
            return None
        track.take_over(found, last, gap_s)
        return track

    def _find(self, image: Picture) -> None:
        """Detect, and begin tracks; turned, too, where none is followed then."""
        self._begin(self._search.upright(image, None if self._tracks else self.max_faces), image)
        if not self._tracks:
            for found in self._search.turned(image):
                self._begin(found, image)
                if self._tracks:
                    break
        self._search.found(something=bool(self._tracks))

    def _begin(self, found: list[Detection], image: Picture) -> None:
        """Begin tracks of what was detected, as far as there is room."""
        chosen = choose(found, self._tracks, self.max_faces - len(self._tracks))
        for candidate in steps.find_faces(self.engine, image, [detection.region for detection in chosen]):
            track = self._begun(candidate, image)
            if track is not None and not track.overlaps(self._tracks):
                self._tracks.append(track)
                if self._missing:
                    self._missing -= 1
                    self._observe("track_redetected", 1)
        self._tracks.sort(key=lambda track: track.track_id)

    def _begun(self, track: Track, image: Picture) -> Track | None:
        """A found face with a number: that of one lost a moment ago, or a new one; None where it is hardly a face."""
        if track.is_lost(image, self._options.track_activation_threshold):
            return None
        track.appearance = appearance_descriptor(image, track.region)
        again = self._lost.take(track.region, track.appearance, self._frame_s) if self._lost else None
        if again is not None:
            track.track_id, track.reacquired = again.track_id, True
            return track
        track.track_id, self._next_id = self._next_id, self._next_id + 1
        self._observe("track_begun", 1)
        return track
