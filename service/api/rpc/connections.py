"""Bounds on gRPC's connections, which grpc itself counts but does not choose among.

It owns its sockets and refuses newcomers when all places are taken, whoever holds them. Here the process looks at its
own sockets now and then, and shuts down strangers' before that happens; grpc sees an ordinary end of the connection.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import socket
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from service.limits.connections import to_close

SWEEP_S = 0.25
FORGET_S = 30.0
FULL = 0.75
"""Part of the places from which strangers' connections are ended: newcomers find room meanwhile."""
Peer = tuple[str, int]


@dataclass(eq=False, slots=True)
class _Held:
    """See service.limits.connections.Held; ``inode`` tells two connections of one address and port apart."""

    peer: str
    known: bool
    since: float
    inode: int
    address: Peer


class GrpcConnections:
    """Keeps room for newcomers.

    Args:
        limit: Most connections; grpc refuses those beyond.
        peer_limit: Most of one peer; 0 is no bound of its own.
        on_refused: Called for each connection that had to go for another's sake.
    """

    def __init__(self, limit: int, peer_limit: int, on_refused: Callable[[], None]) -> None:
        self._limit, self._peer_limit, self._on_refused = limit, peer_limit, on_refused
        self._known: dict[Peer, float] = {}
        self._since: dict[tuple[int, Peer], float] = {}

    def know(self, peer: str) -> None:
        """The sender of a call has shown a key.

        Args:
            peer: As grpc names it, such as ``ipv4:127.0.0.1:5000`` or ``ipv6:[::1]:5000``.
        """
        if (address := _address(peer)) is not None:
            self._known[address] = time.monotonic()

    async def keep(self, port: int) -> None:
        """Look at the connections of a port, until cancelled."""
        while True:
            await asyncio.sleep(SWEEP_S)
            await asyncio.to_thread(self.sweep, port)

    def sweep(self, port: int) -> int:
        """Look at them once.

        Args:
            port: The port that they came to.

        Returns:
            How many there are left.
        """
        sockets = dict(self._sockets(port))
        self._since = {(each.inode, each.address): each.since for each in sockets}
        self._forget({each.address for each in sockets})
        closing = to_close(sockets, int(self._limit * FULL), self._peer_limit)
        for each in closing:
            _shut_down(sockets[each], each.address)
            self._on_refused()
        return len(sockets) - len(closing)

    def _forget(self, there: set[Peer]) -> None:
        """Those that are gone. One that has just become known may have come after the look at the sockets."""
        old = time.monotonic() - FORGET_S
        for address, at in list(self._known.items()):  # The event loop adds to it meanwhile.
            if at < old and address not in there:
                self._known.pop(address, None)

    def _sockets(self, port: int) -> Iterator[tuple[_Held, int]]:
        """The connections, with their descriptors."""
        now = time.monotonic()
        for name in os.listdir("/proc/self/fd"):
            descriptor = int(name)
            try:
                status = os.fstat(descriptor)
                if not stat.S_ISSOCK(status.st_mode):
                    continue
                address = _peer_of(descriptor, port)
            except OSError:  # closed meanwhile, or not connected
                continue
            if address is not None:
                since = self._since.get((status.st_ino, address), now)
                yield _Held(address[0], address in self._known, since, status.st_ino, address), descriptor


def _peer_of(descriptor: int, port: int) -> Peer | None:
    """Who is at the other side of a TCP connection that came to ``port``; None for any other socket."""
    with socket.socket(fileno=os.dup(descriptor)) as same:
        if same.family not in (socket.AF_INET, socket.AF_INET6) or same.type != socket.SOCK_STREAM:
            return None
        if same.getsockname()[1] != port:
            return None
        host, number = same.getpeername()[:2]
    return _plain(host), int(number)


def _shut_down(descriptor: int, address: Peer) -> None:
    """End a connection, if the descriptor is still its own: grpc may have closed it, and another one have its number."""
    try:
        with socket.socket(fileno=os.dup(descriptor)) as same:
            if _plain(same.getpeername()[0]) == address[0] and same.getpeername()[1] == address[1]:
                same.shutdown(socket.SHUT_RDWR)
    except OSError:
        return


def _address(peer: str) -> Peer | None:
    kind, _, rest = peer.partition(":")
    host, _, port = rest.rpartition(":")
    if kind not in ("ipv4", "ipv6") or not port.isdigit():
        return None
    return _plain(host.replace("%5B", "").replace("%5D", "").strip("[]")), int(port)


def _plain(host: str) -> str:
    """An address in one form: IPv4 through an IPv6 socket is IPv4."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)
