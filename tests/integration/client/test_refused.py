"""Who a client does not get through to, and how it does: no server, another version, keys, TLS, a proxy."""

from __future__ import annotations

import select
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme

import red_align
from red_align.client.errors import ServerTimeout
from red_align.v1 import face_landmarks_pb2 as pb
from red_align.v1 import face_landmarks_pb2_grpc as pb_grpc
from service.security.credentials import hash_of, new_key
from tests.support.media import astronaut, carphone_frames, png
from tests.support.servers import RunningServer, running_server

NOWHERE = "127.0.0.1:1"


def check_refused(client: red_align.Client, cls: type[red_align.RedAlignError], says: str) -> None:
    """Every way in says the same."""
    for call in (
        client.info,
        lambda: client.align(png(astronaut())),
        lambda: client.stream(carphone_frames()[:2]).__enter__(),
    ):
        with pytest.raises(cls, match=says):
            call()


def test_a_server_that_is_not_there_is_said_to_be_so() -> None:
    check_refused(red_align.Client(NOWHERE), red_align.ServerUnreachable, "grpc://127.0.0.1:1: nothing listens there")
    nobody = red_align.Client("nobody.invalid")
    check_refused(nobody, red_align.ServerUnreachable, "grpc://nobody.invalid:8081: there is no such name")


def test_the_next_address_is_taken_where_one_is_not_there(server: RunningServer) -> None:
    with red_align.Client([NOWHERE, server.grpc]) as client:
        assert client.info().num_points == 68
        assert client.align(png(astronaut())).complete
        with client.stream(carphone_frames()[:2], frame_rate=30) as stream:
            assert len(list(stream)) == 2


async def test_for_an_event_loop_it_is_the_same(server: RunningServer) -> None:
    async with red_align.AsyncClient([NOWHERE, server.grpc]) as client:
        assert (await client.align(png(astronaut()))).complete
        async with client.stream(carphone_frames()[:2], frame_rate=30) as stream:
            assert len([result async for result in stream]) == 2
    async with red_align.AsyncClient(NOWHERE) as client:
        with pytest.raises(red_align.ServerUnreachable, match="nothing listens there"):
            await client.align(png(astronaut()))
        with pytest.raises(red_align.ServerUnreachable, match="nothing listens there"):
            async with client.stream([]):
                pass


def test_the_port_of_rest_is_taken_for_what_it_is(server: RunningServer) -> None:
    http = server.http.removeprefix("http://")
    check_refused(red_align.Client(http), red_align.ServerUnreachable, "perhaps RED Align's REST port")


def test_a_server_that_says_nothing_is_left_after_the_time_to_connect() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises((ServerTimeout, red_align.ServerUnreachable), match=f"127.0.0.1:{port}"):
            red_align.Client(f"127.0.0.1:{port}", connect_s=0.5).info()


@contextmanager
def other_server(servicer: pb_grpc.FaceLandmarkServiceServicer | None) -> Iterator[str]:
    """A gRPC server that is not this version's, or not RED Align at all."""
    server = grpc.server(ThreadPoolExecutor(2))
    if servicer is not None:
        pb_grpc.add_FaceLandmarkServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait(5)


class OtherVersion(pb_grpc.FaceLandmarkServiceServicer):
    def __init__(self, version: str) -> None:
        self._version = version

    def GetInfo(self, request: pb.GetInfoRequest, context: Any) -> pb.GetInfoResponse:  # noqa: N802
        return pb.GetInfoResponse(version=self._version, scheme="ibug68", num_points=68)


@pytest.mark.parametrize(
    ("version", "says"), [("9.1.0", r"is RED Align 9.1.0 .* update the client"), ("0.1.0", "update the server")]
)
def test_another_version_says_which_side_to_update(version: str, says: str) -> None:
    with other_server(OtherVersion(version)) as address:
        check_refused(red_align.Client(address), red_align.VersionMismatch, says)


def test_a_server_of_something_else_is_taken_for_that() -> None:
    with other_server(None) as address:
        client = red_align.Client(address)
        check_refused(client, red_align.VersionMismatch, r"speaks gRPC, but not that of RED Align \(red_align.v1\)")


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def guarded(
    authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[RunningServer, Path, str]]:
    """A server that asks for a key and a certificate, the folder of the client's files, and a good key."""
    folder, key = tmp_path_factory.mktemp("guarded"), new_key()
    (folder / "keys").write_text(f"ann {hash_of(key)}\n")
    for name, host in (("server", "align.example"), ("client", "client.example")):
        made = authority.issue_cert(host)
        made.private_key_pem.write_to_path(folder / f"{name}.key")
        for number, part in enumerate(made.cert_chain_pems):
            part.write_to_path(folder / f"{name}.pem", append=number > 0)
    authority.cert_pem.write_to_path(folder / "ca.pem")
    with running_server(
        API_KEYS_FILE=str(folder / "keys"),
        TLS_CERT=str(folder / "server.pem"),
        TLS_KEY=str(folder / "server.key"),
        TLS_CLIENT_CA=str(folder / "ca.pem"),
    ) as running:
        yield running, folder, key


def test_key_tls_and_certificate_let_in(guarded: tuple[RunningServer, Path, str]) -> None:
    server, folder, key = guarded
    access: dict[str, Any] = {
        "ca": folder / "ca.pem",
        "certificate": (folder / "client.pem", folder / "client.key"),
        "server_name": "align.example",
    }
    address = f"grpcs://{server.grpc}"
    for own in ({"key": f"{key}\n"}, {"token": key}, {"token": lambda: key}):
        with red_align.Client(address, **own, **access) as client:
            assert client.align(png(astronaut())).complete
            with client.stream(carphone_frames()[:3], frame_rate=30) as stream:
                assert len(list(stream)) == 3
    check_refused(
        red_align.Client(address, **access), red_align.Unauthenticated, r"it asks for one: Client\(\.\.\., key"
    )
    wrong = red_align.Client(address, key=new_key(), **access)
    check_refused(wrong, red_align.Unauthenticated, "it does not know this key or token")


def test_what_is_missing_for_an_encrypted_connection_is_named(
    guarded: tuple[RunningServer, Path, str], server: RunningServer
) -> None:
    running, _, key = guarded
    plain = red_align.Client(f"grpc://{running.grpc}", key=key, connect_s=3)
    check_refused(plain, red_align.ServerUnreachable, rf"does it want TLS \(grpcs://{running.grpc}\)")
    strange = red_align.Client(f"grpcs://{running.grpc}", key=key, connect_s=3)
    check_refused(strange, red_align.ServerUnreachable, "name the authority with ca=")
    unencrypted = red_align.Client(f"grpcs://{server.grpc}", connect_s=3)
    check_refused(unencrypted, red_align.ServerUnreachable, "does not speak TLS: use grpc://")


class Proxy:
    """An HTTP proxy that knows CONNECT alone."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            client, _ = self._listening.accept()
            threading.Thread(target=self._tunnel, args=(client,), daemon=True).start()

    def _tunnel(self, client: socket.socket) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += client.recv(1)
        self.asked.append(head.split(b"\r\n")[0].decode())
        host, port = head.split()[1].decode().split(":")
        server = socket.create_connection((host, int(port)))
        client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            for ready in select.select([client, server], [], [])[0]:
                data = ready.recv(65536)
                if not data:
                    client.close()
                    server.close()
                    return
                (server if ready is client else client).sendall(data)


def test_a_proxy_is_used_where_it_is_named_and_only_there(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = Proxy()
    with red_align.Client(server.grpc, proxy=proxy.address) as client:
        assert client.align(png(astronaut())).complete
    assert proxy.asked == [f"CONNECT {server.grpc} HTTP/1.1"]
    monkeypatch.setenv("http_proxy", proxy.address)
    for name in ("no_proxy", "no_grpc_proxy", "NO_PROXY", "grpc_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    with red_align.Client(server.grpc, proxy="") as client:
        assert client.info().num_points == 68
    assert len(proxy.asked) == 1
    with red_align.Client(server.grpc) as client:
        assert client.info().num_points == 68
    assert len(proxy.asked) == 2


def test_without_the_extra_a_client_says_what_to_install_and_the_library_works() -> None:
    code = (
        "import sys\n"
        "for name in ('grpc', 'google', 'google.protobuf', 'google.rpc'):\n"
        "    sys.modules[name] = None\n"
        "import red_align\n"
        "for name in red_align.__all__:\n"
        "    getattr(red_align, name)\n"
        "for name in ('Client', 'AsyncClient'):\n"
        "    try:\n"
        "        getattr(red_align, name)('here')\n"
        "    except ImportError as error:\n"
        "        print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100)
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        f'red_align.{name} needs gRPC: pip install "red-align[client]"' for name in ("Client", "AsyncClient")
    ]
