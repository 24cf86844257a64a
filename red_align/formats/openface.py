"""CSV with OpenFace's columns, so that what reads its files reads these."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from red_align.errors import InvalidRequest
from red_align.features.openface import POSE, openface_pose
from red_align.frames import FrameResult, StreamEnd, VideoInfo
from red_align.media.serialization import cells, columns_of, text
from red_align.schemes import NamedPoints

_DECIMALS = (1, 1, 1, 3, 3, 3)


class CsvWriter:
    """frame (from 1), face_id, timestamp, confidence, success, pose_Tx.., pose_Rx.., x_0.., y_0.., and reacquired.

    After them those of features, see ``red_align.media.serialization.COLUMNS``.

    Raises:
        InvalidRequest: Crops are wanted, for which a table has no room.
    """

    def __init__(self, scheme: NamedPoints, features: Sequence[str] = ()) -> None:
        check_room(features)
        self._num_points, self._columns = scheme.num_points, columns_of(features)
        self._size, self._features = (0, 0), tuple(features)

    def begin(self, video: VideoInfo) -> bytes:
        """See Writer."""
        self._size = (video.width, video.height)
        points = [f"{axis}_{i}" for axis in "xy" for i in range(self._num_points)]
        names = ["frame", "face_id", "timestamp", "confidence", "success", *POSE, *points, "reacquired", *self._columns]
        return (",".join(names) + "\n").encode("ascii")

    def frame(self, result: FrameResult) -> bytes:
        """See Writer."""
        return "".join(self._rows(result)).encode("ascii")

    def finish(self, end: StreamEnd) -> bytes:
        """See Writer; a table has no room for how it ended."""
        return b""

    def _rows(self, result: FrameResult) -> Iterator[str]:
        """One row a face; a frame without one has a row of zeros with success 0, as in OpenFace."""
        start = f"{result.index + 1},{{}},{result.time_s:.3f},"
        for face in result.faces:
            values = np.asarray(face.landmarks.points, np.float64)
            head = openface_pose(values, face.pose, *self._size) or [0.0] * len(POSE)
            pose = ",".join(f"{v:.{d}f}" for v, d in zip(head, _DECIMALS, strict=True))
            points = ",".join(f"{v:.2f}" for v in values.T.reshape(-1))
            more = "".join("," + text(value) for value in cells(face, self._features)) if self._columns else ""
            yield start.format(face.track_id) + f"{face.score:.3f},1,{pose},{points},{face.reacquired:d}{more}\n"
        if not result.faces:
            zeros = ["0"] * len(POSE) + ["0.00"] * (2 * self._num_points) + ["0"] * (1 + len(self._columns))
            yield start.format(0) + f"0.000,0,{','.join(zeros)}\n"


def check_room(features: Sequence[str]) -> None:
    """See that a table can hold features.

    Raises:
        InvalidRequest: There are crops among them.
    """
    if "crop" in features:
        raise InvalidRequest("a table has no room for crops; take json or ndjson, or the feature alignment alone")
