"""Writers of results: JSON, NDJSON and CSV, each made piece by piece while frames come."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any, Protocol

import numpy as np
import orjson

from red_align.frames import FrameResult, StreamEnd, VideoInfo
from red_align.media.serialization import end_values, frame_values, video_values


class ClipSource(Protocol):
    """What writers need of a clip run; see service.dataplane.ClipRun."""

    @property
    def video(self) -> VideoInfo:
        """Size and rate."""
        ...

    @property
    def end(self) -> StreamEnd:
        """How it ended; final once ``results`` is exhausted."""
        ...

    def results(self) -> AsyncIterator[FrameResult]:
        """One result a frame, in order."""
        ...


async def json_pieces(run: ClipSource, scheme: str) -> AsyncGenerator[bytes]:
    """One JSON object; frames are written as they come, so memory does not grow with the clip."""
    head = orjson.dumps({"scheme": scheme, "video": video_values(run.video)})
    yield head[:-1] + b',"frames":['
    separator = b""
    async with _results(run) as results:
        async for result in results:
            yield separator + orjson.dumps(frame_values(result))
            separator = b","
    yield b"]," + orjson.dumps(end_values(run.end))[1:] + b"\n"


async def ndjson_pieces(run: ClipSource, scheme: str) -> AsyncGenerator[bytes]:
    """Lines with ``type`` header, frame, error (a frame that has no points but a reason) and end."""
    yield _line("header", {"scheme": scheme, "video": video_values(run.video)})
    async with _results(run) as results:
        async for result in results:
            yield _line("frame" if result.error is None else "error", frame_values(result))
    yield _line("end", end_values(run.end))


async def csv_pieces(run: ClipSource, num_points: int) -> AsyncGenerator[bytes]:
    """OpenFace's columns: frame (from 1), face_id, timestamp, confidence, success, x_0.., y_0.."""
    yield _csv_header(num_points)
    async with _results(run) as results:
        async for result in results:
            yield "".join(_csv_rows(result, num_points)).encode("ascii")


@asynccontextmanager
async def _results(run: ClipSource) -> AsyncGenerator[AsyncIterator[FrameResult]]:
    """The results, ended with the writer and not some time later: the clip may be closed right after it."""
    results = run.results()
    try:
        yield results
    finally:
        if isinstance(results, AsyncGenerator):
            await results.aclose()


def _csv_header(num_points: int) -> bytes:
    names = ["frame", "face_id", "timestamp", "confidence", "success"]
    names += [f"x_{i}" for i in range(num_points)] + [f"y_{i}" for i in range(num_points)]
    return (",".join(names) + "\n").encode("ascii")


def _csv_rows(result: FrameResult, num_points: int) -> Iterator[str]:
    """One row a face; a frame without one has a row of zeros with success 0, as in OpenFace."""
    start = f"{result.index + 1},{{}},{result.time_s:.3f},"
    for face in result.faces:
        points = np.asarray(face.landmarks.points, np.float64)
        values = ",".join(f"{v:.2f}" for v in points.T.reshape(-1))
        yield start.format(face.track_id) + f"{face.score:.3f},1,{values}\n"
    if not result.faces:
        yield start.format(0) + "0.000,0," + ",".join(["0.00"] * (2 * num_points)) + "\n"


def _line(kind: str, values: dict[str, Any]) -> bytes:
    return orjson.dumps({"type": kind} | values) + b"\n"
