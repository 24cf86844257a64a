"""Serves the page's files: read once, from memory, under a policy that lets the page reach this service alone."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

STATIC = Path(__file__).parent / "static"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".mp4": "video/mp4",
    ".svg": "image/svg+xml",
}
"""Media types by suffix; files of other kinds are not served."""
_VENDOR = "vendor/"
_INLINE = re.compile(r"<script type=\"importmap\">(.*?)</script>", re.S)


@dataclass(frozen=True, slots=True)
class PageFile:
    """A file of the page.

    Attributes:
        data: Its bytes.
        media_type: Its type.
        etag: Changes with its bytes.
        cached: How long a browser keeps it: for ever where its version is in its path.
    """

    data: bytes
    media_type: str
    etag: str
    cached: str


def read_files(folder: Path = STATIC) -> dict[str, PageFile]:
    """All files of the page by their paths.

    Args:
        folder: Where they are.
    """
    found = {}
    for path in sorted(folder.rglob("*")):
        name, kind = path.relative_to(folder).as_posix(), TYPES.get(path.suffix)
        if kind is None or not path.is_file():
            continue
        data = path.read_bytes()
        cached = "public, max-age=31536000, immutable" if name.startswith(_VENDOR) else "no-cache"
        found[name] = PageFile(data, kind, f'"{hashlib.sha256(data).hexdigest()[:32]}"', cached)
    return found


def page_headers(index: bytes) -> dict[str, str]:
    """What goes with every file.

    Args:
        index: The page itself; the one script in it, its import map, is admitted by its hash.
    """
    inline = _INLINE.search(index.decode())
    assert inline is not None, "the page has an import map"
    digest = base64.b64encode(hashlib.sha256(inline[1].encode()).digest()).decode()
    policy = {
        "default-src": "'none'",
        "script-src": f"'self' 'sha256-{digest}'",
        "style-src": "'self'",
        "img-src": "'self' blob: data:",
        "media-src": "'self' blob:",
        "connect-src": "'self'",
        "worker-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    return {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
    }


def page_router() -> APIRouter:
    """Routes of the page: ``/`` and ``/web/...``."""
    files, router = read_files(), APIRouter(include_in_schema=False)
    headers = page_headers(files["index.html"].data)

    def answer(request: Request, name: str) -> Response:
        file = files.get(name)
        if file is None:
            raise HTTPException(404)
        named = headers | {"ETag": file.etag, "Cache-Control": file.cached}
        if request.headers.get("if-none-match") == file.etag:
            return Response(status_code=304, headers=named)
        return Response(file.data, media_type=file.media_type, headers=named)

    @router.api_route("/", methods=["GET", "HEAD"])
    async def page(request: Request) -> Response:
        return answer(request, "index.html")

    @router.api_route("/web/{name:path}", methods=["GET", "HEAD"])
    async def part(request: Request, name: str) -> Response:
        return answer(request, name)

    return router
