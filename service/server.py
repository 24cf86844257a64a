"""The process: REST, WebSocket and gRPC over one data plane, from start to a clean end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import signal
import socket
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from red_align.errors import ConfigurationError
from service import lifecycle
from service.api.rest.app import create_app
from service.api.rest.connection import HttpConnections
from service.api.rpc.server import GrpcServer
from service.api.ws.endpoint import router as live_router
from service.api.ws.socket import StreamSocket
from service.config.settings import Settings
from service.dataplane import DataPlane
from service.factory import make_dataplane
from service.limits.connections import connection_limit, raise_descriptor_limit
from service.observability.logs import with_request_ids
from service.peers import Peers, listen_longer, shared_socket

log = logging.getLogger(__name__)
ACCEPTED_AT_ONCE = 16
"""Connections that the event loop takes in one turn, before their bounds are asked: each costs a descriptor."""


class _Uvicorn(uvicorn.Server):
    """uvicorn without signal handlers of its own: the process has one owner."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone."""
        yield


async def serve(
    settings: Settings, on_ready: Callable[[int, int], None] | None = None, peers: Peers | None = None
) -> None:
    """Serve until SIGINT or SIGTERM. Both servers listen at once and answer "not ready" until the engine was reached.

    Args:
        settings: The settings.
        on_ready: Called with the HTTP and gRPC port when the engine was reached.
        peers: The other processes behind the same ports, where this is one of several (see service.supervisor).

    Raises:
        ConfigurationError: A setting is wrong, such as a port that is in use.
        ModelMismatch: The model does not keep the tensor contract.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    dataplane = make_dataplane(settings)
    try:
        await _serve_both(settings, dataplane, stop, on_ready, peers)
    finally:
        await lifecycle.close(dataplane)


async def _serve_both(
    settings: Settings,
    dataplane: DataPlane,
    stop: asyncio.Event,
    on_ready: Callable[[int, int], None] | None,
    peers: Peers | None,
) -> None:
    limit = settings.max_connections or connection_limit(raise_descriptor_limit(), settings.max_uploads)
    connections = HttpConnections(
        settings.client_timeout_s,
        dataplane.auth.knows,
        limit,
        settings.peer_max_connections,
        dataplane.metrics.rejects.labels("CONNECTIONS").inc,
    )
    app, connection = connections.wrap(with_request_ids(create_app(dataplane, live_router)))
    http = _Uvicorn(_http_config(settings, app, connection))
    rpc = GrpcServer(dataplane, limit, share_port=peers is not None)
    await rpc.start()
    shared = [shared_socket(settings.host, settings.http_port, "RED_HTTP_PORT")] if peers is not None else None
    if peers is not None:
        dataplane.peers_ready = False
        peers.listen(partial(setattr, dataplane, "peers_ready"), stop.set)
    serving = asyncio.create_task(_run_http(http, shared))
    starting = asyncio.create_task(lifecycle.start(dataplane))
    stopping = asyncio.create_task(stop.wait())
    telling = [asyncio.create_task(dataplane.metrics.keep_told())] if peers is not None else []
    try:
        while not http.started and not serving.done():  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.02)
        if serving.done():
            raise ConfigurationError(f"RED_HTTP_PORT: cannot listen on {settings.host}:{settings.http_port}")
        http_port = http.servers[0].sockets[0].getsockname()[1]
        listen_longer(http.servers[0].sockets[0].fileno())
        log.info("HTTP on %s:%d, gRPC on %s:%d", settings.host, http_port, settings.host, rpc.port)
        await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
            rpc.set_serving()
            if peers is not None:
                peers.announce_ready()
            if on_ready is not None:
                on_ready(http_port, rpc.port)
        await stopping
    finally:
        for task in (starting, stopping, *telling):
            task.cancel()
        dataplane.ready = False
        dataplane.draining.set()
        http.should_exit = True
        await asyncio.gather(starting, stopping, serving, rpc.stop(settings.grace_s), return_exceptions=True)


def _http_config(settings: Settings, app: ASGIApp, connection: type[Any]) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.http_port,
        log_level=settings.log_level.lower(),
        timeout_graceful_shutdown=math.ceil(settings.grace_s),
        lifespan="off",
        log_config=None,  # service.observability.logs
        http=connection,
        ws=StreamSocket,
        ws_max_size=settings.max_message_bytes,
        ws_per_message_deflate=False,  # Pictures do not shrink, and what is small may unpack to something large.
        backlog=ACCEPTED_AT_ONCE,
        ssl_certfile=settings.tls_cert,
        ssl_keyfile=settings.tls_key,
    )


async def _run_http(http: uvicorn.Server, sockets: list[socket.socket] | None) -> None:
    with contextlib.suppress(SystemExit):  # what uvicorn raises where the port is taken
        await http.serve(sockets)
