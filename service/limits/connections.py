"""Bounds on connections: where there is no room left, those of nobody known make room, the oldest first.

A connection is known once a request with a valid key came over it (any complete request where nobody is asked). A
stranger can therefore fill all places, but not keep them: whoever comes next takes the oldest stranger's.
"""

from __future__ import annotations

import resource
from collections import Counter
from collections.abc import Iterable
from typing import Protocol, TypeVar

RESERVE = 64
"""Descriptors that connections never take: listening sockets, models, decoders, connections that are ending."""
OF_AN_UPLOAD = 2
"""Descriptors of an upload beside its connection: its file, and the pipe of the process that decodes it."""
MOST = 1024
"""Connections of one server where descriptors abound."""
LEAST = 8


class Held(Protocol):
    """A connection as its bounds see it."""

    @property
    def peer(self) -> str:
        """Address of the other side, without its port."""

    @property
    def known(self) -> bool:
        """Whether its sender has shown a key."""

    @property
    def since(self) -> float:
        """When it came, by any clock."""


H = TypeVar("H", bound=Held)


def to_close(held: Iterable[H], limit: int, peer_limit: int = 0) -> list[H]:
    """Connections to close so that the others keep to their bounds.

    Args:
        held: All of them.
        limit: Most of all.
        peer_limit: Most of one peer; 0 is no bound of its own.

    Returns:
        Beyond ``limit``, strangers alone: those of the peer with most of them first, the oldest first. Beyond
        ``peer_limit``, that peer's strangers, and then its youngest.
    """
    left, closing = list(held), []

    def close(chosen: H) -> None:
        left.remove(chosen)
        closing.append(chosen)

    for peer, count in Counter(each.peer for each in left).items() if peer_limit else ():
        of_peer = sorted((each for each in left if each.peer == peer), key=lambda each: (each.known, each.since))
        of_peer = [each for each in of_peer if not each.known] + [each for each in reversed(of_peer) if each.known]
        for each in of_peer[: max(0, count - peer_limit)]:
            close(each)
    while len(left) > limit and (strangers := [each for each in left if not each.known]):
        crowd = Counter(each.peer for each in strangers)
        close(min(strangers, key=lambda each: (-crowd[each.peer], each.since)))
    return closing


def raise_descriptor_limit() -> int:
    """Let this process have as many descriptors as the system lets it.

    Returns:
        How many.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        return hard
    return soft


def connection_limit(descriptors: int, uploads: int) -> int:
    """Connections that each of the two servers may hold, so that descriptors are left for the work itself.

    Args:
        descriptors: What the process may have.
        uploads: Most uploads at once.
    """
    left = descriptors - RESERVE - OF_AN_UPLOAD * uploads
    return max(LEAST, min(MOST, left // 2))
