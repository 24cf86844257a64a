"""The last step of a frame: features that were asked for are added to its faces."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from red_align.crop import Picture
from red_align.errors import InvalidRequest
from red_align.features.alignment import align_face
from red_align.features.blinks import Eyes
from red_align.features.expression import Neutral, coefficients, expression_of, frontal, measures
from red_align.features.look_ahead import REACH, steady
from red_align.features.one_euro import OneEuro
from red_align.features.options import FeatureOptions, Smoothing
from red_align.features.pose import head_pose
from red_align.features.subsets import subset_of
from red_align.features.values import Expression, Pose
from red_align.frames import Face, FrameResult, Landmarks
from red_align.geometry import FaceBox
from red_align.schemes import NamedPoints, PointScheme

FORGET_S = 2.0
"""What is known of a track goes so long after its last frame; ids are not used again."""
Source = Callable[[], tuple[FrameResult, Picture | None] | None]
"""Gives the next result and its picture; None after the last."""


@dataclass(slots=True)
class _Known:
    """What is kept of one track from frame to frame."""

    time_s: float
    eyes: Eyes = field(default_factory=Eyes)
    neutral: Neutral = field(default_factory=Neutral)
    filter: OneEuro = field(default_factory=OneEuro)


class FeatureStage:
    """Adds features to the results of one clip or stream, in order; one thread at a time.

    Alignment and crop are of the points as the network gave them; pose and expression of the steadier ones, where these
    were asked for. Box and score are those of all points.

    Args:
        options: What is wanted.
        scheme: Of the model; all but the points as they are needs iBUG's 68.
        live: Whether there are no frames to look ahead at.

    Raises:
        InvalidRequest: The model has other points, there is no such subset, or a live stream is to look ahead.
    """

    def __init__(self, options: FeatureOptions, scheme: PointScheme, *, live: bool = False) -> None:
        if options.names and scheme.num_points != 68:
            raise InvalidRequest(f"features need a model of 68 points, this one has {scheme.num_points}")
        if live and options.smooth == Smoothing.LOOK_AHEAD:
            raise InvalidRequest("a live stream has no frames to look ahead at; smooth may be one_euro or none")
        self._options, self._scheme = options, scheme
        self._subset = subset_of(options.points, scheme)
        self._tracks: dict[int, _Known] = {}
        self._size = (0, 0)
        self._waiting: deque[FrameResult] = deque()
        self._behind = 0  # of those that wait, how many were given already
        self._over = False

    @property
    def points(self) -> NamedPoints:
        """The points that faces have after this step: the model's scheme or a subset."""
        return self._subset or self._scheme

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the features that faces have after this step."""
        return self._options.names

    @property
    def delay(self) -> int:
        """Frames that an answer waits for."""
        return REACH if self._options.smooth == Smoothing.LOOK_AHEAD else 0

    def now(self, result: FrameResult, picture: Picture | None, size: tuple[int, int] | None = None) -> FrameResult:
        """Add features to a result at once, without looking ahead.

        Args:
            result: The next one.
            picture: Its frame; needed for crops.
            size: Width and height of the frame, where there is no picture.
        """
        return self._described(self._first(result, picture, size))

    def next(self, source: Source, size: tuple[int, int] | None = None) -> FrameResult | None:
        """The next result with features; takes as many from the source as looking ahead needs.

        Args:
            source: Gives results and pictures.
            size: Width and height of the frames, where there are no pictures.

        Returns:
            The result; None after the last one.
        """
        while not self._over and len(self._waiting) <= self._behind + self.delay:
            taken = source()
            if taken is None:
                self._over = True
                break
            first = self._first(*taken, size)
            if not self.delay:
                return self._described(first)
            self._waiting.append(first)
        if self._behind >= len(self._waiting):
            return None
        result = self._steady(self._behind)
        if self._behind == REACH:
            self._waiting.popleft()
        else:
            self._behind += 1
        return self._described(result)

    def _first(self, result: FrameResult, picture: Picture | None, size: tuple[int, int] | None) -> FrameResult:
        """What needs the picture, or the past alone."""
        if picture is not None:
            self._size = (picture.shape[1], picture.shape[0])
        elif size is not None:
            self._size = size
        options = self._options
        euro = options.smooth == Smoothing.ONE_EURO
        if not result.faces or not (euro or options.wants("alignment", "crop")):
            return result
        faces = []
        for face in result.faces:
            points = face.landmarks.points
            if options.wants("alignment", "crop"):
                face = replace(face, alignment=align_face(points, picture if options.wants("crop") else None))
            if euro:
                unit = self._scheme.eye_distance(points)
                face = _moved(face, self._known(face, result.time_s).filter.update(points, unit, result.time_s))
            faces.append(face)
        return replace(result, faces=tuple(faces))

    def _steady(self, at: int) -> FrameResult:
        """One of the results that wait, with steadier points."""
        result = self._waiting[at]
        faces = tuple(_moved(face, self._steady_points(face, at)) for face in result.faces)
        return replace(result, faces=faces) if faces else result

    def _steady_points(self, face: Face, at: int) -> NDArray[np.float64]:
        points: list[NDArray[np.float64]] = []
        times: list[float] = []
        place = 0
        for number, other in enumerate(self._waiting):
            same = next((f for f in other.faces if f.track_id == face.track_id), None)
            if (same is None or same.reacquired) and number > at:
                break
            if same is None or same.reacquired:
                points, times = [], []
            if same is not None:
                place = len(points) if number == at else place
                points.append(np.asarray(same.landmarks.points, np.float64))
                times.append(other.time_s)
        return steady(np.stack(points), np.array(times), place, self._scheme.eye_distance(face.landmarks.points))

    def _described(self, result: FrameResult) -> FrameResult:
        """Pose, expression, and the points that are wanted."""
        options, subset = self._options, self._subset
        if not result.faces or not (subset is not None or options.wants("pose", "expression")):
            return result
        faces = []
        for face in result.faces:
            points, confidence = face.landmarks.points, face.landmarks.confidence
            if options.wants("pose", "expression"):
                pose = head_pose(points, *self._size, options.focal_px)
                wanted = options.wants("expression")
                expression = self._expression(face, pose, result.time_s) if pose is not None and wanted else None
                face = replace(face, pose=pose if options.wants("pose") else None, expression=expression)
            if subset is not None:
                face = replace(face, landmarks=Landmarks(subset.points(points), subset.confidence(confidence)))
            faces.append(face)
        return replace(result, faces=tuple(faces))

    def _expression(self, face: Face, pose: Pose, time_s: float) -> Expression:
        known = self._known(face, time_s)
        values = measures(frontal(face.landmarks.points, pose, *self._size))
        shares = coefficients(values, known.neutral.update(values, time_s - known.time_s))
        known.eyes.update(shares["eyeBlinkLeft"], shares["eyeBlinkRight"], time_s)
        known.time_s = time_s
        return expression_of(values, shares, (known.eyes.left, known.eyes.right), known.eyes.count)

    def _known(self, face: Face, time_s: float) -> _Known:
        known = self._tracks.get(face.track_id)
        if known is None:
            self._tracks = {number: k for number, k in self._tracks.items() if abs(time_s - k.time_s) < FORGET_S}
            known = self._tracks[face.track_id] = _Known(time_s)
        return known


def _moved(face: Face, points: NDArray[np.float64]) -> Face:
    """The face with other points, and the box around them."""
    return replace(face, box=FaceBox.around(points), landmarks=Landmarks(points, face.landmarks.confidence))
