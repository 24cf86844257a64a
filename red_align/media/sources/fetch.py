"""HTTP GET of what the rules allow: over a connection that was checked, and never anywhere else."""

from __future__ import annotations

import base64
import contextlib
import http.client
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import quote, urldefrag, urljoin

from red_align.errors import InvalidRequest, SourceNotAllowed, SourceUnreachable
from red_align.media.sources.dialing import dial
from red_align.media.sources.rules import SourceRules
from red_align.media.sources.urls import LiveUrl, parse_live_url

PIECE = 64 * 1024
_SAFE = "%/:=&?~+!$,;'@()*[]|"
"""What stays as it is in a playlist's reference; spaces and letters beyond ASCII are written as URLs have them."""


@contextmanager
def requested(
    url: LiveUrl,
    rules: SourceRules,
    timeout_s: float,
    headers: Mapping[str, str],
    body: bytes | None = None,
    total_s: float = 0.0,
) -> Iterator[http.client.HTTPResponse]:
    """The answer to a GET, or to a POST where there is a body; its connection ends with the block.

    Args:
        url: ``http`` or ``https``.
        rules: What may be connected to.
        timeout_s: Seconds for connecting, and for each read and write.
        headers: Of the request.
        body: What is sent.
        total_s: Seconds for all of it, the block with it; 0 for no such bound.

    Raises:
        SourceNotAllowed: The rules do not allow it, or it answers with another address.
        SourceUnreachable: It does not answer, or breaks off.
    """
    wire = dial(url, rules, timeout_s)
    hang_up = threading.Timer(total_s, _shut, (wire,))
    if total_s:
        hang_up.start()
    try:
        if url.scheme == "https":
            wire = ssl.create_default_context().wrap_socket(wire, server_hostname=url.host)
        connection = http.client.HTTPConnection(url.host, url.port, timeout=timeout_s)
        connection.sock = wire
        all_headers = {"Host": url.place, "User-Agent": "red-align", "Connection": "close", **headers}
        connection.request("GET" if body is None else "POST", url.target, body, all_headers)
        answer = connection.getresponse()
        if 300 <= answer.status < 400:
            raise SourceNotAllowed(f"{url.place} sends its client to another address, which is not followed")
        yield answer
    except (OSError, http.client.HTTPException) as error:
        raise SourceUnreachable(f"{url.place} breaks off: {_said(error)}") from error
    finally:
        hang_up.cancel()
        with contextlib.suppress(OSError):
            wire.close()


def _shut(wire: socket.socket) -> None:
    with contextlib.suppress(OSError):
        socket.socket.shutdown(wire, socket.SHUT_RDWR)


@dataclass(frozen=True, slots=True)
class Fetcher:
    """Fetches what a playlist names.

    Args:
        rules: What is allowed.
        origin: The playlist that was asked for: its host alone is shown its name and password.
        timeout_s: Seconds for connecting, and for each read.
    """

    rules: SourceRules
    origin: LiveUrl
    timeout_s: float

    @contextmanager
    def open(self, url: LiveUrl, span: tuple[int, int] | None = None) -> Iterator[Iterator[bytes]]:
        """The body of a URL in pieces.

        Args:
            url: ``http`` or ``https``.
            span: First byte and number of bytes; None for all.

        Raises:
            SourceNotAllowed: The rules do not allow it, or it answers with another address.
            SourceUnreachable: It does not answer, or not with what was asked for.
        """
        with requested(url, self.rules, self.timeout_s, self._headers(url, span)) as answer:
            if answer.status != (200 if span is None else 206):
                raise SourceUnreachable(f"{url.place} answers with HTTP status {answer.status}")
            yield _pieces(answer, url)

    def text(self, url: LiveUrl, most: int) -> str:
        """A whole body as text. Raises what ``open`` raises, and SourceUnreachable where it is larger than ``most``."""
        held = bytearray()
        with self.open(url) as pieces:
            for piece in pieces:
                held += piece
                if len(held) > most:
                    raise SourceUnreachable(f"what {url.place} sends is larger than {most} bytes")
        return held.decode("utf-8", "replace")

    def joined(self, base: LiveUrl, reference: str) -> LiveUrl:
        """The URL that a playlist names.

        Args:
            base: The playlist's own.
            reference: As the playlist has it.

        Raises:
            SourceNotAllowed: It is none of HTTP, or not allowed by the rules.
        """
        try:
            url = parse_live_url(urljoin(base.plain, quote(urldefrag(reference).url, safe=_SAFE)))
        except InvalidRequest as error:
            raise SourceNotAllowed("the playlist names something that is no http:// or https:// URL") from error
        if url.scheme not in ("http", "https"):
            raise SourceNotAllowed(f"the playlist names a {url.scheme}:// URL, which is not read")
        self.rules.check(url)
        return url

    def _headers(self, url: LiveUrl, span: tuple[int, int] | None) -> dict[str, str]:
        headers = {"Accept-Encoding": "identity"}
        if span is not None:
            headers["Range"] = f"bytes={span[0]}-{span[0] + span[1] - 1}"
        origin = self.origin
        same = (url.scheme, url.host, url.port) == (origin.scheme, origin.host, origin.port)
        login = origin if same else url
        if login.user or login.password:
            headers["Authorization"] = "Basic " + base64.b64encode(f"{login.user}:{login.password}".encode()).decode()
        return headers


def _pieces(answer: http.client.HTTPResponse, url: LiveUrl) -> Iterator[bytes]:
    while piece := answer.read1(PIECE):
        yield piece
    if answer.length:
        raise SourceUnreachable(f"{url.place} breaks off")


def _said(error: Exception) -> str:
    return getattr(error, "strerror", None) or type(error).__name__
