"""A whole clip's landmarks as arrays."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from red_align.clip.columns import TrackColumns
from red_align.clip.feature_columns import FeatureColumns
from red_align.clip.tracking import PathLike, track
from red_align.engine.base import Engine
from red_align.features.options import FeatureOptions, FeaturesLike
from red_align.features.values import Pose
from red_align.frames import FrameResult, FrameStatus, StreamEnd, VideoInfo
from red_align.media.reader import DecodeLimits
from red_align.media.serialization import COLUMNS
from red_align.tracking.detector import Detector
from red_align.tracking.options import TrackingOptions

if TYPE_CHECKING:
    import pandas as pd

NO_TRACK = -1
"""Track id where a column holds no face."""


@dataclass(frozen=True, slots=True, eq=False)
class ClipLandmarks:
    """The landmarks of a whole clip: T frames, F faces at once, L points (68).

    A column is not a track id: F is ``max_faces``, and a face keeps the column that it began in for as long as it is
    tracked; after that a new face may take it. With ``max_faces=1`` column 0 holds whichever face is tracked.
    ``track_ids`` say which track a column holds in a frame, so that ``points[track_ids == 3]`` are all points of
    track 3, [n, L, 2].

    Attributes:
        points: float64 [T, F, L, 2], x and y in pixels of the upright frame, (0, 0) the centre of the top-left pixel;
            NaN where a column holds no face.
        confidence: float32 [T, F, L], 0 to 1, of each point; NaN where there is no face.
        boxes: float64 [T, F, 4], x, y, width and height of the tight box of the points in pixels; NaN likewise.
        scores: float64 [T, F], mean confidence of the points, 0 to 1; NaN likewise.
        track_ids: int64 [T, F]; -1 where there is no face.
        reacquired: bool [T, F]; where a face that was lost is found again in this frame under its track id.
        times: float64 [T], seconds from the first frame of the clip.
        index: int64 [T], number of the frame in the clip, from 0; a stride leaves some out.
        status: str [T], ``ok``, or ``error`` for a frame that could not be processed, such as one of another size.
        video: Size and rate of the clip.
        complete: Whether the clip was read to its end.
        warnings: What could not be read, and which faces were left out.
        pose: float64 [T, F, 6], yaw, pitch, roll (degrees) and translation (mm), see Pose; NaN where there is no face;
            None where it was not asked for, as with the next three.
        expression: float64 [T, F] by name: openings, ``eye_closed_left`` ..., ``blink_count`` and coefficients, see
            Expression; NaN likewise.
        alignment: float64 [T, F, 2, 3], from the frame to the crop, see Alignment; NaN likewise.
        crops: For each frame and column the aligned crop as a JPEG; empty where there is no face.

    Example:
        >>> import numpy as np
        >>> import red_align
        >>> clip = red_align.align("clip.mp4")
        >>> clip.points.shape
        (120, 1, 68, 2)
        >>> mouth_opening = np.linalg.norm(clip.points[:, 0, 66] - clip.points[:, 0, 62], axis=1)
        >>> mouth_opening.shape
        (120,)
    """

    points: NDArray[np.float64]
    confidence: NDArray[np.float32]
    boxes: NDArray[np.float64]
    scores: NDArray[np.float64]
    track_ids: NDArray[np.int64]
    reacquired: NDArray[np.bool_]
    times: NDArray[np.float64]
    index: NDArray[np.int64]
    status: NDArray[np.str_]
    video: VideoInfo
    complete: bool
    warnings: tuple[str, ...]
    pose: NDArray[np.float64] | None = None
    expression: dict[str, NDArray[np.float64]] | None = None
    alignment: NDArray[np.float64] | None = None
    crops: tuple[tuple[bytes, ...], ...] | None = None

    def to_pandas(self) -> pd.DataFrame:
        """The landmarks as a table with OpenFace's columns, those of the CSV files of ``red-align``.

        Returns:
            One row a face and frame, in order of time: ``frame`` (int64, from 1), ``face_id`` (int64, the track id),
            ``timestamp`` (float64, seconds), ``confidence`` (float64, the face's score, 0 to 1), ``success`` (int64,
            1), then the head's pose as OpenFace has it (``pose_Tx`` ..., mm, and ``pose_Rx`` ..., radians; float64, NaN
            where there are fewer than 68 points), ``x_0`` ... and ``y_0`` ... (float64, pixels as in ``points``),
            ``reacquired`` (int64, 0 or 1), and the columns of features (float64): ``pose_yaw`` ...,
            ``eye_opening_left`` ..., ``align_0`` ....
            A frame without a face has one row with face_id -1, success 0, reacquired 0, and NaN for the rest, where the
            CSV files have zeros.

        Raises:
            ImportError: pandas is not installed.

        Example:
            >>> import red_align
            >>> table = red_align.align("clip.mp4", max_faces=2).to_pandas()
            >>> nose = table.query("success == 1").groupby("face_id")[["x_30", "y_30"]].mean()
            >>> list(table.columns[:6])
            ['frame', 'face_id', 'timestamp', 'confidence', 'success', 'pose_Tx']
        """
        try:
            import pandas as pd
        except ImportError as error:
            raise ImportError("to_pandas needs pandas: pip install 'red-align[pandas]'") from error
        from red_align.features.openface import POSE  # What of features is not asked for is not loaded.

        present = self.track_ids != NO_TRACK
        # A frame without a face has its row too, from its first column, where everything is NaN.
        rows = present.copy()
        rows[:, 0] |= ~present.any(axis=1)
        frame, column = np.nonzero(rows)
        num_points = self.points.shape[2]
        head: dict[str, NDArray[Any]] = {
            "frame": self.index[frame] + 1,
            "face_id": self.track_ids[frame, column],
            "timestamp": self.times[frame],
            "confidence": self.scores[frame, column],
            "success": present[frame, column].astype(np.int64),
        }

        poses = [self._openface_pose(*place) for place in zip(frame.tolist(), column.tolist(), strict=True)]
        head |= dict(zip(POSE, np.array(poses, np.float64).T, strict=True))
        names = [f"{axis}_{i}" for axis in "xy" for i in range(num_points)]
        values = self.points[frame, column].transpose(0, 2, 1).reshape(len(frame), 2 * num_points)
        tail: dict[str, NDArray[Any]] = {"reacquired": self.reacquired[frame, column].astype(np.int64)}
        tail |= {name: values[frame, column] for name, values in self._tables()}
        return pd.concat([pd.DataFrame(head), pd.DataFrame(values, columns=names), pd.DataFrame(tail)], axis=1)

    def _openface_pose(self, frame: int, column: int) -> list[float]:
        from red_align.features.openface import POSE, openface_pose

        pose = None
        if self.pose is not None:
            yaw, pitch, roll, *translation = self.pose[frame, column].tolist()
            pose = Pose(yaw, pitch, roll, np.array(translation), math.nan)

        found = openface_pose(self.points[frame, column], pose, self.video.width, self.video.height)
        return found or [math.nan] * len(POSE)

    def _tables(self) -> Iterator[tuple[str, NDArray[np.float64]]]:
        """Names and values [T, F] of the features, without crops; the focal length is not kept."""
        if self.pose is not None:
            yield from ((name, self.pose[:, :, i]) for i, name in enumerate(COLUMNS["pose"][:6]))
        if self.expression is not None:
            yield from self.expression.items()
        if self.alignment is not None:
            flat = self.alignment.reshape(*self.alignment.shape[:2], 6)
            yield from ((name, flat[:, :, i]) for i, name in enumerate(COLUMNS["alignment"]))


def align(
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
) -> ClipLandmarks:
    """Track the faces of a whole clip.

    Landmarks are kept, about 1.4 kB a frame and face, and no images; for clips of any length see ``red_align.track``.

    Args:
        source: Path of a video, an image or an animated image; its content says what it is, not its name.
        max_faces: Most faces to track at once, 1 or more: the columns of the arrays.
        stride: Every stride-th frame is processed, 1 or more.
        engine: See ``red_align.track``.
        detector: See ``red_align.track``.
        options: Thresholds and intervals of tracking.
        limits: Bounds of decoding; by default frames of up to 50 megapixels.
        isolated: Decode in a process of its own. Linux only.
        parallel: Parts of a long video that are tracked side by side, at most; see ``red_align.track``.
        features: What faces are to have beside their points, see ``red_align.track``.

    Returns:
        Arrays over all frames: float64 points [T, F, 68, 2] in pixels of the upright frame, NaN where there is no face.
        A file that breaks off gives the frames that decode; ``complete`` is then False and ``warnings`` say why.

    Raises:
        FileNotFoundError: There is no such file.
        InvalidRequest: An argument is out of range; also the base of the following.
        UnreadableMedia: The file is neither a video nor an image that can be opened.
        NoVideoStream: It holds no pictures, such as sound alone.
        NoFrames: None of its frames decodes.
        TooLarge: A frame has more pixels than ``limits`` allow.
        Overloaded: The engine has no slot for the first face.

    Example:
        >>> import red_align
        >>> clip = red_align.align("photo.png", max_faces=4)
        >>> clip.points.shape, clip.complete, clip.track_ids.tolist()
        ((1, 4, 68, 2), True, [[0, -1, -1, -1]])
    """
    wanted = FeatureOptions.of(features)
    with track(
        source,
        max_faces=max_faces,
        stride=stride,
        engine=engine,
        detector=detector,
        options=options,
        limits=limits,
        isolated=isolated,
        parallel=parallel,
        features=wanted,
    ) as clip:
        columns = Columns(max_faces, clip.scheme.num_points, wanted.names)
        for result in clip:
            columns.add(result)
        return columns.landmarks(clip.video, clip.end)


class Columns:
    """Collects results as arrays; every track keeps its column.

    Args:
        max_faces: F, columns.
        num_points: L, points of a face.
        features: Names of the features that faces have.
    """

    def __init__(self, max_faces: int, num_points: int, features: Sequence[str] = ()) -> None:
        self._max_faces, self._num_points = max_faces, num_points
        self._tracks = TrackColumns()
        self._rows: list[tuple[NDArray[np.float64], NDArray[np.float32], NDArray[np.float64], NDArray[np.int64]]] = []
        self._reacquired: list[NDArray[np.bool_]] = []
        self._of_track: dict[int, int] = {}
        self._frames: list[tuple[int, float, str]] = []
        self._features = FeatureColumns(features, max_faces) if features else None

    def add(self, result: FrameResult) -> None:
        """Add the next frame's result."""
        if result.status is FrameStatus.OK:  # Another frame shows no face, but the tracks go on after it.
            self._of_track = self._tracks.assign([face.track_id for face in result.faces])
        points = np.full((self._max_faces, self._num_points, 2), np.nan)
        confidence = np.full((self._max_faces, self._num_points), np.nan, np.float32)
        boxes = np.full((self._max_faces, 5), np.nan)
        ids = np.full(self._max_faces, NO_TRACK, np.int64)
        reacquired = np.zeros(self._max_faces, np.bool_)
        for face in result.faces:
            column, box = self._of_track[face.track_id], face.box
            points[column], confidence[column] = face.landmarks.points, face.landmarks.confidence
            boxes[column] = box.x, box.y, box.w, box.h, face.score
            ids[column], reacquired[column] = face.track_id, face.reacquired
        if self._features is not None:
            self._features.add({self._of_track[face.track_id]: face for face in result.faces})
        self._rows.append((points, confidence, boxes, ids))
        self._reacquired.append(reacquired)
        self._frames.append((result.index, result.time_s, str(result.status)))

    def landmarks(self, video: VideoInfo, end: StreamEnd) -> ClipLandmarks:
        """All of it, once the clip has ended."""
        points, confidence, boxes, ids = (np.stack(part) for part in zip(*self._rows, strict=True))
        index, times, status = zip(*self._frames, strict=True)
        return ClipLandmarks(
            points=points,
            confidence=confidence,
            boxes=boxes[:, :, :4],
            scores=boxes[:, :, 4],
            track_ids=ids,
            reacquired=np.stack(self._reacquired),
            times=np.array(times, np.float64),
            index=np.array(index, np.int64),
            status=np.array(status, np.str_),
            video=video,
            complete=end.complete,
            warnings=end.warnings,
            **({} if self._features is None else self._features.arrays()),
        )
