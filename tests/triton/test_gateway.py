"""The whole gateway on a real server: clips and streams by HTTP and gRPC, through losses of the server."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import httpx
import numpy as np
import pytest
from google.protobuf import text_format
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tritonclient.grpc import model_config_pb2

from export.repository.triton_config import ServeOptions
from red_align.v1 import face_landmarks_pb2 as pb
from red_align.v1 import face_landmarks_pb2_grpc as pb_grpc
from service.config.settings import MODEL_FOLDER
from tests.support.media import carphone_frames, carphone_path, write_video
from tests.support.servers import RunningServer, running_server
from tests.triton.conftest import Make
from tests.triton.server import TritonProcess, free_port, make_repository
from tests.triton.streams import SAME_PX

VIDEO = {"content-type": "video/mp4"}
FRAMES, BREAK = 60, 25


@contextmanager
def gateway(*servers: TritonProcess, **settings: str) -> Iterator[RunningServer]:
    urls = ",".join(server.url for server in servers)
    with running_server(ENGINE="triton", TRITON_URL=urls, **settings) as running:
        yield running


def requests(before_frame: dict[int, threading.Event] | None = None) -> Iterator[pb.AlignStreamRequest]:
    """A stream of FRAMES frames; some wait for an event."""
    yield pb.AlignStreamRequest(config=pb.StreamConfig())
    for t, frame in enumerate(carphone_frames()[:FRAMES]):
        if before_frame and t in before_frame:
            assert before_frame[t].wait(60)
        height, width = frame.shape[:2]
        raw = pb.RawImage(width=width, height=height, rgb=frame.tobytes())
        yield pb.AlignStreamRequest(frame=pb.VideoFrame(raw=raw, time_s=t / 30))


def points_of(results: list[pb.FrameResult]) -> np.ndarray:
    return np.array([result.faces[0].landmarks for result in results])


def test_a_clip_through_triton_gives_what_the_embedded_engine_gives(
    triton: TritonProcess, server: RunningServer
) -> None:
    data = carphone_path().read_bytes()
    with gateway(triton) as there:
        answers = [httpx.post(f"{g.http}/align", content=data, headers=VIDEO, timeout=120) for g in (there, server)]
        assert httpx.get(f"{there.http}/v1/info").json()["model"]["engine"] == "triton"
    ours, wanted = (answer.json() for answer in answers)
    assert [frame["index"] for frame in ours["frames"]] == [frame["index"] for frame in wanted["frames"]]
    mine, theirs = (np.array([f["faces"][0]["landmarks"] for f in body["frames"]]) for body in (ours, wanted))
    assert np.abs(mine - theirs).max() < 0.02  # of two decimals
    assert not any(frame.get("resumed") for frame in ours["frames"])


def test_a_clip_in_parts_through_triton_gives_what_one_part_gives(
    triton: TritonProcess, server: RunningServer, tmp_path: Path
) -> None:
    frames = list(carphone_frames())
    data = write_video(tmp_path / "long.mp4", (frames + frames[::-1]) * 2, gop=60).read_bytes()
    asked = {"content": data, "headers": VIDEO, "timeout": 120}
    with gateway(triton, MAX_PARALLEL="2", PARALLEL_PARTS="2") as there:
        parts = httpx.post(f"{there.http}/align", params={"parallel": 2}, **asked).json()  # type: ignore[arg-type]
        assert any("in 2 parts at once" in line for line in there.lines)
    one = httpx.post(f"{server.http}/align", **asked).json()  # type: ignore[arg-type]
    assert [f["index"] for f in parts["frames"]] == [f["index"] for f in one["frames"]]
    mine, theirs = (np.array([f["faces"][0]["landmarks"] for f in body["frames"]]) for body in (parts, one))
    # Behind a joint points are those of another beginning, which differ by less than trembling.
    assert np.median(np.abs(mine - theirs)) < 0.02
    assert np.abs(mine - theirs).max() < 1.0


def test_a_live_stream_survives_the_servers_death(triton: TritonProcess, make_triton: Make) -> None:
    server = make_triton()
    with gateway(triton) as steady, grpc.insecure_channel(steady.grpc) as channel:
        stub = pb_grpc.FaceLandmarkServiceStub(channel)
        wanted = [a.frame for a in stub.AlignStream(requests(), timeout=120)][:-1]
    killed = threading.Event()
    with gateway(server, TRITON_RECOVER_S="60") as broken, grpc.insecure_channel(broken.grpc) as channel:
        stub = pb_grpc.FaceLandmarkServiceStub(channel)
        results = []
        for answer in stub.AlignStream(requests({BREAK: killed}), timeout=120):
            if answer.WhichOneof("event") == "frame":
                results.append(answer.frame)
            if len(results) == BREAK and not killed.is_set():
                server.kill()
                threading.Thread(target=server.start).start()
                killed.set()
        server.wait()
    assert [r.index for r in results] == list(range(FRAMES))
    assert [r.index for r in results if r.resumed] == [BREAK]
    assert np.abs(points_of(results) - points_of(wanted)).max() < SAME_PX


def test_a_clip_survives_too_and_says_where(make_triton: Make) -> None:
    server = make_triton(delay_s=0.02)
    data = carphone_path().read_bytes()
    with gateway(server, TRITON_RECOVER_S="60") as there:
        url, frames = f"{there.http}/align?format=ndjson", []
        with httpx.stream("POST", url, content=data, headers=VIDEO, timeout=120) as answer:
            for record in map(json.loads, answer.iter_lines()):
                if "index" in record:
                    frames.append(record)
                    if len(frames) == BREAK:
                        server.kill()
                        server.start()
    assert [frame["index"] for frame in frames] == list(range(len(carphone_frames())))
    assert sum(frame.get("resumed", False) for frame in frames) == 1


def test_clients_that_vanish_give_their_slots_back(make_triton: Make) -> None:
    server = make_triton(candidates=2, max_batch=2)  # with an idle limit of a minute
    with gateway(server, ENGINE_MAX_BATCH="1", TRITON_ADMISSION_S="3") as there:
        for _ in range(5):
            with grpc.insecure_channel(there.grpc) as channel:
                stub = pb_grpc.FaceLandmarkServiceStub(channel)
                never = threading.Event()
                calls = [stub.AlignStream(requests({2: never}), timeout=60) for _ in range(2)]
                assert all(len(next(call).frame.faces) == 1 and next(call) for call in calls)
                for call in calls:
                    call.cancel()
                never.set()
        assert there.process.poll() is None


def test_a_full_server_reaches_the_client_as_resource_exhausted(make_triton: Make) -> None:
    server = make_triton(candidates=1, max_batch=1)
    with (
        gateway(server, ENGINE_MAX_BATCH="1", TRITON_ADMISSION_S="0.3") as there,
        grpc.insecure_channel(there.grpc) as channel,
    ):
        stub = pb_grpc.FaceLandmarkServiceStub(channel)
        never = threading.Event()
        first = stub.AlignStream(requests({2: never}), timeout=60)
        assert next(first).frame.index == 0
        assert next(first).frame.index == 1
        with pytest.raises(grpc.RpcError) as refused:
            list(stub.AlignStream(requests(), timeout=60))
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        answer = httpx.post(f"{there.http}/align", content=carphone_path().read_bytes(), headers=VIDEO, timeout=60)
        assert "OVERLOADED" in answer.text
        never.set()
        assert sum(a.WhichOneof("event") == "frame" for a in first) == FRAMES - 2
        assert len(list(stub.AlignStream(requests(), timeout=60))) == FRAMES + 1


def test_a_gateway_waits_for_a_server_that_is_not_there_yet(tmp_path: Path) -> None:
    server = TritonProcess(make_repository(MODEL_FOLDER, tmp_path / "models", ServeOptions(gpu=False)), tmp_path)
    ports = {"RED_HTTP_PORT": str(free_port()), "RED_GRPC_PORT": str(free_port())}
    env = os.environ | ports | {"RED_ENGINE": "triton", "RED_TRITON_URL": server.url}
    http, rpc = (f"127.0.0.1:{port}" for port in ports.values())
    process = subprocess.Popen([sys.executable, "-m", "red_align.cli.main", "serve"], env=env)
    try:
        wait_for(lambda: httpx.get(f"http://{http}/healthz").status_code == 200)
        assert httpx.get(f"http://{http}/readyz").status_code == 503
        assert httpx.get(f"http://{http}/v1/info").json()["error"]["reason"] == "NOT_READY"
        with grpc.insecure_channel(rpc) as channel:
            health = health_pb2_grpc.HealthStub(channel)
            status = health_pb2.HealthCheckResponse
            assert health.Check(health_pb2.HealthCheckRequest()).status == status.NOT_SERVING
            server.start()
            wait_for(lambda: httpx.get(f"http://{http}/readyz").status_code == 200)
            wait_for(lambda: health.Check(health_pb2.HealthCheckRequest()).status == status.SERVING)
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0
        server.kill()


@pytest.mark.parametrize(
    ("model", "field", "tensor"), [("red", "input", "resume"), ("red_acquire", "output", "memory")]
)
def test_a_model_with_another_contract_is_refused_by_the_name_of_the_tensor(
    tmp_path: Path, model: str, field: str, tensor: str
) -> None:
    repository = make_repository(MODEL_FOLDER, tmp_path / "models", ServeOptions(gpu=False))
    file = repository / model / "config.pbtxt"
    config = text_format.Parse(file.read_text(), model_config_pb2.ModelConfig())
    wrong = next(t for t in getattr(config, field) if t.name == tensor)
    wrong.dims[0] += 1
    file.write_text(text_format.MessageToString(config))
    server = TritonProcess(repository, tmp_path)
    env = os.environ | {
        "RED_HTTP_PORT": "0",
        "RED_GRPC_PORT": "0",
        "RED_ENGINE": "triton",
        "RED_TRITON_URL": server.url,
    }
    try:
        server.start()
        command = [sys.executable, "-m", "red_align.cli.main", "serve"]
        ended = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
    finally:
        server.kill()
    assert ended.returncode != 0
    assert f"'{tensor}'" in ended.stderr
    assert "Traceback" not in ended.stderr


def wait_for(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while True:
        try:
            if true():
                return
        except httpx.HTTPError:
            pass
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)
