"""Which pages may open a stream: browsers let any site's page open a WebSocket to any server, CORS or not."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from red_align.errors import OriginRefused


def check_origin(headers: Mapping[str, str], admitted: str) -> None:
    """Refuse pages of other sites.

    Args:
        headers: Of the handshake, names in lower case. Who sends no ``Origin`` is no page.
        admitted: Origins by comma, or ``*`` (setting ``cors_origins``); the service's own is always admitted.

    Raises:
        OriginRefused: The page is another site's.
    """
    origin = headers.get("origin")
    if origin is None:
        return
    names = {name.strip().lower() for name in admitted.split(",") if name.strip()}
    own = urlsplit(origin).netloc.lower()
    if own and own == headers.get("host", "").lower():
        return
    if "*" not in names and origin.lower() not in names:
        raise OriginRefused("pages of this origin may not open a stream (RED_CORS_ORIGINS)", limit="cors_origins")
