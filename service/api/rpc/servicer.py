"""FaceLandmarkService: reads requests, asks the data plane, writes responses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from functools import partial
from typing import Any

from red_align.errors import ConfigExpected, ConfigRepeated, EmptyBody, FirstMessageTimeout
from red_align.frames import FrameResult
from red_align.v1 import face_landmarks_pb2 as pb
from red_align.v1 import face_landmarks_pb2_grpc as pb_grpc
from service.api.info import info_values
from service.api.rpc.convert import end_message, feature_options, frame_message, info_message, video_message
from service.api.rpc.ending import ClientGoneError, Context, abort
from service.dataplane import DataPlane
from service.limits.timeouts import iterate_upload, send_with_timeout
from service.observability.logs import set_request_id, set_stream_id
from service.observability.tracing import call_span
from service.streams.frame_queue import LiveFrame
from service.streams.options import ClipOptions, LiveFlow, StreamOptions
from service.streams.session import Shapes
from service.streams.uploads import Upload


class FaceLandmarkServicer(pb_grpc.FaceLandmarkServiceServicer):
    """The service of proto/red_align/v1/face_landmarks.proto."""

    def __init__(self, dataplane: DataPlane) -> None:
        self._dataplane = dataplane
        self._client_timeout = dataplane.settings.client_timeout_s, "client_timeout_s"

    async def AlignStream(self, request_iterator: AsyncIterator[pb.AlignStreamRequest], context: Context) -> None:
        """Config, then frames; one response a frame, in order, and ``end`` after the last."""
        try:
            metadata = _begin(context)
            tenant = self._dataplane.auth.tenant(metadata)
            config = await self._first(request_iterator)
            if config is None or config.WhichOneof("request") != "config":
                raise ConfigExpected("the first message of a stream must be its config")
            asked = config.config
            set_stream_id(asked.stream_id)
            with call_span("AlignStream", metadata):
                await self._send(context, self._stream(tenant, asked, request_iterator))
        except Exception as error:
            await self._abort(context, error)

    async def _stream(
        self, tenant: str, config: pb.StreamConfig, requests: AsyncIterator[pb.AlignStreamRequest]
    ) -> AsyncGenerator[pb.AlignStreamResponse]:
        """All answers of a stream; raises GoingAway after the last one where the service shuts down."""
        features = feature_options(config.features)
        options = StreamOptions(config.max_faces, config.stream_id, config.resume_token, tenant, features)
        flow = LiveFlow(latest=config.flow == pb.FLOW_LATEST, resume_every=config.resume_every)
        live = self._dataplane.live(options, flow, _frames(requests))
        async with live as session, aclosing(session.answers(_SHAPES)) as responses:
            async for response in responses:
                yield response

    async def AlignClip(self, request_iterator: AsyncIterator[pb.AlignClipRequest], context: Context) -> None:
        """Config, then the file in chunks; ``video``, one response a frame, ``end``."""
        try:
            metadata = _begin(context)
            tenant = self._dataplane.auth.tenant(metadata)
            config = await self._first(request_iterator)
            if config is None or config.WhichOneof("request") != "config":
                raise ConfigExpected("the first message of a clip must be its config")
            asked = config.config
            options = ClipOptions(
                asked.max_faces,
                asked.stream_id,
                asked.resume_token,
                tenant,
                feature_options(asked.features),
                stride=asked.stride,
                parallel=asked.parallel,
            )
            set_stream_id(asked.stream_id)
            with call_span("AlignClip", metadata):
                await self._send(context, self._clip(options, request_iterator))
        except Exception as error:
            await self._abort(context, error)

    async def _clip(
        self, options: ClipOptions, requests: AsyncIterator[pb.AlignClipRequest]
    ) -> AsyncGenerator[pb.AlignClipResponse]:
        async with self._dataplane.upload(options.tenant) as upload:
            async with aclosing(iterate_upload(requests, _chunk_size, self._dataplane.upload_limits)) as chunks:
                await _receive(chunks, upload)
            async with self._dataplane.clip(await upload.finish(), options) as run:
                yield pb.AlignClipResponse(video=video_message(run.video))
                async with aclosing(run.results(_clip_frame)) as batches:
                    async for responses in batches:
                        for response in responses:
                            yield response
                yield await run.ended(lambda end: pb.AlignClipResponse(end=end_message(end)))

    async def GetInfo(self, request: pb.GetInfoRequest, context: Context) -> pb.GetInfoResponse:
        """Versions, model, scheme, limits, mean shape."""
        try:
            metadata = _begin(context)
            with call_span("GetInfo", metadata):
                self._dataplane.auth.tenant(metadata)
                return info_message(info_values(self._dataplane))
        except Exception as error:
            await self._abort(context, error)
            raise

    async def _first(self, requests: AsyncIterator[Any]) -> Any | None:
        """The first message; None where the client ends without one. A call that has none yet is counted nowhere."""
        seconds, limit = self._dataplane.settings.first_message_s, "first_message_s"
        try:
            async with asyncio.timeout(seconds):
                return await anext(aiter(requests), None)
        except TimeoutError as error:
            why = f"no config came for {seconds:g} s, which is the limit {limit}"
            raise FirstMessageTimeout(why, limit=limit) from error

    async def _send(self, context: Context, responses: AsyncGenerator[Any]) -> None:
        """Write them as they come. One that the client does not take in time ends the call, and what it held is free.

        grpc itself would wait for ever, as long as the client's machine lives.
        """
        async with aclosing(responses):
            await send_with_timeout(responses, partial(_write, context), *self._client_timeout)

    async def _abort(self, context: Context, error: Exception) -> None:
        """End the call with the error's status."""
        await abort(context, error, self._dataplane.metrics)


async def _write(context: Context, response: Any) -> None:
    try:
        await context.write(response)
    except Exception as error:  # of a class that grpc does not make public
        raise ClientGoneError from error


async def _frames(requests: AsyncIterator[pb.AlignStreamRequest]) -> AsyncGenerator[LiveFrame]:
    """The frames of a stream, as the session takes them."""
    async for request in requests:
        if request.WhichOneof("request") == "config":
            raise ConfigRepeated("a stream has exactly one config, as its first message")
        frame = request.frame
        match frame.WhichOneof("image"):
            case "encoded":
                yield LiveFrame(frame.time_s, frame.encoded, max_age_ms=frame.max_age_ms)
            case "raw":
                raw = frame.raw
                yield LiveFrame(frame.time_s, raw.rgb, (raw.width, raw.height), frame.max_age_ms)
            case _:
                yield LiveFrame(frame.time_s, None, max_age_ms=frame.max_age_ms)


def _frame_response(result: FrameResult, token: str) -> pb.AlignStreamResponse:
    message = frame_message(result)
    message.resume_token = token
    return pb.AlignStreamResponse(frame=message)


_SHAPES = Shapes(
    frame=_frame_response,
    going_away=lambda token, index: pb.AlignStreamResponse(
        going_away=pb.GoingAway(resume_token=token, next_index=index)
    ),
    end=lambda end: pb.AlignStreamResponse(end=end_message(end)),
)


def _clip_frame(result: FrameResult) -> pb.AlignClipResponse:
    return pb.AlignClipResponse(frame=frame_message(result))


def _chunk_size(request: pb.AlignClipRequest) -> int:
    return len(request.chunk)


async def _receive(requests: AsyncIterator[pb.AlignClipRequest], upload: Upload) -> None:
    async for request in requests:
        if request.WhichOneof("request") == "config":
            raise ConfigRepeated("a clip has exactly one config, as its first message")
        upload.write(request.chunk)
        await upload.drain()
    if upload.size == 0:
        raise EmptyBody("the clip has no bytes")


def _begin(context: Context) -> dict[str, str]:
    """What came with the call, names in lower case, binary values left out; its logs have its id from now on."""
    metadata = {name: value for name, value in context.invocation_metadata() or () if isinstance(value, str)}
    set_request_id(metadata.get("x-request-id", ""))
    return metadata
