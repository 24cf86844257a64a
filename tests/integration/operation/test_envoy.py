"""Real gateways behind the real Envoy: who comes with a stream's name stays, and figures are those of the dashboard."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator

import grpc
import httpx
import pytest

from red_align.v1 import face_landmarks_pb2 as pb
from red_align.v1 import face_landmarks_pb2_grpc as rpc
from tests.support.deploy import promql
from tests.support.deploy.envoy import RunningEnvoy, running_envoy
from tests.support.media import carphone_frames, jpeg
from tests.support.servers import RunningServer, running_server

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def gateways() -> Iterator[list[RunningServer]]:
    key = base64.urlsafe_b64encode(os.urandom(32)).decode()
    with running_server(TOKEN_KEYS=key) as one, running_server(TOKEN_KEYS=key) as other:
        yield [one, other]


@pytest.fixture(scope="module")
def envoy(gateways: list[RunningServer], tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningEnvoy]:
    http = [gateway.http.removeprefix("http://") for gateway in gateways]
    folder = tmp_path_factory.mktemp("envoy")
    with running_envoy(promql.FILES / "envoy.yaml", http, [g.grpc for g in gateways], folder) as running:
        yield running


def metric(gateway: RunningServer, name: str) -> float:
    text = httpx.get(f"{gateway.http}/metrics", timeout=10).text
    return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(name))


def align(envoy: RunningEnvoy, name: str, **headers: str) -> int:
    """Index of the first frame of the answer to one more picture of a named stream."""
    answer = httpx.post(
        f"http://{envoy.http}/align",
        params={"stream_id": name},
        content=jpeg(carphone_frames()[0]),
        headers={"content-type": "image/jpeg", **headers},
        timeout=60,
    )
    assert answer.status_code == 200, answer.text
    return int(answer.json()["frames"][0]["index"])


@pytest.mark.parametrize("by_header", [True, False], ids=["header", "parameter"])
def test_segments_of_a_named_stream_come_to_one_gateway(
    gateways: list[RunningServer], envoy: RunningEnvoy, by_header: bool
) -> None:
    before = [metric(gateway, 'red_frames_total{status="ok"}') for gateway in gateways]
    for number in range(8):
        name = f"camera-{by_header}-{number}"
        headers = {"x-red-stream-id": name} if by_header else {}
        # At another gateway the second one would begin at 0 again.
        assert [align(envoy, name, **headers) for _ in range(3)] == [0, 1, 2]
    grown = [metric(g, 'red_frames_total{status="ok"}') - b for g, b in zip(gateways, before, strict=True)]
    assert sum(grown) == 24
    assert min(grown) > 0, "both of them are used"


def test_grpc_comes_through_and_a_stream_stays(envoy: RunningEnvoy) -> None:
    with grpc.insecure_channel(envoy.grpc) as channel:
        stub = rpc.FaceLandmarkServiceStub(channel)
        assert stub.GetInfo(pb.GetInfoRequest(), timeout=30).model
        picture = jpeg(carphone_frames()[0])
        for segment in range(3):
            config = pb.StreamConfig(max_faces=1, stream_id="live-1")
            frame = pb.VideoFrame(encoded=picture, time_s=float(segment))
            requests = iter([pb.AlignStreamRequest(config=config), pb.AlignStreamRequest(frame=frame)])
            answers = stub.AlignStream(requests, timeout=30, metadata=[("x-red-stream-id", "live-1")])
            assert [a.frame.index for a in answers if a.HasField("frame")] == [segment]


def test_envoy_shows_neither_its_administration_nor_the_gateways_figures(envoy: RunningEnvoy) -> None:
    assert httpx.get(f"http://{envoy.http}/metrics", timeout=10).status_code == 404
    assert httpx.get(f"http://{envoy.http}/envoy/ready", timeout=10).status_code == 200
    assert httpx.get(f"http://{envoy.metrics}/ready", timeout=10).status_code == 200
    for path in ("/quitquitquit", "/config_dump", "/"):
        assert httpx.post(f"http://{envoy.metrics}{path}", timeout=10).status_code == 404


def test_every_metric_that_the_dashboard_asks_of_them_is_there(
    gateways: list[RunningServer], envoy: RunningEnvoy
) -> None:
    align(envoy, "figures")
    httpx.post(f"{gateways[0].http}/align", content=b"", timeout=10)
    told = httpx.get(f"http://{envoy.metrics}/stats/prometheus", timeout=10).text
    told += "".join(httpx.get(f"{gateway.http}/metrics", timeout=10).text for gateway in gateways)
    there = {line.split()[2] for line in told.splitlines() if line.startswith("# TYPE")}
    asked = {name for name in promql.metrics() if name.startswith(("red_", "envoy_")) and "red_spans" not in name}
    assert {promql.SUFFIX.sub("", name) for name in asked} - there == set()
    for label in ('red_frames_total{status="', "envoy_cluster_membership_healthy{envoy_cluster_name="):
        assert label in told


def test_a_gateway_that_drains_gets_nothing_new(gateways: list[RunningServer], envoy: RunningEnvoy) -> None:
    assert gateways[1].stop() == 0
    names = [f"after-{number}" for number in range(12)]
    assert [align(envoy, name, **{"x-red-stream-id": name}) for name in names] == [0] * 12
