"""Several gateway processes behind one pair of ports: what each of them shares with the others."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable
from multiprocessing.connection import Connection

from red_align.errors import ConfigurationError

BACKLOG = 2048


def shared_socket(host: str, port: int, name: str) -> socket.socket:
    """A TCP socket bound to a port that processes of this user may share; not listening yet.

    Args:
        host: Address or name.
        port: The port; 0 picks a free one.
        name: Of the setting, for the error.

    Raises:
        ConfigurationError: The port cannot be had.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        made = socket.socket(family, kind, protocol)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        made.bind(address)
    except OSError as error:
        raise ConfigurationError(f"{name}: cannot listen on {host}:{port}: {error.strerror}") from error
    return made


def listen_longer(descriptor: int) -> None:
    """Let more connections wait in the system than the event loop takes in one turn, which asyncio makes one number.

    Args:
        descriptor: A listening socket's.
    """
    with socket.socket(fileno=os.dup(descriptor)) as same:
        same.listen(BACKLOG)


def reserved_port(host: str, port: int, name: str) -> socket.socket:
    """As ``shared_socket``, where nobody listens on the port yet, not even one who would share it.

    Raises:
        ConfigurationError: The port is in use.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as alone:
            alone.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            alone.bind(address)
            port = int(alone.getsockname()[1])
    except OSError as error:
        raise ConfigurationError(f"{name}: {host}:{port} is in use or cannot be had: {error.strerror}") from error
    return shared_socket(host, port, name)


class Peers:
    """A process's line to its supervisor: it says when it is ready, and hears whether all of them are.

    Args:
        line: The process's end.
    """

    def __init__(self, line: Connection) -> None:
        self._line = line

    def announce_ready(self) -> None:
        """This process serves."""
        self._line.send(("ready", ""))

    def announce_failed(self, why: str) -> None:
        """This process cannot start."""
        with contextlib.suppress(OSError):
            self._line.send(("failed", why))

    def listen(self, on_change: Callable[[bool], None], on_gone: Callable[[], None]) -> None:
        """Begin to listen, in the running event loop.

        Args:
            on_change: Called with whether all processes are ready.
            on_gone: Called when the supervisor is gone: nobody would end this process.
        """
        loop = asyncio.get_running_loop()

        def read() -> None:
            try:
                on_change(bool(self._line.recv()))
            except (EOFError, OSError):
                loop.remove_reader(self._line.fileno())
                on_gone()

        loop.add_reader(self._line.fileno(), read)
