"""Where servers are and how a client gets in: addresses, keys, certificates, proxy, time-outs. Plain values."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from red_align.errors import InvalidRequest

DEFAULT_PORT = 8081
PathLike = str | os.PathLike[str]
Token = str | Callable[[], str]
_URL = re.compile(
    r"(?:(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://)?(?P<host>\[[0-9A-Fa-f:.%]+\]|[^\s:/\[\]]+)(?::(?P<port>\d+))?/?"
)


@dataclass(frozen=True, slots=True)
class Address:
    """Of one server.

    Attributes:
        target: ``host:port``, as gRPC takes it.
        tls: Whether the connection is encrypted.
    """

    target: str
    tls: bool = False

    def __str__(self) -> str:
        return f"{'grpcs' if self.tls else 'grpc'}://{self.target}"


def parse_address(server: str) -> Address:
    """Read the address of a server.

    Args:
        server: ``grpc://host:port``, ``grpcs://host:port`` (TLS) or ``host:port``; without a port it is 8081.

    Returns:
        The address.

    Raises:
        InvalidRequest: It is none; the message says what one looks like.
    """
    found = _URL.fullmatch(server.strip())
    scheme = ((found and found["scheme"]) or "").lower()
    if scheme in ("http", "https"):
        raise InvalidRequest(
            f"{server} is an address for REST, and the client speaks gRPC: write grpc{scheme[4:]}://HOST:PORT with the "
            f"server's gRPC port, {DEFAULT_PORT} unless it was set otherwise"
        )
    if found is None or scheme not in ("", "grpc", "grpcs") or not 0 < int(found["port"] or DEFAULT_PORT) < 65536:
        raise InvalidRequest(f"{server!r} is no address of a server: write grpc://HOST:PORT, grpcs://... with TLS")
    return Address(f"{found['host']}:{found['port'] or DEFAULT_PORT}", scheme == "grpcs")


def parse_addresses(server: str | Sequence[str]) -> tuple[Address, ...]:
    """Read one address or several.

    Args:
        server: See ``parse_address``; several in a sequence, or separated by commas.

    Returns:
        At least one address.

    Raises:
        InvalidRequest: There is none, or one of them is wrong.
    """
    parts = server.split(",") if isinstance(server, str) else list(server)
    addresses = tuple(parse_address(part) for part in parts if part.strip())
    if not addresses:
        raise InvalidRequest("no address of a server was given: write grpc://HOST:PORT")
    return addresses


@dataclass(frozen=True, slots=True)
class Access:
    """How a client gets in.

    Attributes:
        key: API key; empty for none.
        token: A bearer token, such as a signed JWT, or what gives a fresh one for each call; empty for none.
        ca: Certificates of authorities that vouch for the server, a PEM file; None for those of the system.
        certificate: The client's own certificate chain and key, two PEM files; None for none.
        server_name: Name in the server's certificate where it is not that of the address; empty where it is.
        proxy: ``http://host:port`` of an HTTP proxy; empty for a direct connection; None for what the environment says
            (``grpc_proxy``, ``https_proxy``, ``http_proxy``, ``no_proxy``).
        connect_s: Seconds to connect and hear who the server is.
        timeout_s: Seconds without any progress of a call after which it is given up.
    """

    key: str = field(default="", repr=False)
    token: Token = field(default="", repr=False)
    ca: PathLike | None = None
    certificate: tuple[PathLike, PathLike] | None = None
    server_name: str = ""
    proxy: str | None = None
    connect_s: float = 10.0
    timeout_s: float = 60.0

    def __post_init__(self) -> None:
        if self.key and self.token:
            raise InvalidRequest("key and token are both given, and a call carries one: an API key or a bearer token")
        for name in ("connect_s", "timeout_s"):
            if not getattr(self, name) > 0:
                raise InvalidRequest(f"{name} is {getattr(self, name)}, it must be more than 0 seconds")
        for path in (self.ca, *(self.certificate or ())):
            if path is not None and not Path(path).is_file():
                raise InvalidRequest(f"there is no file {os.fspath(path)}: certificates and keys are PEM files")
        if not callable(self.token):
            self.headers()  # A key that cannot be sent is found here.
        if self.proxy and not self.proxy.startswith("http://"):
            raise InvalidRequest(f"{self.proxy!r} is no HTTP proxy: write http://HOST:PORT")

    @property
    def has_key(self) -> bool:
        """Whether calls carry a key or token."""
        return bool(self.key or self.token)

    def headers(self) -> dict[str, str]:
        """The metadata of a call, names in lower case.

        Raises:
            InvalidRequest: The key or token holds a character that no header may.
        """
        if self.key:
            return {"x-api-key": _plain("key", self.key)}
        token = self.token() if callable(self.token) else self.token
        return {"authorization": f"Bearer {_plain('token', token)}"} if token else {}


def _plain(name: str, value: str) -> str:
    value = value.strip()  # Who reads it from a file often has the line's end with it.
    if not value.isascii() or not value.isprintable() or " " in value:
        raise InvalidRequest(f"the {name} holds a space, a line break or a letter that is not ASCII: is all of it one?")
    return value
