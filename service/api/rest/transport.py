"""The transport of an HTTP connection as uvicorn sees it: held back where it costs too much, and closed politely."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from typing import Any

LINGER_S = 1.0
"""Seconds for which bytes are taken and thrown away after an answer that came before its request's end: to close at
once would reset the connection, and the client might never see the answer."""
LINGER_BYTES = 1024 * 1024


class Lingering(asyncio.Transport):
    """Passes on to another transport what uvicorn asks of it.

    Args:
        transport: The other one.
        sends_on: Whether the client has not sent all of its request; asked when the connection is to be closed.
        switched: Told another protocol that is to take what comes: that of a WebSocket.
    """

    def __init__(
        self,
        transport: asyncio.Transport,
        sends_on: Callable[[], bool],
        switched: Callable[[asyncio.Protocol], None],
    ) -> None:
        super().__init__()
        self._transport, self._sends_on, self._switched = transport, sends_on, switched
        self._paused = self._held_back = self._lingers = self._unread = False
        self._discarded = 0
        self._timer: asyncio.TimerHandle | None = None

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Of the other one."""
        return self._transport.get_extra_info(name, default)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """What uvicorn asks for where a connection becomes a WebSocket."""
        assert isinstance(protocol, asyncio.Protocol)
        self._switched(protocol)

    def is_closing(self) -> bool:
        """Whether it is closed, or will be after what is still thrown away."""
        return self._lingers or self._transport.is_closing()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send."""
        self._transport.write(data)

    def close(self) -> None:
        """Close once all is sent; where the client goes on to send, after some time in which that is thrown away."""
        if self.is_closing():
            return
        if not self._sends_on():
            self._transport.close()
            return
        self._lingers = True
        if self._transport.can_write_eof():
            self._transport.write_eof()
        self._wait(LINGER_S, self._transport.close)
        self._read()

    def abort(self) -> None:
        """Close at once; without the option the system would go on to offer what is in its own buffers."""
        connection = self._transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()

    def lost(self) -> None:
        """The connection is gone."""
        if self._timer is not None:
            self._timer.cancel()

    def discard(self, size: int) -> None:
        """Bytes came after the end.

        Args:
            size: How many.
        """
        self._discarded += size
        if self._discarded >= LINGER_BYTES:
            self._transport.pause_reading()

    def hold_back(self, seconds: float) -> None:
        """Read nothing for some time.

        Args:
            seconds: How long; 0 for not at all.
        """
        if seconds > 0.0 and not self.is_closing():
            self._held_back = True
            self._transport.pause_reading()
            self._wait(seconds, self._let_go)

    def read_while(self, taken: bool) -> None:
        """Read only while the client takes what it is sent.

        Args:
            taken: Whether it does.
        """
        self._unread = not taken
        if taken:
            self._read()
        else:
            self._transport.pause_reading()

    def _let_go(self) -> None:
        self._held_back = False
        self._read()

    def _wait(self, seconds: float, then: Callable[[], None]) -> None:
        self.lost()
        self._timer = asyncio.get_running_loop().call_later(seconds, then)

    def pause_reading(self) -> None:
        """What uvicorn asks for."""
        self._paused = True
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """What uvicorn asks for; it waits where the connection is held back."""
        self._paused = False
        self._read()

    def _read(self) -> None:
        if self._lingers or not (self._paused or self._held_back or self._unread):
            self._transport.resume_reading()
