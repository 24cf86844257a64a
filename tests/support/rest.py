"""What the REST tests share: a server with low limits, the check of an error, and of the server after it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx

from service.api.schemas import ErrorModel
from tests.support.media import carphone_frames, jpeg
from tests.support.servers import RunningServer, running_server

MAX_UPLOAD = 1_000_000
MAX_PIXELS = 100_000
VIDEO = {"content-type": "video/mp4"}
FORM = "multipart/form-data; boundary=x"
END = b"--x--\r\n"
TIMEOUT_S = 30.0


@contextmanager
def limited_server(uploads: Path) -> Iterator[RunningServer]:
    """A server with low limits that keeps uploads in ``uploads`` while it reads them."""
    limits = {"MAX_UPLOAD_BYTES": str(MAX_UPLOAD), "MAX_FRAME_PIXELS": str(MAX_PIXELS)}
    with running_server(TEMP_DIR=str(uploads), **limits) as running:
        yield running


def assert_unharmed(server: RunningServer, uploads: Path) -> None:
    """The process lives, answers a good request, kept no upload, and logged no traceback."""
    assert server.process.poll() is None
    picture = jpeg(carphone_frames()[0])
    response = httpx.post(f"{server.http}/align", content=picture, headers={"content-type": "image/jpeg"}, timeout=60)
    assert response.status_code == 200
    assert len(response.json()["frames"][0]["faces"]) == 1
    wait_until(lambda: not list(uploads.iterdir()))
    assert "Traceback" not in "".join(server.lines)


def wait_until(true: Callable[[], bool]) -> None:
    """Wait for something that happens in the server; fails when it does not."""
    end = time.monotonic() + TIMEOUT_S
    while not true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def gauge(server: RunningServer, name: str) -> float:
    """A gauge of the server now, by its name without red_."""
    match = re.search(rf"^red_{name} (\S+)$", httpx.get(f"{server.http}/metrics").text, re.M)
    assert match
    return float(match[1])


def sizes(folder: Path) -> list[int]:
    """Bytes of each file that is there now."""
    found = []
    for path in folder.iterdir():
        with suppress(FileNotFoundError):
            found.append(path.stat().st_size)
    return found


def part(name: str, data: bytes) -> bytes:
    """One part of a multipart body with the boundary x."""
    return b'--x\r\nContent-Disposition: form-data; name="%s"; filename="a.mp4"\r\n\r\n%s\r\n' % (name.encode(), data)


def check_error(response: httpx.Response, status: int, reason: str) -> dict[str, Any]:
    """The answer is an error in our shape with this status and reason; gives the error."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    assert "Traceback" not in response.text
    body = response.json()
    assert set(body) == {"error"}
    assert set(body["error"]) == {"code", "reason", "message", "metadata"}
    ErrorModel.model_validate(body, strict=True)
    assert body["error"]["reason"] == reason
    assert body["error"]["message"]
    error: dict[str, Any] = body["error"]
    return error
