"""Tenants, keys and TLS at real servers: each has its own streams and tokens, and strangers have nothing."""

from __future__ import annotations

import os
import queue
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grpc
import httpx
import numpy as np
import pytest
import trustme
from cryptography.fernet import Fernet
from grpc_health.v1 import health_pb2, health_pb2_grpc

from red_align.v1 import face_landmarks_pb2 as pb
from red_align.v1 import face_landmarks_pb2_grpc as pb_grpc
from service.config.settings import Settings
from service.security.credentials import hash_of, new_key
from tests.integration.operation.test_life_cycle import failed_start
from tests.integration.rpc.test_grpc import config, limit_of, points_of, reason_of
from tests.integration.rpc.test_resuming import Stub, frames_from, results
from tests.support.media import carphone_path
from tests.support.rest import VIDEO, check_error, part, wait_until
from tests.support.servers import RunningServer, running_server

KEYS = {"ann": new_key(), "bob": new_key()}
CLIP = carphone_path


@pytest.fixture(scope="module")
def asking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server that asks for keys."""
    file = tmp_path_factory.mktemp("keys") / "keys"
    file.write_text("".join(f"{tenant} {hash_of(key)}\n" for tenant, key in KEYS.items()))
    temp = tmp_path_factory.mktemp("uploads")
    with running_server(
        API_KEYS_FILE=str(file), TENANT_MAX_STREAMS="1", TENANT_MAX_UPLOADS="1", TEMP_DIR=str(temp)
    ) as running:
        yield running


def send(server: RunningServer, tenant: str, requests: list[pb.AlignStreamRequest]) -> list[pb.AlignStreamResponse]:
    metadata = [("authorization", f"Bearer {KEYS[tenant]}")] if tenant else []
    with grpc.insecure_channel(server.grpc) as channel:
        return list(Stub(channel).AlignStream(iter(requests), timeout=60, metadata=metadata))


def align(server: RunningServer, tenant: str, query: str = "", token: str = "") -> httpx.Response:
    headers = {"x-api-key": KEYS[tenant]} if tenant else {}
    data = CLIP().read_bytes()
    if not token:
        return httpx.post(f"{server.http}/align{query}", content=data, headers=VIDEO | headers, timeout=60)
    body = part("resume_token", token.encode()) + part("video", data) + b"--x--\r\n"
    form = {"content-type": "multipart/form-data; boundary=x"} | headers
    return httpx.post(f"{server.http}/align{query}", content=body, headers=form, timeout=60)


def test_strangers_get_nothing_but_health(asking: RunningServer) -> None:
    refused = align(asking, "")
    check_error(refused, 401, "UNAUTHENTICATED")
    assert refused.headers["www-authenticate"] == "Bearer"
    check_error(httpx.get(f"{asking.http}/v1/info"), 401, "UNAUTHENTICATED")
    assert httpx.get(f"{asking.http}/readyz").status_code == 200
    with grpc.insecure_channel(asking.grpc) as channel:
        stub = Stub(channel)
        clip = iter([pb.AlignClipRequest(config=pb.ClipConfig()), pb.AlignClipRequest(chunk=b"x")])
        for call in (
            lambda: list(stub.AlignStream(iter([config()]), timeout=20)),
            lambda: list(stub.AlignClip(clip, timeout=20)),
            lambda: stub.GetInfo(pb.GetInfoRequest(), timeout=20),
        ):
            with pytest.raises(grpc.RpcError) as ended:
                call()
            assert ended.value.code() is grpc.StatusCode.UNAUTHENTICATED
            assert reason_of(ended.value) == "UNAUTHENTICATED"
        health = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=20)
        assert health.status == health_pb2.HealthCheckResponse.SERVING


def test_one_name_is_two_streams_for_two_tenants(asking: RunningServer) -> None:
    first = results(send(asking, "ann", [config(stream_id="cam1"), *frames_from(0, 10)]))
    other = results(send(asking, "bob", [config(stream_id="cam1"), *frames_from(50, 60)]))
    again = results(send(asking, "ann", [config(stream_id="cam1"), *frames_from(10, 20)]))
    assert [r.index for r in first + again] == list(range(20))
    assert [r.index for r in other] == list(range(10))
    assert np.abs(points_of(again[0].faces[0]) - points_of(other[0].faces[0])).max() > 0.5


def test_a_token_is_worth_nothing_to_another_tenant(asking: RunningServer) -> None:
    answer = align(asking, "ann", "?resume=true").json()
    assert align(asking, "ann", token=answer["resume_token"]).json()["frames"][0]["index"] == 120
    stolen = align(asking, "bob", token=answer["resume_token"])
    forged = align(asking, "bob", token=answer["resume_token"][:-8] + "AAAAAAA=")
    assert check_error(stolen, 400, "BAD_RESUME_TOKEN") == check_error(forged, 400, "BAD_RESUME_TOKEN")


def test_a_tenants_streams_are_limited_and_others_are_not(asking: RunningServer) -> None:
    metadata = [("authorization", f"Bearer {KEYS['ann']}")]
    with grpc.insecure_channel(asking.grpc) as channel:
        held: queue.Queue[pb.AlignStreamRequest | None] = queue.Queue()
        call = Stub(channel).AlignStream(iter(held.get, None), timeout=60, metadata=metadata)
        held.put(config())
        held.put(frames_from(0, 1)[0])
        next(call)
        with pytest.raises(grpc.RpcError) as refused:
            send(asking, "ann", [config(), *frames_from(0, 1)])
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert results(send(asking, "bob", [config(), *frames_from(0, 1)]))
        held.put(None)
        list(call)


def test_a_tenants_uploads_are_limited_and_others_are_not(asking: RunningServer) -> None:
    url, metadata = httpx.URL(asking.http), [("x-api-key", KEYS["ann"])]
    head = f"POST /align HTTP/1.1\r\nHost: here\r\nX-API-Key: {KEYS['ann']}\r\n"
    clip = [pb.AlignClipRequest(config=pb.ClipConfig()), pb.AlignClipRequest(chunk=CLIP().read_bytes())]
    with socket.create_connection((url.host, url.port or 80)) as held, grpc.insecure_channel(asking.grpc) as channel:
        held.sendall(head.encode() + b"Content-Type: video/mp4\r\nContent-Length: 1000\r\n\r\nx")
        wait_until(lambda: uploads_of(asking, "ann") == 1)
        error = check_error(align(asking, "ann"), 429, "OVERLOADED")
        assert error["metadata"] == {"limit": "tenant_max_uploads"}
        with pytest.raises(grpc.RpcError) as refused:
            list(Stub(channel).AlignClip(iter(clip), timeout=60, metadata=metadata))
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert limit_of(refused.value) == "tenant_max_uploads"
        assert align(asking, "bob").status_code == 200
    wait_until(lambda: uploads_of(asking, "ann") == 0)
    assert align(asking, "ann").status_code == 200


def uploads_of(server: RunningServer, tenant: str) -> float:
    """Uploads under way, of all tenants, as one of them sees them."""
    text = httpx.get(f"{server.http}/metrics", headers={"x-api-key": KEYS[tenant]}).text
    return next(float(line.split()[1]) for line in text.splitlines() if line.startswith("red_uploads "))


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def certificates(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Files of a server's certificate and of the authority."""
    folder = tmp_path_factory.mktemp("tls")
    issued = authority.issue_cert("127.0.0.1", "localhost")
    issued.private_key_pem.write_to_path(folder / "key.pem")
    issued.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    return {"key": str(folder / "key.pem"), "cert": str(folder / "cert.pem"), "ca": str(folder / "ca.pem")}


def info(server: RunningServer, credentials: grpc.ChannelCredentials) -> pb.GetInfoResponse:
    with grpc.secure_channel(server.grpc, credentials) as channel:
        answer: pb.GetInfoResponse = pb_grpc.FaceLandmarkServiceStub(channel).GetInfo(pb.GetInfoRequest(), timeout=10)
        return answer


def test_both_servers_speak_tls_and_grpc_asks_for_a_certificate(
    authority: trustme.CA, certificates: dict[str, str]
) -> None:
    files = {"TLS_CERT": certificates["cert"], "TLS_KEY": certificates["key"], "TLS_CLIENT_CA": certificates["ca"]}
    root = Path(certificates["ca"]).read_bytes()
    own = authority.issue_cert("camera@example.org")
    stranger = trustme.CA().issue_cert("camera@example.org")
    with running_server(**files) as server:
        assert server.http.startswith("https://")
        trusted = ssl.create_default_context(cafile=certificates["ca"])
        assert httpx.get(f"{server.http}/readyz", verify=trusted).status_code == 200
        with pytest.raises(httpx.TransportError):
            httpx.get(server.http.replace("https", "http") + "/readyz")
        shown = grpc.ssl_channel_credentials(
            root, own.private_key_pem.bytes(), b"".join(p.bytes() for p in own.cert_chain_pems)
        )
        assert info(server, shown).num_points == 68
        wrong = grpc.ssl_channel_credentials(
            root, stranger.private_key_pem.bytes(), b"".join(p.bytes() for p in stranger.cert_chain_pems)
        )
        for refused in (grpc.ssl_channel_credentials(root), wrong):
            with pytest.raises(grpc.RpcError) as ended:
                info(server, refused)
            assert ended.value.code() is grpc.StatusCode.UNAVAILABLE


def test_a_service_that_could_not_be_safe_does_not_start(certificates: dict[str, str], tmp_path: Path) -> None:
    printed = failed_start(HOST="0.0.0.0", MAX_FACES="0", TLS_CERT=certificates["cert"])
    assert all(name in printed for name in ("RED_MAX_FACES", "RED_ALLOW_ANONYMOUS", "RED_TLS_KEY"))
    assert "RED_TLS_CERT" in failed_start(TLS_CERT=certificates["ca"], TLS_KEY=certificates["key"])
    assert "RED_TOKEN_KEYS" in failed_start(TOKEN_KEYS="short")
    (tmp_path / "keys").write_text("nonsense\n")
    assert "RED_API_KEYS_FILE" in failed_start(API_KEYS_FILE=str(tmp_path / "keys"))


def test_the_settings_in_effect_are_shown_without_secrets() -> None:
    secret = Fernet.generate_key().decode()
    env = os.environ | {"RED_TOKEN_KEYS": secret, "RED_MAX_STREAMS": "7"}
    command = [sys.executable, "-m", "red_align.cli.main", "config"]
    printed = subprocess.run(command, env=env, check=True, capture_output=True, text=True).stdout
    assert "RED_MAX_STREAMS=7\n" in printed
    assert "RED_TOKEN_KEYS=**********\n" in printed
    assert secret not in printed
    assert "# Most live streams open at once.\n" in printed


def test_a_new_key_is_printed_once_and_its_line_admits_it() -> None:
    command = [sys.executable, "-m", "red_align.cli.main", "key", "ann"]
    made = subprocess.run(command, check=True, capture_output=True, text=True)
    key = made.stderr.rsplit(" ", 1)[1].strip()
    assert made.stdout == f"ann {hash_of(key)}\n"


def test_no_other_sites_page_may_call_and_pages_are_for_loopback(server: RunningServer) -> None:
    asked = {"origin": "https://evil.example", "access-control-request-method": "POST"}
    for answer in (
        httpx.options(f"{server.http}/align", headers=asked),
        httpx.get(f"{server.http}/v1/info", headers=asked),
    ):
        assert not [name for name in answer.headers if name.startswith("access-control")]
    assert httpx.get(f"{server.http}/docs").status_code == 200
    with running_server(WEB="false") as hidden:
        assert httpx.get(f"{hidden.http}/docs").status_code == 404


def test_sites_that_are_named_may_call() -> None:
    with running_server(CORS_ORIGINS="https://one.example, https://two.example") as server:
        asked = {"origin": "https://two.example", "access-control-request-method": "POST"}
        asked |= {"access-control-request-headers": "authorization, content-type"}
        answer = httpx.options(f"{server.http}/align", headers=asked)
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == "https://two.example"
        assert "access-control-allow-credentials" not in answer.headers
        stranger = httpx.get(f"{server.http}/v1/info", headers={"origin": "https://three.example"})
        assert "access-control-allow-origin" not in stranger.headers
        wrong = httpx.post(f"{server.http}/align", content=b"x", headers=VIDEO | {"origin": "https://one.example"})
        assert (wrong.status_code, wrong.headers["access-control-allow-origin"]) == (400, "https://one.example")


def test_pages_are_off_where_the_address_is_public(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings().shows_web
    assert not Settings(host="0.0.0.0", allow_anonymous=True).shows_web
    assert Settings(host="0.0.0.0", allow_anonymous=True, web=True).shows_web
