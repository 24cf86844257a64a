"""Starting and ending the service."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import grpc
import httpx
import pytest

from red_align.v1 import face_landmarks_pb2 as pb
from red_align.v1 import face_landmarks_pb2_grpc as pb_grpc
from tests.support.rest import wait_until
from tests.support.servers import running_server


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_service_with_status_0(number: signal.Signals) -> None:
    with running_server() as server:
        assert httpx.get(f"{server.http}/readyz").json() == {"status": "ready"}
        assert server.stop(number) == 0
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{server.http}/healthz")
        with grpc.insecure_channel(server.grpc) as channel, pytest.raises(grpc.RpcError):
            pb_grpc.FaceLandmarkServiceStub(channel).GetInfo(pb.GetInfoRequest(), timeout=5)
        assert "Traceback" not in "".join(server.lines)


def failed_start(**settings: str) -> str:
    """What a service prints that cannot start."""
    env = os.environ | {"RED_HTTP_PORT": "0", "RED_GRPC_PORT": "0"} | {f"RED_{k}": v for k, v in settings.items()}
    command = [sys.executable, "-m", "red_align.cli.main", "serve"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "ready" not in done.stdout
    return done.stderr


def test_a_wrong_setting_is_named() -> None:
    assert "RED_DETECT_EVERY" in failed_start(DETECT_EVERY="often")


def test_a_missing_model_is_named(tmp_path: Path) -> None:
    assert "red.onnx" in failed_start(MODEL_DIR=str(tmp_path))


def test_a_provider_that_is_missing_is_named_with_what_brings_it() -> None:
    said = failed_start(PROVIDERS="directml,cpu")
    assert "execution provider 'directml' is missing" in said
    assert "red-align[directml]" in said


def test_a_precision_that_the_model_does_not_have_is_named() -> None:
    assert "no folder 'fp16'" in failed_start(PRECISION="fp16")


@pytest.mark.parametrize("name", ["HTTP_PORT", "GRPC_PORT"])
def test_a_port_in_use_is_named(name: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert f"RED_{name}" in failed_start(**{name: str(taken.getsockname()[1])})


def test_uploads_of_a_killed_process_are_removed_at_the_next_start(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    left, living, other = (tmp_path / f"red-align-upload-{pid}-x" for pid in (gone.pid, os.getpid(), "abc"))
    for path in (left, living, other):
        path.write_bytes(b"x")
    with running_server(TEMP_DIR=str(tmp_path)):
        assert sorted(tmp_path.iterdir()) == sorted([living, other])


def test_an_upload_that_never_ends_does_not_hold_the_service_up(tmp_path: Path) -> None:
    with (
        running_server(GRACE_S="1", TEMP_DIR=str(tmp_path)) as server,
        socket.create_connection(("127.0.0.1", int(server.http.rsplit(":", 1)[1]))) as slow,
    ):
        slow.sendall(b"POST /align HTTP/1.1\r\nHost: x\r\nContent-Type: video/mp4\r\nContent-Length: 1000\r\n\r\nabc")
        wait_until(lambda: bool(list(tmp_path.iterdir())))
        began = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - began < 15
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_to_is_named() -> None:
    assert "RED_TEMP_DIR" in failed_start(TEMP_DIR="/proc/nowhere")
