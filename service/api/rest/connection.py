"""HTTP/1.1 for clients that cannot be waited for: without them a connection could be held open for ever."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


def connection_with_timeouts(timeout_s: float) -> type[H11Protocol]:
    """uvicorn's protocol, which lets a client go that takes longer than this for a request's head, or to take answers.

    The body's own patience is in service.api.rest.body, where there is an error to answer with.
    """

    class ConnectionWithTimeouts(H11Protocol):
        def __init__(self, *args: Any, **values: Any) -> None:
            super().__init__(*args, **values)
            self._head, self._unread = _Alarm(self.loop, timeout_s), _Alarm(self.loop, timeout_s)

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._head.set(self._give_up_head)

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if self.conn.their_state is not h11.IDLE:  # The head is there.
                self._head.stop()
            elif not self._head.is_set:  # The next request has begun; that it begins at all is keep-alive's matter.
                self._head.set(self._give_up_head)

        def pause_writing(self) -> None:
            super().pause_writing()
            self._unread.set(self._give_up_unread)

        def resume_writing(self) -> None:
            self._unread.stop()
            super().resume_writing()

        def connection_lost(self, exc: Exception | None) -> None:
            self._head.stop()
            self._unread.stop()
            super().connection_lost(exc)

        def _give_up_head(self) -> None:
            if not self.transport.is_closing():
                self.transport.write(TOO_SLOW)
                self.transport.close()

        def _give_up_unread(self) -> None:
            # Without this the system would go on to offer what is in its own buffers.
            connection = self.transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.transport.abort()

    return ConnectionWithTimeouts


class _Alarm:
    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        self._loop, self._seconds = loop, seconds
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_set(self) -> bool:
        return self._timer is not None

    def set(self, then: Callable[[], None]) -> None:
        self.stop()
        self._timer = self._loop.call_later(self._seconds, then)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
