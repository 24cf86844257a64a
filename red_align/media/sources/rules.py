"""Which hosts may be connected to: an allow-list of schemes, hosts, ports and networks."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import astuple, dataclass
from typing import Any, Self

from red_align.errors import ConfigurationError, SourceNotAllowed
from red_align.media.sources.urls import DEFAULT_PORTS, Address, LiveUrl, canonical

ANY = "*"
ANY_PORT = -1
_ENTRY = re.compile(r"^([a-z]+)://(\[[0-9a-f:.]+\](?:/\d+)?|[^/:\[\]]+(?:/\d+)?)(?::(\d+|\*))?$")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


@dataclass(frozen=True, slots=True)
class Rule:
    """One entry: hosts of one scheme.

    Attributes:
        scheme: Of the URL.
        host: A name, ``*.`` and a domain for all names under it, or ``*`` for all names and public addresses; empty
            where it is a network.
        network: Addresses as ``10.0.0.0/8``; empty where it is a name.
        port: Port, or ANY_PORT.
    """

    scheme: str
    host: str
    network: str
    port: int

    def names(self, host: str) -> bool:
        """Whether it lists a name."""
        wild = self.host.startswith("*.") and host.endswith(self.host[1:])
        return self.host == ANY or host == self.host or wild

    def holds(self, address: Address) -> bool:
        """Whether it lists an address."""
        return bool(self.network) and address in ipaddress.ip_network(self.network)


@dataclass(frozen=True, slots=True)
class SourceRules:
    """An allow-list.

    Attributes:
        rules: Its entries.
        anything: Everything is allowed, as where whoever gives the URL is at his own machine.
    """

    rules: tuple[Rule, ...] = ()
    anything: bool = False

    def __bool__(self) -> bool:
        return self.anything or bool(self.rules)

    def check(self, url: LiveUrl) -> None:
        """Check a URL as it is written; its name's addresses are checked when it is connected to.

        Raises:
            SourceNotAllowed: It is not listed.
        """
        if self.anything:
            return
        if self._named(url) if url.address is None else self.allows_address(url, url.address):
            return
        raise SourceNotAllowed(f"{url.scheme}://{url.place} is not among the sources that may be read")

    def allows_address(self, url: LiveUrl, address: Address) -> bool:
        """Whether an address that the URL's host turned out to have may be connected to: a public one where the host is
        listed, any other where its network is."""
        address = canonical(address)
        listed = any(rule.holds(address) for rule in self._of(url))
        return self.anything or listed or (self._named(url) and is_public(address))

    def _of(self, url: LiveUrl) -> list[Rule]:
        return [rule for rule in self.rules if rule.scheme == url.scheme and rule.port in (ANY_PORT, url.port)]

    def _named(self, url: LiveUrl) -> bool:
        """Whether the host as it is written is listed; of addresses ``*`` lists all."""
        host = url.host if url.address is None else ANY
        return any(rule.host == ANY if host == ANY else rule.names(host) for rule in self._of(url))

    def to_values(self) -> list[Any]:
        """As plain values."""
        return [[astuple(rule) for rule in self.rules], self.anything]

    @classmethod
    def from_values(cls, values: list[Any]) -> Self:
        """The inverse of to_values."""
        rules, anything = values
        return cls(tuple(Rule(*rule) for rule in rules), bool(anything))


ANYTHING = SourceRules(anything=True)
"""For whoever is at his own machine."""


def parse_rules(text: str) -> SourceRules:
    """Read an allow-list.

    Args:
        text: Entries ``scheme://host`` by comma. The host is a name, ``*.example.org`` for all names under one, ``*``
            for everything public, an address or a network (``10.0.0.0/8``, ``[fd00::]/8``). A ``:port`` or ``:*`` may
            follow; without one it is the scheme's own port. Empty for nothing.

    Raises:
        ConfigurationError: An entry cannot be read.
    """
    return SourceRules(tuple(_rule(entry.strip().lower()) for entry in text.split(",") if entry.strip()))


def _rule(entry: str) -> Rule:
    match = _ENTRY.match(entry)
    if match is None or match[1] not in DEFAULT_PORTS:
        raise ConfigurationError(f"'{entry}' is no scheme://host, with one of {', '.join(DEFAULT_PORTS)}")
    scheme, host, port = match.groups()
    number = ANY_PORT if port == "*" else int(port or DEFAULT_PORTS[scheme])
    if number == 0 or number > 65535:
        raise ConfigurationError(f"'{entry}' must name a port, or :* for all")
    bare = host.replace("[", "").replace("]", "")
    if "/" in host or "[" in host or re.match(r"^[\d.]+$", host):
        try:
            return Rule(scheme, "", str(ipaddress.ip_network(bare)), number)
        except ValueError as error:
            raise ConfigurationError(f"'{entry}': {error}") from error
    if not re.match(r"^(\*|(\*\.)?[a-z0-9_][a-z0-9_.-]*)$", host):
        raise ConfigurationError(f"'{entry}': '{host}' is no host")
    return Rule(scheme, host, "", number)


def is_public(address: Address) -> bool:
    """Whether an address is anybody's: no private, local, shared, reserved or group address, nor one that leads to such
    an address behind a translation."""
    address = canonical(address)
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.sixtofour or (address.teredo[1] if address.teredo else None)
        if address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(inner)
        if address.is_site_local:
            return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)
