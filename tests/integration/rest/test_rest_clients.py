"""Clients that leave, and many at once: a real server answers the others and keeps nothing."""

from __future__ import annotations

import socket
import struct
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from tests.support.media import carphone_frames, carphone_path, write_video
from tests.support.rest import FORM, TIMEOUT_S, VIDEO, part, sizes, wait_until
from tests.support.servers import RunningServer

pytestmark = pytest.mark.usefixtures("unharmed")


@pytest.fixture(scope="module")
def long_clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """1200 frames: work for some seconds."""
    return write_video(tmp_path_factory.mktemp("clips") / "long.mp4", list(carphone_frames()) * 10).read_bytes()


def connect(server: RunningServer, head: str, body: bytes) -> socket.socket:
    host, port = server.http.removeprefix("http://").split(":")
    connection = socket.create_connection((host, int(port)), timeout=TIMEOUT_S)
    connection.sendall(head.replace("\n", "\r\n").encode() + b"\r\n" + body)
    return connection


def hang_up(connection: socket.socket, reset: bool) -> None:
    if reset:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def test_too_large_a_length_is_refused_before_the_body_comes(small: RunningServer) -> None:
    connection = connect(
        small, "POST /align HTTP/1.1\nHost: x\nContent-Type: video/mp4\nContent-Length: 9999999\n", b""
    )
    assert connection.recv(100).startswith(b"HTTP/1.1 413 ")
    hang_up(connection, reset=False)


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("kind", ["length", "chunked", "multipart"])
def test_a_client_that_leaves_while_it_uploads_leaves_nothing_behind(
    small: RunningServer, uploads: Path, kind: str, reset: bool
) -> None:
    data = carphone_path().read_bytes()[:20_000]
    head = "POST /align HTTP/1.1\nHost: x\nContent-Type: {}\n{}\n"
    if kind == "chunked":
        request = head.format("video/mp4", "Transfer-Encoding: chunked"), b"%x\r\n%s\r\n" % (len(data), data)
    elif kind == "multipart":
        request = head.format(FORM, "Content-Length: 500000"), part("video", data)
    else:
        request = head.format("video/mp4", "Content-Length: 500000"), data
    connection = connect(small, *request)
    wait_until(lambda: any(uploads.iterdir()))
    hang_up(connection, reset)
    wait_until(lambda: not list(uploads.iterdir()))


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("form", ["json", "ndjson", "csv"])
def test_a_client_that_leaves_before_the_answers_end_leaves_nothing_behind(
    small: RunningServer, uploads: Path, long_clip: bytes, form: str, reset: bool
) -> None:
    head = f"POST /align?format={form} HTTP/1.1\nHost: x\nContent-Type: video/mp4\nContent-Length: {len(long_clip)}\n"
    connection = connect(small, head, long_clip)
    if form != "csv":  # of which nothing comes before the last frame is done
        assert connection.recv(1000).startswith(b"HTTP/1.1 200 ")
    wait_until(lambda: len(long_clip) in sizes(uploads))
    hang_up(connection, reset)
    wait_until(lambda: not list(uploads.iterdir()))


def test_eight_uploads_at_once_get_the_answer_that_each_gets_alone(small: RunningServer, tmp_path: Path) -> None:
    data = write_video(tmp_path / "short.mp4", list(carphone_frames()[:50])).read_bytes()

    def answer(_: int) -> dict[str, Any]:
        response = httpx.post(f"{small.http}/align", content=data, headers=VIDEO, timeout=100)
        assert response.status_code == 200
        body: dict[str, Any] = response.json()
        return body

    alone = answer(0)
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(answer, range(8)))
    for body in together:
        assert {key: body[key] for key in body if key != "frames"} == {k: alone[k] for k in alone if k != "frames"}
        for mine, other in zip(body["frames"], alone["frames"], strict=True):
            assert mine["time_s"] == other["time_s"]
            assert [face["track_id"] for face in mine["faces"]] == [face["track_id"] for face in other["faces"]] == [0]
            assert np.allclose(mine["faces"][0]["landmarks"], other["faces"][0]["landmarks"], atol=0.01)
