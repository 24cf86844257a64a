"""Connections to what the rules allow: a name is looked up once, and the address that was checked is connected to."""

from __future__ import annotations

import contextlib
import ipaddress
import socket

from red_align.errors import RedAlignError, SourceNotAllowed, SourceUnreachable
from red_align.media.sources.rules import SourceRules
from red_align.media.sources.urls import Address, LiveUrl


def checked_addresses(url: LiveUrl, rules: SourceRules) -> list[Address]:
    """The addresses of a URL's host that may be connected to.

    Args:
        url: Where to.
        rules: What is allowed.

    Raises:
        SourceNotAllowed: The host is not listed, or none of its addresses is allowed.
        SourceUnreachable: It has no address.
    """
    rules.check(url)
    if url.address is not None:
        found = [url.address]
    else:
        try:
            answers = socket.getaddrinfo(url.host, url.port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise SourceUnreachable(f"{url.host} has no address: {error.strerror}") from error
        found = [ipaddress.ip_address(str(answer[4][0]).partition("%")[0]) for answer in answers]
    allowed = [address for address in dict.fromkeys(found) if rules.allows_address(url, address)]
    if not allowed:
        raise SourceNotAllowed(
            f"{url.host} leads to an address that is not public, and not listed among the sources that may be read"
        )
    return allowed


def dial(url: LiveUrl, rules: SourceRules, timeout_s: float) -> socket.socket:
    """Connect to a URL's host; nothing looks its name up a second time.

    Args:
        url: Where to.
        rules: What is allowed.
        timeout_s: Seconds for each address, and for each read and write later.

    Returns:
        A connected TCP socket.

    Raises:
        SourceNotAllowed: See ``checked_addresses``.
        SourceUnreachable: It has no address, or none of them answers.
    """
    why: RedAlignError = SourceUnreachable(f"{url.place} does not answer")
    for address in checked_addresses(url, rules):
        family = socket.AF_INET if address.version == 4 else socket.AF_INET6
        wire = socket.socket(family, socket.SOCK_STREAM)
        try:
            wire.settimeout(timeout_s)
            wire.connect((str(address), url.port))
            with contextlib.suppress(OSError):
                wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            wire.close()
            why = SourceUnreachable(f"{url.place} does not answer: {error.strerror or error}")
        else:
            return wire
    raise why
