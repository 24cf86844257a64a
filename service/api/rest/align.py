"""``POST /align``: a clip in, landmarks out."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from red_align.errors import NotReady
from red_align.features.options import FeatureOptions
from red_align.features.subsets import subset_of
from red_align.formats.base import Format
from red_align.formats.names import FORMATS, OVERLAY, format_of_accept
from service.api.rest.body import receive
from service.api.rest.names import check_query
from service.api.rest.streaming import OwningStream
from service.api.schemas import AlignModel, ErrorModel
from service.dataplane import MAX_STRIDE, DataPlane
from service.observability.logs import set_stream_id
from service.streams.options import ClipOptions
from service.streams.registry import MAX_STREAM_ID
from service.streams.spool import Spool, open_spool, run_in_thread

router = APIRouter(dependencies=[Depends(check_query)])
FormatName = Literal["json", "ndjson", "csv", "parquet", "pts", "vtt", "srt"]
SERVED = tuple(form for form in FORMATS.values() if form.name != OVERLAY)
"""Formats of answers; overlays need the frames, which the client has."""
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_MULTIPART = {
    "schema": {
        "type": "object",
        "required": ["video"],
        "properties": {
            "video": {"type": "string", "format": "binary", "description": "The clip or image."},
            "resume_token": {"type": "string", "description": "From an earlier answer: goes on from there."},
        },
    }
}
REQUEST_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"multipart/form-data": _MULTIPART, "video/*": _BINARY, "image/*": _BINARY},
    }
}
RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "model": AlignModel,
        "description": "Results, written while the clip decodes.",
        "headers": {
            "X-Red-Complete": {
                "description": "All but JSON and NDJSON: true, or false when part of the clip could not be read.",
                "schema": {"type": "string", "enum": ["true", "false"]},
            }
        },
        "content": {
            form.media_type.partition(";")[0]: _BINARY if form.binary else {"schema": {"type": "string"}}
            for form in SERVED[1:]
        },
    },
    400: {"model": ErrorModel, "description": "The request or its file is wrong."},
    401: {"model": ErrorModel, "description": "No valid API key or token, where the service asks for one."},
    406: {"model": ErrorModel, "description": "None of the types in Accept can be answered."},
    408: {"model": ErrorModel, "description": "The upload stopped arriving."},
    409: {"model": ErrorModel, "description": "Another request is sending to the stream of this id."},
    413: {"model": ErrorModel, "description": "The upload or its frames exceed a limit."},
    415: {"model": ErrorModel, "description": "Neither a video nor an image by its content type."},
    429: {"model": ErrorModel, "description": "A bound is reached; try again later."},
    500: {"model": ErrorModel, "description": "A fault of the service."},
    501: {"model": ErrorModel, "description": "The service lacks a package for this format."},
    503: {"model": ErrorModel, "description": "The service is starting or going away."},
}


@router.post("/align", responses=RESPONSES, openapi_extra=REQUEST_BODY, response_class=Response)
async def align(
    request: Request,
    format: Annotated[
        FormatName | None, Query(description="Form of the answer; without it that of the Accept header, else json.")
    ] = None,
    max_faces: Annotated[int, Query(ge=1, description="Faces to follow at once.")] = 1,
    stride: Annotated[int, Query(ge=1, le=MAX_STRIDE, description="Answer every stride-th frame only.")] = 1,
    parallel: Annotated[
        int,
        Query(
            ge=1, description="Parts of a long video to track side by side, at most; points differ a little at joints."
        ),
    ] = 1,
    stream_id: Annotated[
        str,
        Query(
            max_length=MAX_STREAM_ID,
            description="The clip is a segment of this stream: faces are followed across segments and `index` goes on; "
            "`time_s` is the segment's own. One segment at a time.",
        ),
    ] = "",
    resume: Annotated[bool, Query(description="Give a resume token at the end, as with a stream_id.")] = False,
    features: Annotated[
        str, Query(max_length=200, description="pose, expression, alignment, crop (JPEG); several with commas.")
    ] = "",
    points: Annotated[int, Query(description="5, 7, 51 or 68 points of each face; 0: all of the model.")] = 0,
    smooth: Annotated[
        str, Query(max_length=40, description="none, one_euro or look_ahead (no delay of points).")
    ] = "none",
    focal_px: Annotated[float, Query(description="Focal length, for the pose; 0: the frame's longer side.")] = 0.0,
) -> Response:
    """Facial landmarks of every frame of a video, an image, or an animated image."""
    dataplane: DataPlane = request.app.state.dataplane
    if not dataplane.ready:
        raise NotReady("the service is not ready")
    tenant = dataplane.auth.tenant(request.headers)
    set_stream_id(stream_id)
    wanted = FeatureOptions.of(features, points, smooth, focal_px)
    scheme = dataplane.engine.info.scheme
    form = FORMATS[format] if format is not None else format_of_accept(request.headers.get("accept", ""), SERVED)
    points_of = subset_of(wanted.points, scheme) or scheme
    writer = await run_in_thread(lambda: form.make(points_of, wanted.names))  # It may import much.
    async with AsyncExitStack() as stack:
        upload = await stack.enter_async_context(dataplane.upload(tenant))
        token = await receive(request, upload, dataplane.settings.max_upload_bytes, dataplane.upload_limits)
        options = ClipOptions(max_faces, stream_id, token, tenant, wanted, stride, resume, parallel)
        run = await stack.enter_async_context(dataplane.clip(await upload.finish(), options))
        if form.tells_end:
            await run.begin()  # A full engine has a status of its own, which no half answer can have.
            return OwningStream(run.pieces(writer), stack.pop_all(), form.media_type)
        spool = await stack.enter_async_context(open_spool(dataplane.settings.temp_dir))
        await _spool(request, run.pieces(writer), spool)
        return OwningStream(spool.pieces(), stack.pop_all(), form.media_type, _headers(form, run.end.complete))


def _headers(form: Format, complete: bool) -> dict[str, str]:
    headers = {"X-Red-Complete": str(complete).lower()}
    if form.binary:
        headers["Content-Disposition"] = f'attachment; filename="landmarks{form.suffixes[0]}"'
    return headers


async def _spool(request: Request, pieces: AsyncGenerator[bytes], out: Spool) -> None:
    """The header reports completeness and goes before the rest, so the rest waits in a file."""
    async with aclosing(pieces):
        async for piece in pieces:
            if await request.is_disconnected():  # Nothing is sent yet, so nothing else would show it.
                raise ClientDisconnect
            out.write(piece)
            await out.drain()
