"""A clip that a server tracks, for an event loop: see ``clip``."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, Self

import grpc

from red_align.client.choices import ClipChoices
from red_align.client.errors import ServerTimeout, ServerUnreachable
from red_align.client.sources import ClipBytes
from red_align.client.wire.connection import AsyncConnection, settle_async
from red_align.client.wire.messages import frame_result, stream_end, video_info
from red_align.client.wire.statuses import error_of
from red_align.frames import FrameResult, StreamEnd, VideoInfo
from red_align.schemes import NamedPoints
from red_align.v1 import face_landmarks_pb2 as pb

_LOOK_S = 0.25
"""Seconds between two looks at whether a server is silent for too long."""


class AsyncServerClip(AsyncIterator[FrameResult]):
    """The faces of a clip, frame by frame, as ``AsyncClient.track`` gives them.

    Args:
        upload: The call.
        video: Size and rate of the clip.
        scheme: The points that are answered.
    """

    def __init__(self, upload: AsyncClipCall, video: VideoInfo, scheme: NamedPoints) -> None:
        self._upload = upload
        self.video, self.scheme = video, scheme
        self._end: StreamEnd | None = None
        self._count, self._closed = 0, False

    @property
    def end(self) -> StreamEnd:
        """How the clip ended; while frames are left, or where it was closed before them, it is not complete."""
        return self._end or StreamEnd(False, self._count)

    async def __anext__(self) -> FrameResult:
        if self._closed:
            raise StopAsyncIteration
        try:
            event = await self._upload.next()
        except Exception:
            await self.close()
            raise
        if isinstance(event, FrameResult):
            self._count += 1
            return event
        self._end = event
        await self.close()
        raise StopAsyncIteration

    async def close(self) -> None:
        """End the call; safe to call twice."""
        self._closed = True
        await self._upload.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


class AsyncClipCall:
    """One clip on its way to a server, and its answers.

    Args:
        connection: To the server.
        source: The clip.
        choices: What is asked for.
    """

    def __init__(self, connection: AsyncConnection, source: ClipBytes, choices: ClipChoices) -> None:
        self._connection, self._source, self._choices = connection, source, choices
        self._progress_s = time.monotonic()
        self._source_error: Exception | None = None
        self._reading: asyncio.Task[Any] | None = None
        self._call: Any = connection.stub.AlignClip(self._requests(), metadata=connection.metadata(choices.stream_id))

    async def video(self) -> VideoInfo:
        """See ClipCall.video."""
        response = await self._response()
        if response.WhichOneof("event") != "video":
            raise ServerUnreachable(f"the server at {self._connection.address} began its answer with something else")
        return video_info(response.video)

    async def next(self) -> FrameResult | StreamEnd:
        """See ClipCall.next."""
        response = await self._response()
        if response.WhichOneof("event") == "frame":
            return frame_result(response.frame)
        await settle_async(self._call)
        return stream_end(response.end)

    async def close(self) -> None:
        """End it wherever it is; safe to call twice."""
        self._call.cancel()
        reading, self._reading = self._reading, None
        if reading is not None:
            await asyncio.gather(reading, return_exceptions=True)

    async def _response(self) -> pb.AlignClipResponse:
        address, access = self._connection.address, self._connection.access
        self._progress_s = time.monotonic()
        if self._reading is None:
            self._reading = asyncio.ensure_future(self._call.read())
        while not (await asyncio.wait({self._reading}, timeout=_LOOK_S))[0]:
            if time.monotonic() - self._progress_s >= access.timeout_s:
                raise ServerTimeout(f"{address} made no progress with the clip for {access.timeout_s:g} s (timeout_s)")
        reading, self._reading = self._reading, None
        try:
            response = reading.result()
        except grpc.RpcError as error:
            raise self._source_error or error_of(error, address, access) from error
        except asyncio.CancelledError as error:  # of the call
            raise self._source_error or ServerUnreachable(f"the connection to {address} broke") from error
        if response is grpc.aio.EOF:
            raise ServerUnreachable(f"the server at {address} ended the answer before its time")
        return response  # type: ignore[no-any-return]

    async def _requests(self) -> AsyncGenerator[pb.AlignClipRequest]:
        yield self._choices.request
        try:
            pieces = self._source.pieces()
            while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
                yield pb.AlignClipRequest(chunk=piece)
                self._progress_s = time.monotonic()
        except Exception as error:
            self._source_error = error
            self._call.cancel()
