"""A connection that FFmpeg makes to this machine alone, and that leads to the address that was checked."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Callable
from typing import NoReturn

from red_align.errors import RedAlignError, SourceUnreachable

PIECE = 64 * 1024
OWN = "/dev/fd"
"""Folder of this process's descriptors."""


class Relay:
    """Listens on loopback for one connection of this process, and joins it to another one.

    Args:
        wire: Leads to the source; closed with the relay.
        guard: Sees what the source sends, and gives what of it is passed on; None where all of it is.
        accept_s: Seconds within which the connection must come.
    """

    def __init__(
        self, wire: socket.socket, guard: Callable[[bytes], bytes] | None = None, accept_s: float = 10.0
    ) -> None:
        self.error: RedAlignError | None = None
        """Why it ended, where what came was not to be passed on."""
        self._wire, self._guard = wire, guard or bytes
        self._near: socket.socket | None = None
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=1)
        self._listening.settimeout(accept_s)
        self.port: int = self._listening.getsockname()[1]
        self._threads = [threading.Thread(target=self._run, daemon=True, name="red-align-relay")]
        self._threads[0].start()

    def close(self) -> None:
        """End both connections; safe to call twice."""
        for end in (self._listening, self._wire, self._near):
            if end is not None:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
        for thread in list(self._threads):
            thread.join(timeout=2.0)
        for end in (self._listening, self._wire, self._near):
            if end is not None:
                end.close()

    def _run(self) -> None:
        near = self._accepted()
        self._listening.close()
        if near is None:
            return
        self._near = near
        # Whoever reads knows for how long it waits.
        near.settimeout(None)
        self._wire.settimeout(None)
        back = threading.Thread(target=self._copy, args=(near, self._wire, bytes), daemon=True, name="red-align-relay")
        self._threads.append(back)
        back.start()
        self._copy(self._wire, near, self._guard)

    def _accepted(self) -> socket.socket | None:
        """This process's connection; others that come are closed."""
        while True:
            try:
                near, peer = self._listening.accept()
            except OSError:
                return None
            if _is_ours(peer):
                return near
            near.close()

    def _copy(self, source: socket.socket, target: socket.socket, passed: Callable[[bytes], bytes]) -> None:
        try:
            while data := source.recv(PIECE):
                target.sendall(passed(data))
        except RedAlignError as error:
            self.error = error
        except OSError:
            pass
        finally:
            for end in (source, target):
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)


def _is_ours(peer: tuple[str, int]) -> bool:
    """Whether a socket of this process is the other end: another user's might be. Windows does not say."""
    for name in os.listdir(OWN) if os.path.isdir(OWN) else ():
        with contextlib.suppress(OSError, ValueError):
            found = socket.socket(fileno=os.dup(int(name)))
            with found:
                if found.family == socket.AF_INET and found.getsockname() == peer:
                    return True
    return not os.path.isdir(OWN)


def raise_error(relay: Relay | None, otherwise: str) -> NoReturn:
    """Raise why a relay ended, or SourceUnreachable with another reason."""
    if relay is not None and relay.error is not None:
        raise relay.error
    raise SourceUnreachable(otherwise)
