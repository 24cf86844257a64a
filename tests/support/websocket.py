"""Clients of ``/v1/stream`` for tests."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import msgpack
import orjson
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.support.servers import RunningServer

Values = dict[str, Any]
WAIT_S = 30.0


def address(server: RunningServer) -> str:
    """Where its streams are."""
    return server.http.replace("http", "ws", 1) + "/v1/stream"


class Live:
    """An open WebSocket: what is sent, and what came back."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    def send_config(self, **values: Any) -> None:
        self.connection.send(orjson.dumps(values).decode())

    def send_frame(self, picture: bytes, time_s: float | None = None) -> None:
        self.connection.send(picture if time_s is None else struct.pack("<d", time_s) + picture)

    def send_end(self) -> None:
        self.connection.send('{"type": "end"}')

    def answer(self) -> Values:
        message = self.connection.recv(WAIT_S)
        values: Values = orjson.loads(message) if isinstance(message, str) else msgpack.unpackb(message)
        return values

    def rest(self) -> tuple[list[Values], int, str]:
        """All further answers, and code and reason of the close."""
        answers = []
        with suppress(ConnectionClosed):
            while True:
                answers.append(self.answer())
        return answers, self.connection.close_code or 0, self.connection.close_reason or ""


@contextmanager
def opened(server: RunningServer, **options: Any) -> Iterator[Live]:
    """A WebSocket that has sent nothing yet; options are those of the websockets package."""
    with connect(address(server), compression=None, max_size=None, **options) as connection:
        yield Live(connection)


def stream(server: RunningServer, pictures: Sequence[bytes], first: int = 0, **config: Any) -> list[Values]:
    """All answers to frames at 30 a second, from number ``first`` on, each sent once the one before was answered."""
    with opened(server) as live:
        live.send_config(times="client", **config)
        answers = [live.answer()]
        for number, picture in enumerate(pictures, first):
            live.send_frame(picture, number / 30)
            answers.append(live.answer())
        live.send_end()
        last, code, _ = live.rest()
        assert code == 1000
        return answers + last
