"""Clients that stop in the middle are given up, and what they held is free; slow ones are not."""

from __future__ import annotations

import queue
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import grpc
import httpx
import pytest

from red_align.v1 import face_landmarks_pb2 as pb
from tests.integration.rpc.test_grpc import Stub, config, encoded, limit_of, reason_of, stream
from tests.support.media import carphone_frames, carphone_path, jpeg
from tests.support.rest import VIDEO, assert_unharmed, check_error, gauge, wait_until
from tests.support.servers import RunningServer, running_server

TIMEOUT_S, GRACE_S = 2.0, 3.0
HEAD = b"POST /align HTTP/1.1\r\nHost: here\r\nContent-Type: video/mp4\r\nContent-Length: 100000\r\n\r\n"


@pytest.fixture(scope="module")
def uploads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("uploads")


@pytest.fixture(scope="module")
def strict(uploads: Path) -> Iterator[RunningServer]:
    timeout = str(TIMEOUT_S)
    with running_server(
        CLIENT_TIMEOUT_S=timeout,
        STREAM_IDLE_S=timeout,
        UPLOAD_GRACE_S=str(GRACE_S),
        TEMP_DIR=str(uploads),
        MAX_UPLOADS="1",
        MAX_STREAMS="1",
    ) as running:
        yield running


@pytest.fixture(autouse=True)
def served_after(strict: RunningServer, uploads: Path) -> Iterator[None]:
    """Whatever a client did, the one slot for uploads and the one for streams are free, and nothing is left."""
    yield
    assert_unharmed(strict, uploads)
    wait_until(lambda: gauge(strict, "streams") == gauge(strict, "sequences") == 0)
    with grpc.insecure_channel(strict.grpc) as channel:
        answers = stream(Stub(channel), [config(), encoded(jpeg(carphone_frames()[0]))])
        assert len(answers[0].frame.faces) == 1


def connected(server: RunningServer) -> socket.socket:
    url = httpx.URL(server.http)
    return socket.create_connection((url.host, url.port or 80), timeout=20)


def read_to_the_end(connection: socket.socket) -> bytes:
    said = b""
    while piece := connection.recv(65536):
        said += piece
    return said


@pytest.mark.parametrize("begun", [b"", b"POST /align HT", HEAD[:-2]], ids=["nothing", "half a line", "half a head"])
def test_a_head_that_does_not_end_is_given_up(strict: RunningServer, begun: bytes) -> None:
    with connected(strict) as connection:
        connection.sendall(begun)
        assert read_to_the_end(connection).startswith(b"HTTP/1.1 408 ")


def test_a_head_that_trickles_is_given_up_on_a_connection_that_was_good(strict: RunningServer) -> None:
    with connected(strict) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: here\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
        began = time.monotonic()
        with suppress(OSError):  # reset or broken pipe, as it comes
            while time.monotonic() - began < 20:
                connection.sendall(b"G")
                time.sleep(0.3)
        assert TIMEOUT_S / 2 < time.monotonic() - began < 20


@pytest.mark.parametrize(
    ("head", "body"),
    [
        (HEAD, b"x" * 50_000),
        (HEAD, b""),
        (
            HEAD.replace(b"video/mp4", b"multipart/form-data; boundary=x"),
            b'--x\r\nContent-Disposition: form-data; name="video"; filename="a"\r\n\r\nxxx',
        ),
    ],
    ids=["half a body", "no body", "half a form"],
)
def test_an_upload_that_stops_arriving_is_refused(strict: RunningServer, head: bytes, body: bytes) -> None:
    with connected(strict) as connection:
        connection.sendall(head + body)
        said = read_to_the_end(connection)
    first, _, rest = said.partition(b"\r\n\r\n")
    assert first.startswith(b"HTTP/1.1 408 ")
    assert b"connection: close" in first.lower()
    response = httpx.Response(408, headers={"content-type": "application/json"}, content=rest)
    error = check_error(response, 408, "CLIENT_TOO_SLOW")
    assert (error["code"], error["metadata"]) == ("DEADLINE_EXCEEDED", {"limit": "client_timeout_s"})


def test_an_upload_that_trickles_is_given_up(strict: RunningServer) -> None:
    """Each byte comes in time, but all of them together would hold the slot for a day."""
    with connected(strict) as connection:
        connection.sendall(HEAD)
        connection.settimeout(0.3)
        said, began = b"", time.monotonic()
        while not said and time.monotonic() - began < 20:
            connection.sendall(b"x")
            with suppress(TimeoutError):
                said = connection.recv(65536)
        connection.settimeout(20)
        while more := connection.recv(65536):  # The body may come apart from the head.
            said += more
    assert said.startswith(b"HTTP/1.1 408 ")
    assert b'"limit":"upload_min_bytes_per_s"' in said
    assert time.monotonic() - began > GRACE_S / 2


def test_a_clip_that_trickles_over_grpc_is_given_up(strict: RunningServer) -> None:
    def trickle() -> Iterator[pb.AlignClipRequest]:
        yield pb.AlignClipRequest(config=pb.ClipConfig())
        while True:
            time.sleep(0.3)
            yield pb.AlignClipRequest(chunk=b"x")

    with grpc.insecure_channel(strict.grpc) as channel:
        with pytest.raises(grpc.RpcError) as raised:
            list(Stub(channel).AlignClip(trickle(), timeout=20))
        assert reason_of(raised.value) == "CLIENT_TOO_SLOW"
        assert limit_of(raised.value) == "upload_min_bytes_per_s"


def test_a_slow_upload_is_waited_for(strict: RunningServer) -> None:
    data = carphone_path().read_bytes()

    def pieces() -> Iterator[bytes]:
        for part in range(8):
            time.sleep(TIMEOUT_S / 5)
            yield data[part * len(data) // 8 : (part + 1) * len(data) // 8]

    response = httpx.post(f"{strict.http}/align", content=pieces(), headers=VIDEO, timeout=60)
    assert response.json()["frame_count"] == 120


def test_a_silent_stream_ends_and_its_name_goes_on(strict: RunningServer) -> None:
    to_send: queue.Queue[pb.AlignStreamRequest | None] = queue.Queue()
    with grpc.insecure_channel(strict.grpc) as channel:
        to_send.put(config(stream_id="camera"))
        responses = Stub(channel).AlignStream(iter(to_send.get, None), timeout=60)
        to_send.put(encoded(jpeg(carphone_frames()[0]), 1.0))
        track = next(responses).frame.faces[0].track_id
        with pytest.raises(grpc.RpcError) as caught:
            next(responses)
        assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        assert reason_of(caught.value) == "CLIENT_TOO_SLOW"
        to_send.put(None)
        again = stream(Stub(channel), [config(stream_id="camera"), encoded(jpeg(carphone_frames()[1]), 2.0)])
        assert (again[0].frame.index, again[0].frame.faces[0].track_id) == (1, track)


def unread_stream() -> Iterator[pb.AlignStreamRequest]:
    yield config(resume_every=1)  # so that answers are large
    for number in range(2000):
        yield encoded(jpeg(carphone_frames()[number % 120]), float(number))


def test_a_stream_whose_answers_are_not_taken_ends(strict: RunningServer) -> None:
    with grpc.insecure_channel(strict.grpc) as channel:
        responses = Stub(channel).AlignStream(unread_stream(), timeout=120)
        wait_until(lambda: gauge(strict, "streams") == 1)
        wait_until(lambda: gauge(strict, "streams") == 0)
        with pytest.raises(grpc.RpcError) as caught:
            list(responses)
        assert reason_of(caught.value) == "CLIENT_TOO_SLOW"


def test_a_clip_that_stops_arriving_over_grpc_is_refused(strict: RunningServer) -> None:
    to_send: queue.Queue[pb.AlignClipRequest | None] = queue.Queue()
    to_send.put(pb.AlignClipRequest(config=pb.ClipConfig()))
    to_send.put(pb.AlignClipRequest(chunk=carphone_path().read_bytes()[:1000]))
    with grpc.insecure_channel(strict.grpc) as channel:
        with pytest.raises(grpc.RpcError) as caught:
            list(Stub(channel).AlignClip(iter(to_send.get, None), timeout=60))
        assert reason_of(caught.value) == "CLIENT_TOO_SLOW"
        to_send.put(None)
