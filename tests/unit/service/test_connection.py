"""Timeouts of connections against the installed uvicorn: an update that breaks them fails here.

Heads that are slow, bodies that go on after their answer, answers that are not taken; and keep-alive works.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
import uvicorn

from service.api.rest.connection import TOO_SLOW, HttpConnections

TIMEOUT_S = 0.5
PIECE, PIECES = b"x" * 65536, 400  # more than the systems on both sides keep for us


Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]


class Application:
    """Answers with a lot, and notes how that ended."""

    def __init__(self) -> None:
        self.sent = 0
        self.ended = asyncio.Event()

    async def __call__(
        self,
        scope: MutableMapping[str, Any],
        receive: Receive,
        send: Send,
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
async def serving(app: App, shared: HttpConnections | None = None) -> AsyncIterator[int]:
    timed, connection = (shared or HttpConnections(TIMEOUT_S)).wrap(app)
    config = uvicorn.Config(timed, port=0, lifespan="off", log_config=None, http=connection, ws="none")
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
            await asyncio.sleep(TIMEOUT_S / 2)
        await asyncio.wait_for(app.ended.wait(), 30)
        assert app.sent == PIECES
        writer.close()


async def short(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
    """Reads the body unless the path says otherwise, and answers with the path, slowly where it says so."""
    path: str = scope["path"]
    if path == "/slow":
        await asyncio.sleep(2 * TIMEOUT_S)
    while path != "/early" and (await receive()).get("more_body"):
        pass
    headers = [(b"content-length", str(len(path)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": path.encode()})


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    yield reader, writer
    writer.close()


def request(path: str, method: str = "GET", headers: str = "") -> bytes:
    return f"{method} {path} HTTP/1.1\r\nHost: here\r\n{headers}\r\n".encode()


async def answer(reader: asyncio.StreamReader) -> bytes:
    """The body of the next answer."""
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)
    assert head.startswith(b"HTTP/1.1 200 ")
    length = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
    return await reader.readexactly(int(length.split(b":")[1]))


@pytest.mark.parametrize("begun", [b"", b"GET / HT", request("/")[:-2]], ids=["nothing", "half a line", "half a head"])
async def test_a_head_that_does_not_end_is_answered_with_408(begun: bytes) -> None:
    async with serving(short) as port, connected(port) as (reader, writer):
        writer.write(begun)
        assert await asyncio.wait_for(reader.read(), 20) == TOO_SLOW


async def test_the_second_head_of_a_connection_has_a_timeout_too_and_bytes_do_not_prolong_it() -> None:
    async with serving(short) as port, connected(port) as (reader, writer):
        writer.write(request("/first"))
        assert await answer(reader) == b"/first"
        rest = asyncio.create_task(reader.read())
        for _ in range(100):
            writer.write(b"G")
            await asyncio.sleep(TIMEOUT_S / 10)
            if rest.done():
                break
        assert await asyncio.wait_for(rest, 20) == TOO_SLOW


async def test_a_connection_is_kept_alive_between_requests_for_longer_than_a_head_may_take() -> None:
    async with serving(short) as port, connected(port) as (reader, writer):
        for path in ("/one", "/two", "/three"):
            writer.write(request(path))
            assert await answer(reader) == path.encode()
            await asyncio.sleep(1.5 * TIMEOUT_S)


async def test_requests_that_take_long_and_pipelined_ones_are_answered_in_order() -> None:
    async with serving(short) as port, connected(port) as (reader, writer):
        writer.write(request("/slow") + request("/second") + request("/slow"))
        assert [await answer(reader) for _ in range(3)] == [b"/slow", b"/second", b"/slow"]


async def test_a_body_has_no_timeout_of_the_head() -> None:
    async with serving(short) as port, connected(port) as (reader, writer):
        writer.write(request("/body", "POST", "Content-Length: 4\r\n"))
        for _ in range(4):
            await asyncio.sleep(TIMEOUT_S / 2)
            writer.write(b"x")
        assert await answer(reader) == b"/body"


async def test_a_connection_ends_with_an_answer_that_its_body_did_not_wait_for() -> None:
    async with serving(short) as port, connected(port) as (reader, writer):
        writer.write(request("/early", "POST", "Content-Length: 1000000\r\n") + b"x" * 1000)
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)
        assert b"connection: close" in head.lower()
        assert await asyncio.wait_for(reader.read(), 20) == b"/early"
        with pytest.raises(ConnectionError):
            await asyncio.wait_for(send_on(writer), 20)


async def send_on(writer: asyncio.StreamWriter) -> None:
    """It is taken and thrown away for a little time, and not for ever."""
    while True:
        writer.write(b"x" * 65536)
        await writer.drain()


async def test_chunks_of_one_byte_are_read_slowly_and_others_at_once() -> None:
    """The event loop's time is what such a body costs: it may take a part of it."""
    taken = [0, 0]

    async def count(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        while (message := await receive()).get("more_body"):
            taken[int(scope["path"][1:])] += len(message["body"])

    async with serving(count) as port, connected(port) as (_, tiny), connected(port) as (_, large):
        tiny.write(request("/0", "POST", "Transfer-Encoding: chunked\r\n") + b"1\r\nx\r\n" * 400_000)
        large.write(
            request("/1", "POST", "Transfer-Encoding: chunked\r\n") + (b"4000\r\n" + b"x" * 16384 + b"\r\n") * 150
        )
        for _ in range(2000):
            if taken[1] == 150 * 16384:
                break
            await asyncio.sleep(0.01)
        assert taken[1] == 150 * 16384
        assert 0 < taken[0] < 400_000 / 4
        end = struct.pack("ii", 1, 0)  # A reset: what the system holds of it need not be read before the server ends.
        tiny.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, end)
        tiny.transport.abort()


@pytest.mark.parametrize("known", [False, True])
async def test_where_no_room_is_left_the_oldest_stranger_makes_room(known: bool) -> None:
    refused: list[int] = []
    shared = HttpConnections(20.0, lambda _: known, limit=3, on_refused=lambda: refused.append(1))
    async with serving(short, shared) as port, connected(port) as (first, writer):
        writer.write(request("/slow"))
        await asyncio.sleep(TIMEOUT_S / 5)
        others = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
        ended = others[0][0] if known else first  # A known one that is being answered stays.
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(ended.read(), 20)
        assert (len(refused), len(shared.held)) == (1, 3)
        if known:
            assert await answer(first) == b"/slow"
        for _, other in others:
            other.close()


async def test_pipelined_requests_of_strangers_are_answered_at_a_bounded_rate() -> None:
    async with serving(short, HttpConnections(20.0, lambda _: False)) as port, connected(port) as (reader, writer):
        writer.write(request("/x") * 1000)
        answered = 0
        with suppress(TimeoutError):
            async with asyncio.timeout(1.0):
                while answered < 1000:
                    answered += (await answer(reader)) == b"/x"
        assert 0 < answered < 300
