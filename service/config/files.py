"""What settings refer to must be good as well: keys, files of keys, certificates. All of it is read at start."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import AfterValidator, FilePath, SecretStr
from pydantic_core import PydanticCustomError

from red_align.errors import ConfigurationError
from service.security.credentials import read_jwks, read_keys
from service.streams.resume_token import read_token_keys

T = TypeVar("T")


def _good(read: Callable[[T], object]) -> Callable[[T], T]:
    """A validator that keeps the value where it can be read, and otherwise raises with the reason."""

    def check(value: T) -> T:
        try:
            read(value)
        except ConfigurationError as error:
            raise refused(error.message.partition(": ")[2]) from error
        return value

    return check


def refused(why: str) -> PydanticCustomError:
    """Make a validator's error whose message is these words alone."""
    return PydanticCustomError("red", "{why}", {"why": why})


def check_tls(cert: Path | None, key: Path | None, client_ca: Path | None) -> None:
    """Check that files of TLS belong together and can be used: the servers' own errors would not name them.

    Args:
        cert: Certificate chain.
        key: Its private key.
        client_ca: Authorities of clients' certificates.

    Raises:
        PydanticCustomError: They do not, or one cannot.
    """
    if bool(cert) != bool(key) or (client_ca and not cert):
        raise refused("RED_TLS_CERT and RED_TLS_KEY belong together, RED_TLS_CLIENT_CA to both")
    try:
        if cert is not None:
            ssl.create_default_context().load_cert_chain(cert, key)
        if client_ca is not None:
            ssl.create_default_context(cafile=client_ca)
    except (ssl.SSLError, OSError) as error:
        raise refused(f"RED_TLS_CERT, RED_TLS_KEY, RED_TLS_CLIENT_CA: {error}") from error


KeysFile = Annotated[FilePath, AfterValidator(_good(read_keys))]
JwksFile = Annotated[FilePath, AfterValidator(_good(read_jwks))]
TokenKeys = Annotated[SecretStr, AfterValidator(_good(read_token_keys))]


def is_loopback(host: str) -> bool:
    """Whether an address, or a name, is of this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
