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
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from service.limits.connections import to_close

SWEEP_S, CROWDED_S, CROWDED_FOR_S = 0.25, 0.025, 10.0
"""Seconds between two looks; between two while strangers crowd in; and after how many quiet ones that is over."""
FORGET_S = 30.0
FULL = 0.5
"""Part of the places from which strangers' connections are ended: newcomers find room until the next look."""
STRANGERS_BYTES, STRANGERS_BYTES_PER_S = 256 * 1024, 4096
"""What may come over a stranger's connection, at once and by and by: far more than health checks, and little of pings,
calls that are reset, and metadata without end, which grpc takes for as long as they come."""
_BYTES_RECEIVED = 128
"""Where the number of them is in Linux's ``struct tcp_info``."""
Peer = tuple[str, int]


@dataclass(eq=False, slots=True)
class _Held:
    """See service.limits.connections.Held; ``inode`` tells two connections of one address and port apart."""

    peer: str
    known: bool
    since: float
    inode: int
    address: Peer
    received: int

    @property
    def sends_too_much(self) -> bool:
        age_s = time.monotonic() - self.since
        return not self.known and self.received > STRANGERS_BYTES + STRANGERS_BYTES_PER_S * age_s


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
        crowded_until = 0.0
        while True:
            await asyncio.sleep(CROWDED_S if time.monotonic() < crowded_until else SWEEP_S)
            if await asyncio.to_thread(self.sweep, port):
                crowded_until = time.monotonic() + CROWDED_FOR_S

    def sweep(self, port: int) -> int:
        """Look at them once.

        Args:
            port: The port that they came to.

        Returns:
            How many were ended.
        """
        sockets = dict(self._sockets(port))
        self._since = {(each.inode, each.address): each.since for each in sockets}
        self._forget({each.address for each in sockets})
        closing = [each for each in sockets if each.sends_too_much]
        closing += to_close(sockets.keys() - closing, int(self._limit * FULL), self._peer_limit)
        for each in closing:
            _shut_down(sockets[each], each.address)
            self._on_refused()
        return len(closing)

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
                found = _look(descriptor, port)
            except OSError:  # closed meanwhile, or not connected
                continue
            if found is not None:
                address, received = found
                since = self._since.get((status.st_ino, address), now)
                yield _Held(address[0], address in self._known, since, status.st_ino, address, received), descriptor


def _look(descriptor: int, port: int) -> tuple[Peer, int] | None:
    """Who is at the other side of a TCP connection that came to ``port``, and the bytes that came; None for others."""
    with socket.socket(fileno=os.dup(descriptor)) as same:
        if same.family not in (socket.AF_INET, socket.AF_INET6) or same.type != socket.SOCK_STREAM:
            return None
        if same.getsockname()[1] != port:
            return None
        host, number = same.getpeername()[:2]
        known = same.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _BYTES_RECEIVED + 8)
    received = int.from_bytes(known[_BYTES_RECEIVED:], sys.byteorder)  # 0 where the system does not say
    return (_plain(host), int(number)), received


def _shut_down(descriptor: int, address: Peer) -> None:
    """End a connection, if the descriptor is still its own: grpc may have closed it meanwhile."""
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
