"""Parquet: a row a face and frame, with the columns of the CSV and the confidence of each point, through pyarrow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from red_align.errors import MissingExtra
from red_align.formats.gathered import Gathered
from red_align.formats.openface import POSE, pose_of
from red_align.frames import Face, FrameResult, StreamEnd, VideoInfo
from red_align.media.serialization import end_values, video_values
from red_align.schemes import PointScheme

if TYPE_CHECKING:
    import pyarrow as pa

GROUP_ROWS = 1024
"""Rows that are gathered before they are written: two megabytes."""
METADATA = b"red_align"
"""Key in the file's metadata, whose value is a JSON object of scheme, video and the fields of the end."""


class ParquetWriter:
    """Rows as in the CSV, at full precision; where a frame shows no face, values are null and not zero."""

    def __init__(self, scheme: PointScheme) -> None:
        try:
            import pyarrow.parquet
        except ImportError as error:
            raise MissingExtra('parquet needs pyarrow: pip install "red-align[parquet]"') from error
        self._scheme = scheme
        self._about: dict[str, Any] = {"scheme": scheme.name}
        self._columns = _columns(scheme.num_points)
        self._rows: list[list[Any]] = []
        self._out = Gathered()
        self._file = pyarrow.parquet.ParquetWriter(self._out, _schema(self._columns), compression="zstd")

    def begin(self, video: VideoInfo) -> bytes:
        """See Writer."""
        self._about["video"] = video_values(video)
        return self._out.take()

    def frame(self, result: FrameResult) -> bytes:
        """See Writer."""
        head = [result.index + 1, result.time_s, str(result.status)]
        self._rows += [head + _values(face) for face in result.faces]
        if not result.faces:
            self._rows.append(head + [None, None, 0, False] + [None] * (len(self._columns) - len(head) - 4))
        if len(self._rows) >= GROUP_ROWS:
            self._flush()
        return self._out.take()

    def finish(self, end: StreamEnd) -> bytes:
        """See Writer."""
        self._flush()
        self._file.add_key_value_metadata({METADATA: orjson.dumps(self._about | end_values(end))})
        self._file.close()
        return self._out.take()

    def _flush(self) -> None:
        if not self._rows:
            return
        import pyarrow as pa

        schema = _schema(self._columns)
        arrays = [pa.array(column, kind.type) for column, kind in zip(zip(*self._rows, strict=True), schema)]
        self._file.write_batch(pa.record_batch(arrays, schema=schema))
        self._rows.clear()


def _columns(num_points: int) -> dict[str, str]:
    """Types by name."""
    columns = {"frame": "int64", "timestamp": "float64", "status": "string"}
    columns |= {"face_id": "int64", "confidence": "float64", "success": "int8", "reacquired": "bool"}
    columns |= dict.fromkeys(("box_x", "box_y", "box_w", "box_h", *POSE), "float64")
    columns |= dict.fromkeys((f"{axis}_{i}" for axis in "xy" for i in range(num_points)), "float64")
    return columns | dict.fromkeys((f"confidence_{i}" for i in range(num_points)), "float32")


def _values(face: Face) -> list[Any]:
    """In the order of the columns, from ``face_id`` on."""
    box, pose = face.box, pose_of(face)
    return [
        *(face.track_id, face.score, 1, face.reacquired, box.x, box.y, box.w, box.h),
        *(pose if pose is not None else [None] * len(POSE)),
        *np.asarray(face.landmarks.points, np.float64).T.reshape(-1).tolist(),
        *np.asarray(face.landmarks.confidence, np.float32).tolist(),
    ]


def _schema(columns: dict[str, str]) -> pa.Schema:
    import pyarrow as pa

    kinds = {"bool": pa.bool_()}
    return pa.schema([(name, kinds.get(kind) or pa.type_for_alias(kind)) for name, kind in columns.items()])
