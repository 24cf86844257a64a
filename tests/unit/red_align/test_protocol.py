"""A client that does not take its answer, against a real uvicorn with our protocol."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn

from service.api.rest.connection import connection_with_timeouts

PATIENCE_S = 0.5
PIECE, PIECES = b"x" * 65536, 400  # more than the systems on both sides keep for us


class Application:
    """Answers with a lot, and notes how that ended."""

    def __init__(self) -> None:
        self.sent = 0
        self.ended = asyncio.Event()

    async def __call__(
        self,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
        send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
    ) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        try:
            for _ in range(PIECES):
                await send({"type": "http.response.body", "body": PIECE, "more_body": True})
                self.sent += 1
            await send({"type": "http.response.body"})
        finally:
            self.ended.set()


@asynccontextmanager
async def serving(app: Application) -> AsyncIterator[int]:
    config = uvicorn.Config(app, port=0, lifespan="off", log_config=None, http=connection_with_timeouts(PATIENCE_S))
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    await task


async def asked(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    connection.connect(("127.0.0.1", port))
    reader, writer = await asyncio.open_connection(sock=connection, limit=1)
    writer.write(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
    return reader, writer


async def test_an_answer_that_is_not_taken_ends_its_connection() -> None:
    app = Application()
    async with serving(app) as port:
        reader, writer = await asked(port)
        await asyncio.wait_for(app.ended.wait(), 30)
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()


async def test_one_that_is_taken_slowly_comes_whole() -> None:
    app = Application()
    async with serving(app) as port:
        reader, writer = await asked(port)
        for _ in range(8):
            await reader.readexactly(PIECES // 8 * len(PIECE))
            await asyncio.sleep(PATIENCE_S / 2)
        await asyncio.wait_for(app.ended.wait(), 30)
        assert app.sent == PIECES
        writer.close()
