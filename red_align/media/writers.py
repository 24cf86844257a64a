"""Writers of results: JSON, NDJSON and CSV, each piece by piece while frames come, so that memory does not grow."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import orjson

from red_align.errors import InvalidRequest
from red_align.frames import FrameResult, StreamEnd, VideoInfo
from red_align.media.serialization import cells, columns_of, end_values, frame_values, text, video_values
from red_align.schemes import NamedPoints


class Writer(Protocol):
    """Writes the answers to one clip. Called in this order: ``begin``, ``frame`` for each frame, ``finish``."""

    def begin(self, video: VideoInfo) -> bytes:
        """What comes before the first frame."""
        ...

    def frame(self, result: FrameResult) -> bytes:
        """The answer to one frame."""
        ...

    def finish(self, end: StreamEnd) -> bytes:
        """What comes after the last frame, however the clip ended."""
        ...


class JsonWriter:
    """One JSON object: scheme, video, frames, and the fields of the end."""

    def __init__(self, scheme: NamedPoints, features: Sequence[str] = ()) -> None:
        self._scheme = scheme.name
        self._separator = b""

    def begin(self, video: VideoInfo) -> bytes:
        """See Writer."""
        return orjson.dumps({"scheme": self._scheme, "video": video_values(video)})[:-1] + b',"frames":['

    def frame(self, result: FrameResult) -> bytes:
        """See Writer."""
        separator, self._separator = self._separator, b","
        return separator + orjson.dumps(frame_values(result))

    def finish(self, end: StreamEnd) -> bytes:
        """See Writer."""
        return b"]," + orjson.dumps(end_values(end))[1:] + b"\n"


class NdjsonWriter:
    """Lines with ``type`` header, frame, error (a frame that has no points but a reason) and end."""

    def __init__(self, scheme: NamedPoints, features: Sequence[str] = ()) -> None:
        self._scheme = scheme.name

    def begin(self, video: VideoInfo) -> bytes:
        """See Writer."""
        return _line("header", {"scheme": self._scheme, "video": video_values(video)})

    def frame(self, result: FrameResult) -> bytes:
        """See Writer."""
        return _line("frame" if result.error is None else "error", frame_values(result))

    def finish(self, end: StreamEnd) -> bytes:
        """See Writer."""
        return _line("end", end_values(end))


class CsvWriter:
    """OpenFace's columns: frame (from 1), face_id, timestamp, confidence, success, x_0.., y_0..; and reacquired.

    After them those of features, see ``red_align.media.serialization.COLUMNS``.

    Raises:
        InvalidRequest: Crops are wanted, for which a table has no room.
    """

    def __init__(self, scheme: NamedPoints, features: Sequence[str] = ()) -> None:
        if "crop" in features:
            raise InvalidRequest("a table has no room for crops; take json or ndjson, or the feature alignment alone")
        self._num_points, self._columns = scheme.num_points, columns_of(features)
        self._features = tuple(features)

    def begin(self, video: VideoInfo) -> bytes:
        """See Writer."""
        names = ["frame", "face_id", "timestamp", "confidence", "success"]
        names += [f"x_{i}" for i in range(self._num_points)] + [f"y_{i}" for i in range(self._num_points)]
        names += ["reacquired", *self._columns]
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
            points = np.asarray(face.landmarks.points, np.float64)
            values = ",".join(f"{v:.2f}" for v in points.T.reshape(-1))
            more = "".join("," + text(value) for value in cells(face, self._features)) if self._columns else ""
            yield start.format(face.track_id) + f"{face.score:.3f},1,{values},{face.reacquired:d}{more}\n"
        if not result.faces:
            zeros = ",".join(["0.00"] * (2 * self._num_points)) + ",0" * (1 + len(self._columns))
            yield start.format(0) + f"0.000,0,{zeros}\n"


WRITERS: dict[str, Callable[[NamedPoints, Sequence[str]], Writer]] = {
    "json": JsonWriter,
    "ndjson": NdjsonWriter,
    "csv": CsvWriter,
}
"""Writers by the name of their format; they take the points and the names of the features that faces have."""


def _line(kind: str, values: Mapping[str, Any]) -> bytes:
    return orjson.dumps({"type": kind, **values}) + b"\n"
