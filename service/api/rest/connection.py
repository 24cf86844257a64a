"""HTTP connections of clients that are not waited for: without timeouts one could be held open for ever.

uvicorn bounds the time between requests alone (keep-alive). What is missing is put around its protocol, not into it: a
connection of asyncio that passes everything on, and an application around ours that announces when a request runs.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
_STATE = "red_align.connection"


def with_timeouts(app: ASGIApp, timeout_s: float) -> tuple[ASGIApp, type[asyncio.Protocol]]:
    """Give up clients that take too long for the head of a request, or to take answers.

    The body has a timeout of its own in service.api.rest.body, where there is an error to answer with. One that goes on
    to arrive after its request was answered is given up like a head.

    Args:
        app: The application.
        timeout_s: Seconds for a head from its first byte to its last, and seconds without room for an answer.

    Returns:
        What ``app`` and ``http`` of uvicorn.Config must be.
    """

    class Connection(_Connection):
        def __init__(self, *, app_state: dict[str, Any], **values: Any) -> None:
            inner = H11Protocol(app_state=app_state | {_STATE: self}, **values)
            super().__init__(inner, timeout_s)

    return _announcing(app), Connection


def _announcing(app: ASGIApp) -> ASGIApp:
    """The application; each request's connection learns when it begins and when its answer is complete."""

    async def announced(scope: Scope, receive: Receive, send: Send) -> None:
        connection: _Connection = scope["state"].pop(_STATE)
        connection.request_begins()
        answered = False

        async def announce_end(message: Message) -> None:
            nonlocal answered
            await send(message)
            if message["type"] == "http.response.body" and not message.get("more_body", False) and not answered:
                answered = True
                connection.request_ends()

        try:
            await app(scope, receive, announce_end)
        finally:
            if not answered:
                connection.request_ends()

    return announced


class _Connection(asyncio.Protocol):
    """Between a transport and uvicorn's protocol: passes everything on, and keeps the times."""

    def __init__(self, inner: asyncio.Protocol, timeout_s: float) -> None:
        self._inner = inner
        self._head, self._unread = _Alarm(timeout_s, self._give_up_head), _Alarm(timeout_s, self._give_up_unread)
        self._running = 0

    def request_begins(self) -> None:
        """The head of a request is there, and it runs."""
        self._running += 1
        self._head.stop()

    def request_ends(self) -> None:
        """Its answer is complete: what comes now is the head of another request."""
        self._running -= 1

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._inner.connection_made(transport)
        self._head.start()

    def data_received(self, data: bytes) -> None:
        self._inner.data_received(data)
        if not self._running:  # A head that is complete now stops it at once, when its request begins.
            self._head.start()

    def eof_received(self) -> bool | None:
        return self._inner.eof_received()

    def pause_writing(self) -> None:
        self._inner.pause_writing()
        self._unread.start()

    def resume_writing(self) -> None:
        self._unread.stop()
        self._inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head.stop()
        self._unread.stop()
        self._inner.connection_lost(exc)

    def _give_up_head(self) -> None:
        if not self._transport.is_closing():
            self._transport.write(TOO_SLOW)
            self._transport.close()

    def _give_up_unread(self) -> None:
        # Without this the system would go on to offer what is in its own buffers.
        connection = self._transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()


class _Alarm:
    """A timer that may be stopped; to start one that runs changes nothing."""

    def __init__(self, seconds: float, then: Callable[[], None]) -> None:
        self._seconds, self._then = seconds, then
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._seconds, self._then)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
