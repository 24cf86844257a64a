"""JSON and NDJSON, piece by piece while frames come, so that memory does not grow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from red_align.frames import FrameResult, StreamEnd, VideoInfo
from red_align.media.serialization import end_values, frame_values, video_values
from red_align.schemes import NamedPoints


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


def _line(kind: str, values: Mapping[str, Any]) -> bytes:
    return orjson.dumps({"type": kind, **values}) + b"\n"
