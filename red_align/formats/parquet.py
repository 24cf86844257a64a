"""Parquet: a row a face and frame, with the columns of the CSV and the confidence of each point, through pyarrow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from red_align.errors import MissingExtra
from red_align.features.openface import POSE, openface_pose
from red_align.formats.gathered import Gathered
from red_align.formats.openface import check_room
from red_align.frames import Face, FrameResult, StreamEnd, VideoInfo
from red_align.media.serialization import cells, columns_of, end_values, video_values
from red_align.schemes import NamedPoints

if TYPE_CHECKING:
    import pyarrow as pa

GROUP_ROWS = 1024
"""Rows that are gathered before they are written: two megabytes."""
METADATA = b"red_align"
"""Key in the file's metadata, whose value is a JSON object of scheme, video and the fields of the end."""
_HEAD = {"frame": "int64", "timestamp": "float64", "status": "string"}
_FACE = {"face_id": "int64", "confidence": "float64", "success": "int8", "reacquired": "bool"}
_BOX = ("box_x", "box_y", "box_w", "box_h")


class ParquetWriter:
    """Rows as in the CSV, at full precision; where a frame shows no face, values are null and not zero."""

    def __init__(self, scheme: NamedPoints, features: Sequence[str] = ()) -> None:
        try:
            import pyarrow.parquet as pq
        except ImportError as error:
            raise MissingExtra('parquet needs pyarrow: pip install "red-align[parquet]"') from error
        check_room(features)
        self._about: dict[str, Any] = {"scheme": scheme.name}
        self._size, self._features = (0, 0), tuple(features)
        self._schema = _schema(scheme.num_points, columns_of(features))
        self._no_face = [None, None, 0, False] + [None] * (len(self._schema) - len(_HEAD) - len(_FACE))
        self._rows: list[list[Any]] = []
        self._out = Gathered()
        self._file: Any = pq.ParquetWriter(self._out, self._schema, compression="zstd")

    def begin(self, video: VideoInfo) -> bytes:
        """See Writer."""
        self._size = (video.width, video.height)
        self._about["video"] = video_values(video)
        return self._out.take()

    def frame(self, result: FrameResult) -> bytes:
        """See Writer."""
        head = [result.index + 1, result.time_s, str(result.status)]
        self._rows += [head + self._values(face) for face in result.faces] or [head + self._no_face]
        if len(self._rows) >= GROUP_ROWS:
            self._flush()
        return self._out.take()

    def finish(self, end: StreamEnd) -> bytes:
        """See Writer."""
        self._flush()
        self._file.add_key_value_metadata({METADATA: orjson.dumps(self._about | end_values(end))})
        self._file.close()
        return self._out.take()

    def _values(self, face: Face) -> list[Any]:
        """In the order of the columns, from ``face_id`` on."""
        box = face.box
        pose: list[float] | None = openface_pose(face.landmarks.points, face.pose, *self._size)
        return [
            *(face.track_id, face.score, 1, face.reacquired, box.x, box.y, box.w, box.h),
            *([None] * len(POSE) if pose is None else pose),
            *np.asarray(face.landmarks.points, np.float64).T.reshape(-1).tolist(),
            *np.asarray(face.landmarks.confidence, np.float32).tolist(),
            *cells(face, self._features),
        ]

    def _flush(self) -> None:
        import pyarrow as pa

        if self._rows:
            columns = zip(zip(*self._rows, strict=True), self._schema, strict=True)
            arrays = [pa.array(values, column.type) for values, column in columns]
            self._file.write_batch(pa.record_batch(arrays, schema=self._schema))
            self._rows.clear()


def _schema(num_points: int, features: Sequence[str]) -> pa.Schema:
    import pyarrow as pa

    points = [f"{axis}_{i}" for axis in "xy" for i in range(num_points)]
    kinds = _HEAD | _FACE | dict.fromkeys((*_BOX, *POSE, *points), "float64")
    kinds |= dict.fromkeys((f"confidence_{i}" for i in range(num_points)), "float32")
    kinds |= dict.fromkeys(features, "float64")
    return pa.schema([(name, pa.type_for_alias(kind)) for name, kind in kinds.items()])
