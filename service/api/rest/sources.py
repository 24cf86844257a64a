"""``/v1/sources``: cameras and broadcasts that the service pulls itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from typing import Any

from fastapi import APIRouter, Depends, Request
from pydantic import ValidationError
from starlette.responses import JSONResponse, Response

from red_align.errors import InvalidRequest, TooLarge
from service.api.rest.names import check_query
from service.api.rest.streaming import OwningStream
from service.api.schemas import ErrorModel
from service.api.source_models import SourceModel, SourceRequest, SourcesModel, WebhookRequest
from service.dataplane import DataPlane
from service.limits.timeouts import iterate_upload
from service.streams.sources.options import SourceOptions, WebhookOptions
from service.streams.sources.registry import new_secret
from service.streams.sources.ring import EventRing
from service.streams.sources.source import Source

router = APIRouter(prefix="/v1/sources", dependencies=[Depends(check_query)])
MAX_BODY = 16 * 1024
LEAST_SECRET = 16
QUIET_S = 15.0
"""Without an event for this long a comment is sent, so that nothing between takes the connection for dead."""
TOGETHER = 64
"""Events that are handed over at once, at most."""


def _errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    texts = {
        400: "The request is wrong.",
        401: "No valid key or token.",
        403: "The source or webhook is not on the service's list.",
        404: "There is no such source.",
        415: "The source's protocol is not read.",
        429: "A bound is reached.",
        503: "The service is starting or going away.",
    }
    return {status: {"model": ErrorModel, "description": texts[status]} for status in (401, *statuses)}


def _body() -> dict[str, Any]:
    """The request's body in OpenAPI: it is read by hand, since FastAPI would take one of any size."""
    schema = SourceRequest.model_json_schema()
    schema["properties"]["webhook"] = schema.pop("$defs")[WebhookRequest.__name__]
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


@router.post(
    "", status_code=201, response_model=SourceModel, responses=_errors(400, 403, 415, 429, 503), openapi_extra=_body()
)
async def add(request: Request) -> Response:
    """Begin to pull a source; its state and events say how it goes."""
    dataplane: DataPlane = request.app.state.dataplane
    tenant = dataplane.auth.tenant(request.headers)
    asked = await _asked(request, dataplane)
    webhook = None
    if asked.webhook is not None:
        if asked.webhook.secret and len(asked.webhook.secret) < LEAST_SECRET:
            raise InvalidRequest(f"webhook.secret must have {LEAST_SECRET} characters or more")
        webhook = WebhookOptions(asked.webhook.url, asked.webhook.secret or new_secret())
    source = dataplane.sources.add(SourceOptions(asked.url, tenant, asked.max_faces, asked.stride, webhook))
    values = source.values()
    if webhook is not None:
        values["webhook"]["secret"] = webhook.secret
    return JSONResponse(values, 201, {"Location": f"/v1/sources/{source.id}"})


@router.get("", response_model=SourcesModel, responses=_errors())
async def every(request: Request) -> Response:
    """The caller's sources; those that have ended are there for five minutes."""
    dataplane: DataPlane = request.app.state.dataplane
    tenant = dataplane.auth.tenant(request.headers)
    return JSONResponse({"sources": [source.values() for source in dataplane.sources.of(tenant)]})


@router.get("/{source_id}", response_model=SourceModel, responses=_errors(404))
async def one(request: Request, source_id: str) -> Response:
    """A source: its state, counts, and why it was lost."""
    return JSONResponse(_source(request, source_id).values())


@router.delete("/{source_id}", status_code=204, responses=_errors(404))
async def remove(request: Request, source_id: str) -> Response:
    """End a source."""
    dataplane: DataPlane = request.app.state.dataplane
    dataplane.sources.remove(_source(request, source_id))
    return Response(status_code=204)


_EVENTS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Server-sent events: `id` is the event's number, `event` its type, `data` one object as in the "
        "lines of NDJSON. `Last-Event-ID` goes on behind an event.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    },
    **_errors(400, 404, 429),
}


@router.get("/{source_id}/events", response_class=Response, responses=_EVENTS)
async def events(request: Request, source_id: str) -> Response:
    """The events of a source, from those that are kept on."""
    source = _source(request, source_id)
    last = _last_event(request)
    async with AsyncExitStack() as stack:
        ring = await stack.enter_async_context(source.reading())
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return OwningStream(_pieces(ring, last), stack.pop_all(), "text/event-stream", headers)


def _source(request: Request, source_id: str) -> Source:
    dataplane: DataPlane = request.app.state.dataplane
    return dataplane.sources.get(dataplane.auth.tenant(request.headers), source_id)


def _last_event(request: Request) -> int:
    given = request.headers.get("last-event-id", "").strip()
    if given and not (given.isascii() and given.isdigit() and len(given) < 19):
        raise InvalidRequest("Last-Event-ID is no number of an event")
    return int(given or 0)


async def _pieces(ring: EventRing, last: int) -> AsyncGenerator[bytes]:
    """Events as they are sent; what is no more there is told as ``missed``."""
    last = min(last, ring.last)
    yield b"retry: 2000\n\n"
    while True:
        try:
            found = await asyncio.wait_for(ring.after(last, TOGETHER), QUIET_S)
        except TimeoutError:
            yield b": quiet\n\n"
            continue
        if not found:
            return
        if (missed := found[0].number - last - 1) > 0:
            yield b'event: missed\ndata: {"type":"missed","count":%d}\n\n' % missed
        last = found[-1].number
        yield b"".join(
            b"id: %d\nevent: %s\ndata: %s\n\n" % (event.number, event.kind.encode(), event.data) for event in found
        )


async def _asked(request: Request, dataplane: DataPlane) -> SourceRequest:
    body = bytearray()
    async for piece in iterate_upload(request.stream(), len, dataplane.upload_limits):
        body += piece
        if len(body) > MAX_BODY:
            raise TooLarge(f"a request for a source has at most {MAX_BODY} bytes")
    try:
        return SourceRequest.model_validate_json(bytes(body))
    except ValidationError as error:  # Its own words would repeat the values, passwords among them.
        wrong = [f"{'.'.join(str(p) for p in e['loc']) or 'body'}: {e['msg']}" for e in error.errors()]
        raise InvalidRequest("; ".join(wrong)) from None
