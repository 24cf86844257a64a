"""URLs of live sources, read strictly: what two parsers could read in two ways is refused."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from red_align.errors import InvalidRequest

DEFAULT_PORTS = {"rtsp": 554, "rtmp": 1935, "http": 80, "https": 443, "srt": 0}
"""Schemes of live sources and their ports; 0 where the URL must name one."""
MAX_URL = 2048
_SCHEME = re.compile(r"^([a-zA-Z][a-zA-Z0-9+.-]*):")
_PLAIN = re.compile(r"^[\x21\x23-\x5b\x5d-\x7e]+$")
"""Printable ASCII without space, quotation mark and backslash."""
_NAME = re.compile(r"^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*$")
_NUMERIC = re.compile(r"^(0x[0-9a-f]*|[0-9]+)$")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class LiveUrl:
    """A URL in its parts.

    Attributes:
        scheme: One of DEFAULT_PORTS.
        host: Name in lower case, or an address as text.
        port: Port.
        path: What follows the host, from its slash on, as it was written; without the query.
        query: What follows the question mark.
        user: Name to log in with; empty for none.
        password: Password to log in with.
        address: The host as an address, where it is one.
    """

    scheme: str
    host: str
    port: int
    path: str
    query: str = ""
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    address: Address | None = None

    @property
    def place(self) -> str:
        """Host and port as URLs have them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def target(self) -> str:
        """Path and query."""
        return self.path + (f"?{self.query}" if self.query else "")

    @property
    def plain(self) -> str:
        """The URL without name and password."""
        return f"{self.scheme}://{self.place}{self.target}"

    @property
    def shown(self) -> str:
        """The URL as people may see it: without name, password and query, any of which may be a secret."""
        login = "***@" if self.user or self.password else ""
        return f"{self.scheme}://{login}{self.place}{self.path}" + ("?***" if self.query else "")

    def __str__(self) -> str:
        return self.shown


def is_live_url(source: object) -> bool:
    """Whether what names a clip is a URL, and no path: ``scheme://...``."""
    return isinstance(source, str) and re.match(r"^[a-zA-Z][a-zA-Z0-9+.-]+://", source) is not None


def parse_live_url(text: str) -> LiveUrl:
    """Read a URL.

    Args:
        text: ``rtsp://``, ``rtmp://``, ``http://``, ``https://`` or ``srt://`` with a host.

    Raises:
        InvalidRequest: It is none of these, or written in a way that others may read differently. The message does not
            repeat it, since there may be a password in it.
    """
    if len(text) > MAX_URL or not _PLAIN.match(text):
        raise InvalidRequest(f"a source's URL is printable ASCII without spaces, of at most {MAX_URL} characters")
    scheme = match[1].lower() if (match := _SCHEME.match(text)) else ""
    if scheme not in DEFAULT_PORTS or not text[len(scheme) :].startswith("://"):
        raise InvalidRequest(f"a source's URL begins with one of {', '.join(f'{name}://' for name in DEFAULT_PORTS)}")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise InvalidRequest("the URL's host or port cannot be read") from error
    login, at, place = parts.netloc.rpartition("@")
    if "@" in login or "#" in text:
        raise InvalidRequest("an '@' or '#' in a URL's name, password or path is written as %40 or %23")
    host, address = _host(parts.hostname or "", bracketed=place.startswith("["))
    if port == 0 or not (port or DEFAULT_PORTS[scheme]):
        raise InvalidRequest(f"a {scheme}:// URL must name a port")
    user, _, password = login.partition(":") if at else ("", "", "")
    port = port or DEFAULT_PORTS[scheme]
    path = parts.path or "/"
    return LiveUrl(scheme, host, port, path, parts.query, unquote(user), unquote(password), address)


def _host(host: str, *, bracketed: bool) -> tuple[str, Address | None]:
    """The host in its one form, and as an address where it is one."""
    host = host.lower().removesuffix(".")
    if bracketed:
        try:
            six = ipaddress.IPv6Address(host)
        except ValueError as error:
            raise InvalidRequest("the URL's IPv6 address cannot be read") from error
        if six.scope_id is not None:
            raise InvalidRequest("an IPv6 address with a zone cannot be used")
        found = canonical(six)
        return str(found), found
    if _NUMERIC.match(host.rpartition(".")[2]):  # As the C library reads it: 127.1, 0x7f000001, 017700000001 ...
        try:
            four = ipaddress.IPv4Address(host)
        except ValueError as error:
            raise InvalidRequest("an IPv4 address is four decimal numbers without leading zeros") from error
        return str(four), four
    if not _NAME.match(host):
        raise InvalidRequest("the URL's host is no name (letters, digits, hyphens; others as punycode) and no address")
    return host, None


def canonical(address: Address) -> Address:
    """An address in its one form: an IPv4 address that is written as IPv6 is that IPv4 address."""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
