"""A clip's faces, frame by frame."""

from __future__ import annotations

import os
import sys
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from red_align.clip.parallel import ParallelRun, open_parallel
from red_align.clip.prefetch import Prefetch
from red_align.clip.sources import IsolatedSource, LocalSource, Source
from red_align.conversion import to_rgb
from red_align.crop import Picture
from red_align.engine.base import Engine
from red_align.errors import InvalidRequest
from red_align.features.options import FeatureOptions, FeaturesLike
from red_align.frames import Frame, FrameResult, StreamEnd, VideoInfo
from red_align.media.reader import DecodeLimits, Reader
from red_align.schemes import NamedPoints
from red_align.tracking.detector import Detector
from red_align.tracking.options import TrackingOptions, feature_stage
from red_align.tracking.tracker import Tracker

if TYPE_CHECKING:
    from red_align.tracking.feature_stage import FeatureStage

PathLike = str | os.PathLike[str]
Tracked = Callable[[], tuple[FrameResult, Picture | None] | None]
"""Gives the next result and its picture; None after the last one."""


class ClipTrack(Iterator[FrameResult]):
    """The faces of one clip, frame by frame, as ``red_align.track`` gives them: an iterator of FrameResult.

    It frees what it holds (file, decoding thread, slots of the engine) after the last frame, after an error, by
    ``close``, at the end of a ``with`` block, and when it is no longer referenced.

    Args:
        reader: The opened file; closed with the iterator.
        tracker: Tracks its faces; closed with the iterator.
        stride: Every stride-th frame is processed.
        stage: Adds features to results; None where none are wanted.

    Example:
        >>> import red_align
        >>> with red_align.track("clip.mp4", max_faces=2) as clip:
        ...     for result in clip:
        ...         picture = red_align.draw(clip.image, result)
        >>> clip.video.width, clip.video.height, clip.end.frame_count, clip.end.complete
        (176, 144, 120, True)
    """

    _stage: FeatureStage | None = None

    def __init__(self, reader: Reader, tracker: Tracker, stride: int = 1, stage: FeatureStage | None = None) -> None:
        self._reader, self._tracker, self._stage = reader, tracker, stage
        self._frames, self._ahead = Prefetch(reader, stride), deque[Frame]()
        self._frame: Frame | None = None
        self._image: NDArray[np.uint8] | None = None
        self._count, self._exhausted = 0, False
        self._release: weakref.finalize[..., ClipTrack] = weakref.finalize(
            self, _close_both, self._frames.close, tracker.close
        )

    @property
    def video(self) -> VideoInfo:
        """Size of the upright frames in pixels, and frames a second; known before the first frame."""
        return self._reader.info

    @property
    def scheme(self) -> NamedPoints:
        """The points that faces have: those of the model, such as the 68 of iBUG, or a subset; name and number."""
        return self._tracker.engine.info.scheme if self._stage is None else self._stage.points

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the features that faces have beside their points, such as ``pose``."""
        return () if self._stage is None else self._stage.names

    @property
    def image(self) -> NDArray[np.uint8]:
        """The frame of the last result, RGB uint8 [H, W, 3]; good until the next result is taken.

        Raises:
            InvalidRequest: No result was taken yet.
        """
        if self._image is None and self._frame is not None:
            planes = self._frame.planes
            self._image = self._frame.image if planes is None else to_rgb(planes)
        if self._image is None:
            raise InvalidRequest("no frame was processed yet")
        return self._image

    @property
    def end(self) -> StreamEnd:
        """How the clip ended; while frames are left, or where it was closed before them, it is not complete.

        ``warnings`` say what could not be read, and which faces were left out because the engine had no slot for them.
        """
        complete = self._exhausted and self._reader.complete
        return StreamEnd(complete, self._count, (*self._reader.warnings, *self._tracker.warnings))

    def __next__(self) -> FrameResult:
        try:
            result = _next(self._tracked, self._stage)
            if result is not None:
                self._frame, self._image, self._count = self._ahead.popleft(), None, self._count + 1
                return result
            self._exhausted = self._exhausted or self._release.alive
        except BaseException:
            self.close()
            raise
        self.close()
        raise StopIteration

    def _tracked(self) -> tuple[FrameResult, Picture | None] | None:
        """The next frame's result, without features; None after the last."""
        frame = self._frames.next()
        if frame is None:
            return None
        result = self._tracker.process(frame)
        # Its memory is good until the next frame is taken, which may be before its result is given.
        self._ahead.append(_kept(frame) if self._stage is not None and self._stage.delay else frame)
        return result, frame.picture

    def close(self) -> None:
        """Free file, decoding thread and slots of the engine; safe to call twice."""
        self._release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class ParallelClipTrack(ClipTrack):
    """As ClipTrack, for a clip whose chunks are tracked side by side; its images are not kept.

    Args:
        run: Tracks the chunks; closed with the iterator.
        tracker: Tells the scheme.
        stage: See ClipTrack.
    """

    def __init__(self, run: ParallelRun, tracker: Tracker, stage: FeatureStage | None = None) -> None:
        self._run, self._tracker, self._stage = run, tracker, stage
        self._image, self._count, self._exhausted = None, 0, False
        self._release = weakref.finalize(self, run.close)

    @property
    def video(self) -> VideoInfo:
        """See ClipTrack."""
        return self._run.video

    @property
    def image(self) -> NDArray[np.uint8]:
        """Not to be had. Raises InvalidRequest."""
        raise InvalidRequest("a clip that is tracked in parallel keeps no images")

    @property
    def end(self) -> StreamEnd:
        """See ClipTrack."""
        return StreamEnd(self._exhausted and self._run.complete, self._count, tuple(self._run.warnings))

    def __next__(self) -> FrameResult:
        try:
            result = _next(self._tracked, self._stage, (self.video.width, self.video.height))
        except BaseException:
            self.close()
            raise
        if result is not None:
            self._count += 1
            return result
        self._exhausted = self._exhausted or self._release.alive
        self.close()
        raise StopIteration

    def _tracked(self) -> tuple[FrameResult, Picture | None] | None:
        """See ClipTrack."""
        result = self._run.next()
        return None if result is None else (result, None)


def track(
    source: PathLike,
    *,
    max_faces: int = 1,
    stride: int = 1,
    engine: Engine | None = None,
    detector: Detector | None = None,
    options: TrackingOptions | None = None,
    limits: DecodeLimits | None = None,
    isolated: bool = False,
    parallel: int = 1,
    features: FeaturesLike = (),
) -> ClipTrack:
    """Track the faces of a clip, frame by frame.

    The file is opened at once and read as results are taken: of a clip of any length two frames are in memory, and the
    next one decodes in a thread while this one is processed.

    Args:
        source: Path of a video, an image or an animated image; its content says what it is, not its name.
        max_faces: Most faces to track at once, 1 or more.
        stride: Every stride-th frame is processed, 1 or more.
        engine: Runs the network; by default ONNX Runtime on the CPU, one engine shared by the whole process.
        detector: Finds faces; by default YuNet, shared likewise.
        options: Thresholds and intervals of tracking.
        limits: Bounds of decoding; by default frames of up to 50 megapixels.
        isolated: Decode in a process of its own, so that a file that crashes a codec harms nothing else. Linux only.
        parallel: Parts of a long video that are tracked side by side, at most; 1 for none. Points then differ a little
            behind joints, ``image`` is not to be had, and the default engine is another one. Crops need one part.
        features: What faces are to have beside their points, such as ``"pose,expression"``; FeatureOptions for fewer or
            steadier points. Smoothing by look-ahead gives results four frames later.

    Returns:
        An iterator of FrameResult. Points and boxes are in pixels of the upright frame, float64; (0, 0) is the centre
        of the top-left pixel. ``video`` is known at once, ``end`` after the last frame: a file that breaks off gives
        the frames that decode, ``end.complete`` is then False and ``end.warnings`` say why.

    Raises:
        FileNotFoundError: There is no such file.
        InvalidRequest: An argument is out of range; also the base of the following.
        UnreadableMedia: The file is neither a video nor an image that can be opened.
        NoVideoStream: It holds no pictures, such as sound alone.
        NoFrames: None of its frames decodes.
        TooLarge: A frame has more pixels than ``limits`` allow.
        Overloaded: (From the iterator) the engine has no slot for the first face.

    Example:
        >>> import red_align
        >>> for result in red_align.track("clip.mp4"):
        ...     for face in result.faces:
        ...         nose = face.landmarks.points[30]
        >>> nose.dtype, nose.shape
        (dtype('float64'), (2,))
    """
    if stride < 1:
        raise InvalidRequest(f"stride is {stride}, it must be 1 or more")
    if parallel < 1:
        raise InvalidRequest(f"parallel is {parallel}, it must be 1 or more")
    wanted = FeatureOptions.of(features)
    tracker = _tracker(max_faces, engine, detector, options)
    stage = feature_stage(wanted, tracker.engine.info.scheme)
    parallel = 1 if wanted.wants("crop") else parallel
    clip = (_isolated if isolated else _local)(Path(source), limits or DecodeLimits(), stride)
    run = open_parallel(clip, parallel, lambda: _tracker(max_faces, engine, detector, options), stride)
    return ClipTrack(clip.open(), tracker, stride, stage) if run is None else ParallelClipTrack(run, tracker, stage)


def _tracker(faces: int, engine: Engine | None, detector: Detector | None, options: TrackingOptions | None) -> Tracker:
    return Tracker(faces, engine=engine, detector=detector, options=options)


def _local(path: Path, limits: DecodeLimits, stride: int) -> Source:
    return LocalSource(path, limits)


def _isolated(path: Path, limits: DecodeLimits, stride: int) -> Source:
    if sys.platform != "linux":
        raise InvalidRequest("isolated decoding needs Linux")
    from red_align.media.decode_pool import DecodePool  # Needs modules that other systems lack.

    with path.open("rb"):  # What cannot be opened is an OSError, as without isolation.
        pass
    return IsolatedSource(DecodePool(kept=0), path, limits, stride)


def _next(tracked: Tracked, stage: FeatureStage | None, size: tuple[int, int] | None = None) -> FrameResult | None:
    """The next result, with features where they are wanted."""
    if stage is not None:
        return stage.next(tracked, size)
    taken = tracked()
    return None if taken is None else taken[0]


def _kept(frame: Frame) -> Frame:
    """The frame with memory of its own."""
    if frame.planes is None:
        return frame if frame.image is None else replace(frame, image=frame.image.copy())
    y, u, v = (plane.copy() for plane in (frame.planes.y, frame.planes.u, frame.planes.v))
    return replace(frame, planes=replace(frame.planes, y=y, u=u, v=v))


def _close_both(frames: Callable[[], None], tracker: Callable[[], None]) -> None:
    try:
        frames()
    finally:
        tracker()
