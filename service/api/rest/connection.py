"""HTTP connections of clients that are not waited for, and of those that would take the event loop for themselves.

uvicorn bounds the time between requests alone (keep-alive). What is missing is put around its protocol, not into it: a
connection of asyncio that passes everything on, and an application around ours that announces when a request runs.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from service.api.rest.transport import Lingering
from service.limits.connections import to_close
from service.limits.loop_share import LoopShare

TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
_STATE = "red_align.connection"
ADMIT = "red_align.admit"
"""In a WebSocket's state: called once its sender is known."""
FIRST_MESSAGE_BYTES = 320 * 1024
"""What may come over a WebSocket before its sender is known: its head and its config, with a resume token."""
_CLOSE = (b"connection", b"close")
_SMALL, _LARGE = 4096, 65536
_READ_S = 0.002
"""Processor time that one read should take at most: how much is read at once follows from what the last one took."""
_WAKE_S = 20e-6
"""About what a read takes beside the parser: one byte at a time is the dearest way to send."""
_STRANGERS_REQUEST_S = 0.001
"""About what a request takes; reckoned for those without a key, who may ask 50 times a second over one connection."""
Knows = Callable[[Mapping[str, str]], bool]


class HttpConnections:
    """What all HTTP connections of a server share: their bounds, and the buffer that they are read into.

    Args:
        timeout_s: Seconds for a head from its first byte to its last, and seconds without room for an answer.
        knows: Whether a request's headers show who sends it.
        limit: Most connections.
        peer_limit: Most of one peer; 0 is no bound of its own.
        on_refused: Called for each connection that had to go for another's sake.
    """

    def __init__(
        self,
        timeout_s: float,
        knows: Knows = lambda _: True,
        limit: int = 1024,
        peer_limit: int = 0,
        on_refused: Callable[[], None] = lambda: None,
    ) -> None:
        self.timeout_s, self.knows = timeout_s, knows
        self._limit, self._peer_limit, self._on_refused = limit, peer_limit, on_refused
        self.buffer = memoryview(bytearray(_LARGE))
        self.held: set[_Connection] = set()

    def wrap(self, app: ASGIApp) -> tuple[ASGIApp, type[Any]]:
        """Give up clients that take too long for the head of a request, or to take answers, or too much of the loop.

        The body has a timeout of its own in service.api.rest.body, where there is an error to answer with. A connection
        whose request was answered before its body had come is closed: nobody would read the rest.

        Args:
            app: The application.

        Returns:
            What ``app`` and ``http`` of uvicorn.Config must be.
        """
        shared = self

        class Connection(_Connection):
            def __init__(self, *, app_state: dict[str, Any], **values: Any) -> None:
                inner = H11Protocol(app_state=app_state | {_STATE: self}, **values)
                super().__init__(inner, shared)

        return _announcing(app), Connection

    def add(self, new: _Connection) -> None:
        """A connection came; where there is no room for it, a stranger's makes room, or it goes itself."""
        self.held.add(new)
        if len(self.held) <= self._limit and not self._peer_limit:
            return
        closing = to_close(self.held, self._limit, self._peer_limit)
        if len(self.held) - len(closing) > self._limit:  # All of them are known.
            closing.append(new)
        for each in closing:
            self.held.discard(each)
            self._on_refused()
            each.abort()


def _announcing(app: ASGIApp) -> ASGIApp:
    """The application; each request's connection learns when it begins and when its answer is complete."""

    async def announced(scope: Scope, receive: Receive, send: Send) -> None:
        connection: _Connection = scope["state"].pop(_STATE)
        connection.request_begins(Headers(scope=scope))
        if scope["type"] == "websocket":
            scope["state"][ADMIT] = connection.admit
        answered = False

        async def announce(message: Message) -> None:
            nonlocal answered
            if message["type"] == "http.response.start" and connection.body_is_coming:
                headers = [pair for pair in message.get("headers", ()) if pair[0].lower() != _CLOSE[0]]
                message = {**message, "headers": [*headers, _CLOSE]}
            await send(message)
            if message["type"] == "http.response.body" and not message.get("more_body", False) and not answered:
                answered = True
                connection.request_ends()

        try:
            await app(scope, receive, announce)
        finally:
            if not answered:
                connection.request_ends()

    return announced


class _Connection(asyncio.BufferedProtocol):
    """Between a transport and uvicorn's protocol: passes everything on, and keeps the times."""

    def __init__(self, inner: H11Protocol, shared: HttpConnections) -> None:
        self._inner: H11Protocol | asyncio.Protocol = inner
        self._shared = shared
        self._head = _Alarm(shared.timeout_s, self._give_up_head)
        self._unread = _Alarm(shared.timeout_s, self.abort)
        self._share, self._size = LoopShare(), _SMALL
        self._running, self._known = 0, False
        self._before_admission: int | None = None  # Bytes that came; None where none are counted.
        self.peer, self.since = "", time.monotonic()

    @property
    def known(self) -> bool:
        """Whether a request runs that shows who sent it. One that waits for its next makes room as strangers do."""
        return self._known and self._running > 0

    @property
    def body_is_coming(self) -> bool:
        """Whether bytes of the running request have not come yet. Those of a WebSocket may come at any time."""
        return bool(self._inner.cycle.more_body) if isinstance(self._inner, H11Protocol) else True

    def request_begins(self, headers: Mapping[str, str]) -> None:
        """The head of a request is there, and it runs."""
        self._running += 1
        self._head.stop()
        if self._shared.knows(headers):
            self._known = True
        else:
            self._transport.hold_back(self._share.spend(_STRANGERS_REQUEST_S))

    def admit(self) -> None:
        """Who sends over this WebSocket has shown who that is."""
        self._known, self._before_admission = True, None

    def request_ends(self) -> None:
        """Its answer is complete: what comes now is the head of another request."""
        self._running -= 1
        self._size = _SMALL

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = Lingering(transport, lambda: self._running > 0 and self.body_is_coming, self._becomes)
        self.peer = str((transport.get_extra_info("peername") or ("",))[0])
        self._inner.connection_made(self._transport)
        self._head.start()
        self._shared.add(self)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._shared.buffer[: self._size]

    def buffer_updated(self, nbytes: int) -> None:
        if self._transport.is_closing():
            self._transport.discard(nbytes)
            return
        if self._before_admission is not None:
            self._before_admission += nbytes
            if self._before_admission > FIRST_MESSAGE_BYTES:
                self.abort()
                return
        began = time.thread_time()
        self._inner.data_received(bytes(self._shared.buffer[:nbytes]))
        took = time.thread_time() - began
        self._size = min(_LARGE, 4 * self._size, max(256, int(nbytes * _READ_S / max(took, 1e-6))))
        self._transport.hold_back(self._share.spend(took + _WAKE_S, nbytes))
        if not self._running:  # A head that is complete now stops it at once, when its request begins.
            self._head.start()

    def eof_received(self) -> bool | None:
        self._inner.eof_received()
        return None

    def pause_writing(self) -> None:
        self._inner.pause_writing()
        self._unread.start()
        if not isinstance(self._inner, H11Protocol):  # Else pings would go on to be answered, in memory.
            self._transport.read_while(taken=False)

    def resume_writing(self) -> None:
        self._unread.stop()
        self._inner.resume_writing()
        if not isinstance(self._inner, H11Protocol):
            self._transport.read_while(taken=True)

    def connection_lost(self, exc: Exception | None) -> None:
        self._shared.held.discard(self)
        self._head.stop()
        self._unread.stop()
        self._transport.lost()
        self._inner.connection_lost(exc)

    def abort(self) -> None:
        """Give it up with what it was sent and has not taken."""
        self._transport.abort()

    def _becomes(self, protocol: asyncio.Protocol) -> None:
        """The connection is a WebSocket from now on."""
        self._inner, self._before_admission = protocol, 0

    def _give_up_head(self) -> None:
        if not self._transport.is_closing():
            self._transport.write(TOO_SLOW)
            self._transport.close()


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
