"""Strangers at a real server that asks for keys: they hold nothing that others need."""

from __future__ import annotations

import queue
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from red_align.v1 import face_landmarks_pb2 as pb
from service.security.credentials import hash_of, new_key
from tests.integration.rpc.test_grpc import Stub, config, limit_of, raw, reason_of
from tests.support.media import carphone_frames, jpeg
from tests.support.rest import FORM, MAX_UPLOAD, check_error, part, wait_until
from tests.support.servers import RunningServer, running_server

KEYS = {"ann": new_key(), "bob": new_key()}
CALLS, CALL_S = 4, 3.0
CHECK = health_pb2.HealthCheckRequest()
LIMITED = ["bash", "-c", 'ulimit -n 160; exec "$0" -m red_align.cli.main serve', sys.executable]


@pytest.fixture(scope="module")
def asking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server that asks for keys, shows no pages, and may have few descriptors."""
    folder = tmp_path_factory.mktemp("asking")
    (folder / "keys").write_text("".join(f"{tenant} {hash_of(key)}\n" for tenant, key in KEYS.items()))
    with running_server(
        LIMITED,
        API_KEYS_FILE=str(folder / "keys"),
        TEMP_DIR=str(folder / "up"),
        WEB="false",
        MAX_UPLOADS="4",
        MAX_UPLOAD_BYTES=str(MAX_UPLOAD),
        KEYLESS_CALLS=str(CALLS),
        KEYLESS_CALL_S=str(CALL_S),
        FIRST_MESSAGE_S="3",
    ) as running:
        yield running


def key_of(tenant: str) -> tuple[tuple[str, str], ...]:
    return (("x-api-key", KEYS[tenant]),)


@pytest.fixture(autouse=True)
def served_meanwhile(asking: RunningServer) -> Iterator[None]:
    """Whatever a stranger held, health is answered, and so is who has a key; nothing was logged as a fault."""
    yield
    assert served(asking)
    assert not [line for line in asking.lines if "Traceback" in line]


def served(server: RunningServer) -> bool:
    with grpc.insecure_channel(server.grpc) as channel:
        assert health_pb2_grpc.HealthStub(channel).Check(CHECK, timeout=20).status
        answers = list(Stub(channel).AlignStream(iter([config(), raw(carphone_frames()[0])]), 60, key_of("bob")))
        assert len(answers[0].frame.faces) == 1
    assert httpx.get(f"{server.http}/readyz", timeout=20).status_code == 200
    picture = jpeg(carphone_frames()[0])
    headers = {"x-api-key": KEYS["bob"], "content-type": "image/jpeg"}
    return httpx.post(f"{server.http}/align", content=picture, headers=headers, timeout=60).status_code == 200


def silence() -> Iterator[Any]:
    queue.Queue[None]().get()
    yield None


def ending(call: Any) -> str:
    """The limit that ended a call."""
    with pytest.raises(grpc.RpcError) as ended:
        list(call)
    return limit_of(ended.value)


def connected(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    return socket.create_connection((host.rpartition("/")[2], int(port)), timeout=20)


def test_calls_without_a_key_take_no_room_from_others(asking: RunningServer) -> None:
    with grpc.insecure_channel(asking.grpc) as channel:
        watch = health_pb2_grpc.HealthStub(channel).Watch
        watching = [watch(CHECK) for _ in range(120)]
        silent: Any = channel.stream_unary("/grpc.health.v1.Health/Check")
        held = [silent.future(silence()) for _ in range(60)]
        assert served(asking)
        assert {ending(call) for call in watching[:100]} == {"keyless_calls"}  # Newer ones took their places.
        for call in (*watching, *held):
            call.cancel()


def test_a_watch_without_a_key_ends_and_may_come_again(asking: RunningServer) -> None:
    with grpc.insecure_channel(asking.grpc) as channel:
        call = health_pb2_grpc.HealthStub(channel).Watch(CHECK, timeout=60)
        assert next(call).status == health_pb2.HealthCheckResponse.SERVING
        with pytest.raises(grpc.RpcError) as ended:
            next(call)
        assert reason_of(ended.value) == "CLIENT_TOO_SLOW"
        assert limit_of(ended.value) == "keyless_call_s"


@pytest.mark.parametrize("method", ["/red_align.v1.FaceLandmarkService/GetInfo", "/grpc.health.v1.Health/Check"])
def test_a_call_whose_only_message_does_not_come_ends(asking: RunningServer, method: str) -> None:
    with grpc.insecure_channel(asking.grpc) as channel:
        call: Any = channel.stream_unary(method)
        with pytest.raises(grpc.RpcError) as ended:
            call(silence(), timeout=60, metadata=key_of("ann"))
        assert reason_of(ended.value) in ("FIRST_MESSAGE_TIMEOUT", "CLIENT_TOO_SLOW")
        with pytest.raises(grpc.RpcError) as empty:
            call(iter([]), timeout=60, metadata=key_of("ann"))
        assert reason_of(empty.value) == "INVALID_REQUEST"


def test_one_tenants_silent_calls_leave_room_for_another(asking: RunningServer) -> None:
    with grpc.insecure_channel(asking.grpc) as channel:
        calls = [Stub(channel).AlignStream(silence(), 60, key_of("ann")) for _ in range(100)]
        refused = calls[-1]
        with pytest.raises(grpc.RpcError):
            next(refused)
        assert limit_of(refused) == "tenant_max_calls"
        assert served(asking)
        for call in calls:
            call.cancel()


def test_what_describes_the_service_is_for_those_with_a_key(asking: RunningServer) -> None:
    check_error(httpx.get(f"{asking.http}/openapi.json"), 401, "UNAUTHENTICATED")
    described = httpx.get(f"{asking.http}/openapi.json", headers={"x-api-key": KEYS["ann"]})
    assert "/align" in described.json()["paths"]
    asked = reflection_pb2.ServerReflectionRequest(list_services="")
    with grpc.insecure_channel(asking.grpc) as channel:
        info = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo
        with pytest.raises(grpc.RpcError) as refused:
            next(info(iter([asked]), timeout=20))
        assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
        assert next(info(iter([asked]), timeout=20, metadata=key_of("ann"))).list_services_response.service


def test_idle_connections_beyond_the_descriptors_make_room(asking: RunningServer) -> None:
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
    with grpc.insecure_channel(asking.grpc) as channel:
        live: queue.Queue[pb.AlignStreamRequest | None] = queue.Queue()
        live.put(config())
        live.put(raw(carphone_frames()[0]))
        answers = Stub(channel).AlignStream(iter(live.get, None), 120, key_of("ann"))
        next(answers)
        held = []
        for _ in range(170):
            for address, said in ((asking.grpc, preface), (asking.http, b"G")):
                held.append(connected(address))
                held[-1].sendall(said)
        assert served(asking)
        live.put(raw(carphone_frames()[0], 1.0))
        assert next(answers).frame.index == 1  # The stream that was there goes on.
        assert b"".join(first_bytes(each) for each in held)  # They were served as well, or ended.
        for each in held:
            each.close()
        live.put(None)


def first_bytes(connection: socket.socket) -> bytes:
    connection.setblocking(False)
    try:
        return connection.recv(100)
    except OSError as error:
        return type(error).__name__.encode()


def trickling(server: RunningServer, tenant: str) -> socket.socket:
    connection = connected(server.http)
    head = f"POST /align HTTP/1.1\r\nHost: here\r\nX-API-Key: {KEYS[tenant]}\r\n"
    connection.sendall(head.encode() + b"Content-Type: video/mp4\r\nContent-Length: 1000\r\n\r\nx")
    return connection


def test_a_tenant_that_trickles_over_rest_holds_half_of_the_uploads_at_most(asking: RunningServer) -> None:
    held = [trickling(asking, "ann") for _ in range(4)]
    wait_until(lambda: any(b"429" in first_bytes(each) for each in held))
    assert served(asking)
    for each in held:
        each.close()


def test_and_so_does_one_that_trickles_over_grpc(asking: RunningServer) -> None:
    waiting: queue.Queue[pb.AlignClipRequest] = queue.Queue()
    with grpc.insecure_channel(asking.grpc) as channel:

        def requests() -> Iterator[pb.AlignClipRequest]:
            yield pb.AlignClipRequest(config=pb.ClipConfig())
            yield pb.AlignClipRequest(chunk=b"x")
            yield from iter(waiting.get, None)

        calls = [Stub(channel).AlignClip(requests(), 60, key_of("ann")) for _ in range(4)]
        wait_until(lambda: sum(call.code() is not None for call in calls if call.done()) >= 2)
        refused = [call for call in calls if call.done()]
        assert {limit_of(call) for call in refused} == {"tenant_max_uploads"}
        assert served(asking)
        for call in calls:
            call.cancel()


FORMS = {
    "parts": (part("a", b"") * 100, "INVALID_REQUEST", 400),
    "junk beyond the limit of a file": (part("junk", b"x" * 2 * MAX_UPLOAD) + part("video", b"x"), "TOO_LARGE", 413),
    "junk after the end": (part("video", b"x") + b"--x--\r\n" + b"x" * 2 * MAX_UPLOAD, "TOO_LARGE", 413),
    "a preamble": (b"x" * 2 * MAX_UPLOAD, "TOO_LARGE", 413),
}


@pytest.mark.parametrize("transfer", ["length", "chunked"])
@pytest.mark.parametrize("kind", FORMS)
def test_a_form_is_bounded_in_all_that_it_holds(asking: RunningServer, kind: str, transfer: str) -> None:
    body, reason, status = FORMS[kind]
    if kind == "a preamble" and transfer == "chunked":
        reason, status = "INVALID_REQUEST", 400  # seen before its size
    content = body if transfer == "length" else iter([body[at : at + 65536] for at in range(0, len(body), 65536)])
    headers = {"content-type": FORM, "x-api-key": KEYS["ann"]}
    check_error(httpx.post(f"{asking.http}/align", content=content, headers=headers, timeout=60), status, reason)


def test_a_folder_that_others_may_write_to_is_refused(tmp_path: Path) -> None:
    (tmp_path / "up").mkdir()
    (tmp_path / "up").chmod(0o777)
    env = {"RED_TEMP_DIR": str(tmp_path / "up"), "RED_HTTP_PORT": "0", "RED_GRPC_PORT": "0"}
    code = "import sys; from service.commands import serve; sys.exit(serve([]))"
    ended = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=100, check=False
    )
    assert ended.returncode != 0
    assert "RED_TEMP_DIR: others may write to" in ended.stderr
