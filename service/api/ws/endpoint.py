"""``/v1/stream``: a live stream over a WebSocket. Config first, then frames; one answer a frame, in order."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from functools import partial

from fastapi import APIRouter
from starlette.responses import JSONResponse
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState
from uvicorn.protocols.utils import ClientDisconnected

from red_align.errors import FirstMessageTimeout, GoingAway, InvalidRequest, NotReady, RedAlignError, Unauthenticated
from service.api.errors import http_body, http_status, websocket_close
from service.api.rest.connection import ADMIT
from service.api.ws.config import StreamConfig, read_config
from service.api.ws.frames import ArrivalClock, frames
from service.api.ws.messages import Message, error_message, pack, shapes
from service.api.ws.origin import check_origin
from service.dataplane import DataPlane
from service.limits.timeouts import send_with_timeout
from service.observability.logs import set_stream_id
from service.security.authenticator import KEY_SUBPROTOCOL

log = logging.getLogger(__name__)
router = APIRouter()
SUBPROTOCOL = "red-align.v1"
_GONE = (WebSocketDisconnect, ClientDisconnected)


@router.websocket("/v1/stream")
async def stream(socket: WebSocket) -> None:
    """See docs/websocket.md."""
    dataplane: DataPlane = socket.app.state.dataplane
    try:
        tenant = _greeted(socket, dataplane)
    except RedAlignError as error:
        dataplane.metrics.rejects.labels(error.reason).inc()
        response = JSONResponse(http_body(error), http_status(error))
        del response.headers["content-length"], response.headers["content-type"]  # uvicorn adds its own.
        await socket.send_denial_response(response)
        return
    config = StreamConfig()
    try:
        await socket.accept(SUBPROTOCOL if SUBPROTOCOL in socket.scope["subprotocols"] else None)
        config = await _first(socket, dataplane)
        if tenant is None:
            tenant = dataplane.auth.tenant({"x-api-key": config.key.get_secret_value()})
        socket.scope["state"].get(ADMIT, lambda: None)()
        set_stream_id(config.stream_id)
        await _serve(socket, dataplane, tenant, config)
        await socket.close(1000)
    except Exception as error:
        await _end(socket, dataplane, error, binary=config.answers == "msgpack")


def _greeted(socket: WebSocket, dataplane: DataPlane) -> str | None:
    """The tenant whose key came with the handshake; None where it must come with the first message."""
    check_origin(socket.headers, dataplane.settings.cors_origins)
    if socket.url.query:
        raise InvalidRequest("a stream has no query: what it chooses goes into its first message, and so does a key")
    try:
        return dataplane.auth.tenant(socket.headers)
    except Unauthenticated:
        named = {"authorization", "x-api-key"} & set(socket.headers)
        if named or KEY_SUBPROTOCOL in socket.headers.get("sec-websocket-protocol", ""):
            raise
        return None


async def _first(socket: WebSocket, dataplane: DataPlane) -> StreamConfig:
    """The config; a service that shuts down waits for none."""
    seconds, limit = dataplane.settings.first_message_s, "first_message_s"
    message = asyncio.ensure_future(_message(socket))
    draining = asyncio.ensure_future(dataplane.draining.wait())
    try:
        done, _ = await asyncio.wait({message, draining}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if message in done:
            return read_config(message.result())
        if done:
            raise GoingAway("the service is draining")
        why = f"no config came for {seconds:g} s, which is the limit {limit}"
        raise FirstMessageTimeout(why, limit=limit)
    finally:
        for task in (message, draining):
            task.cancel()


async def _serve(socket: WebSocket, dataplane: DataPlane, tenant: str, config: StreamConfig) -> None:
    if not dataplane.ready and not dataplane.draining.is_set():
        raise NotReady("the service is not ready")
    clock, binary = ArrivalClock(), config.answers == "msgpack"
    with dataplane.tenants.of(tenant) as share, share.calls.acquire_slot():
        incoming = frames(_messages(socket), config, clock)
        async with dataplane.live(config.options(tenant), config.live_flow, incoming) as session:
            last_time_s = await session.last_time_s()
            clock.goes_on_from(last_time_s)
            ready = {
                "scheme": dataplane.engine.info.scheme.name,
                "num_points": dataplane.engine.info.scheme.num_points,
                "next_index": session.next_index,
                "last_time_s": last_time_s,
                "window": dataplane.settings.stream_queue,
            }
            await _send(socket, pack("ready", ready, binary=binary))
            timeout = dataplane.settings.client_timeout_s, "client_timeout_s"
            async with aclosing(session.answers(shapes(binary=binary))) as answers:
                await send_with_timeout(answers, partial(_send, socket), *timeout)


async def _messages(socket: WebSocket) -> AsyncGenerator[Message]:
    """What the client sends; raises WebSocketDisconnect where it leaves without a word."""
    while True:
        yield await _message(socket)


async def _message(socket: WebSocket) -> Message:
    received = await socket.receive()
    if received["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(received["code"])
    text: str | None = received.get("text")
    return received["bytes"] if text is None else text


async def _send(socket: WebSocket, message: Message) -> None:
    if isinstance(message, str):
        await socket.send_text(message)
    else:
        await socket.send_bytes(message)


async def _end(socket: WebSocket, dataplane: DataPlane, error: Exception, *, binary: bool) -> None:
    """Say why the stream ends, where there is anybody to hear it."""
    if isinstance(error, _GONE):
        log.debug("the client has gone", exc_info=error)
        return
    if not isinstance(error, RedAlignError):
        log.error("unexpected error", exc_info=error)
        error = RedAlignError("internal error")
    dataplane.metrics.rejects.labels(error.reason).inc()
    if socket.application_state != WebSocketState.CONNECTED:
        return
    # A client that takes nothing is not waited for: its connection has a timeout of its own.
    with suppress(TimeoutError, RuntimeError, *_GONE):
        async with asyncio.timeout(1.0):
            await _send(socket, error_message(error, binary=binary))
            await socket.close(websocket_close(error), error.reason)
