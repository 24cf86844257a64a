"""The nginx configuration of the guide, with a real nginx where there is one: REST and gRPC pass through it."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import httpx
import pytest

from red_align.v1 import face_landmarks_pb2 as pb
from red_align.v1 import face_landmarks_pb2_grpc as rpc
from service.config.settings import Settings
from tests.support.media import carphone_frames, carphone_path, jpeg
from tests.support.reader import ROOT, prepare
from tests.support.servers import RunningServer

GUIDE = ROOT / "docs" / "guides" / "proxy.md"
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
needs_nginx = pytest.mark.skipif(NGINX is None, reason="no nginx here")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def configuration() -> str:
    match = re.search(r"^```nginx\n(.*?)^```", GUIDE.read_text(), re.M | re.S)
    assert match
    return match[1]


def test_the_configuration_names_settings_that_there_are() -> None:
    named = set(re.findall(r"RED_(\w+)", GUIDE.read_text()))
    assert len(named) > 5
    assert {name for name in named if name.lower() not in Settings.model_fields} == set()


@pytest.fixture
def proxy(server: RunningServer, tmp_path: Path) -> Iterator[int]:
    """nginx with the guide's server block before the shared server; gives its port."""
    prepare(tmp_path)
    port = free_port()
    block = (
        configuration()
        .replace("127.0.0.1:8443", f"127.0.0.1:{port}")
        .replace("http://127.0.0.1:8080", server.http)
        .replace("127.0.0.1:8081", server.grpc)
    )
    paths = "".join(
        f"{kind}_temp_path {tmp_path}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    head = f"daemon off;\nuser root;\npid {tmp_path}/pid;\nerror_log stderr;\nevents {{}}\n"
    text = f"{head}http {{\naccess_log off;\n{paths}{block}}}\n"
    (tmp_path / "nginx.conf").write_text(text)
    command = [str(NGINX), "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            wait_for(port, process)
            yield port
        finally:
            process.terminate()
            process.communicate(timeout=20)


def wait_for(port: int, process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + 20
    while True:
        assert process.poll() is None, process.stderr.read() if process.stderr else ""
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert time.monotonic() < end
        time.sleep(0.05)


@needs_nginx
def test_an_upload_passes_through(proxy: int, tmp_path: Path) -> None:
    with httpx.Client(verify=str(tmp_path / "ca.pem"), timeout=60) as client:
        files = {"video": carphone_path().read_bytes()}
        answer = client.post(f"https://127.0.0.1:{proxy}/align", files=files)
    assert answer.status_code == 200
    assert answer.json()["frame_count"] == 120


@needs_nginx
def test_a_live_stream_passes_through(proxy: int, tmp_path: Path) -> None:
    def frames() -> Iterator[pb.AlignStreamRequest]:
        yield pb.AlignStreamRequest(config=pb.StreamConfig())
        for number, image in enumerate(carphone_frames()[:10]):
            yield pb.AlignStreamRequest(frame=pb.VideoFrame(encoded=jpeg(image), time_s=number / 30))

    credentials = grpc.ssl_channel_credentials((tmp_path / "ca.pem").read_bytes())
    with grpc.secure_channel(f"127.0.0.1:{proxy}", credentials) as channel:
        answers = list(rpc.FaceLandmarkServiceStub(channel).AlignStream(frames(), timeout=60))
    assert [len(answer.frame.faces) for answer in answers[:-1]] == [1] * 10
    assert answers[-1].end.frame_count == 10
