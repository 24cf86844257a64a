"""Metrics, logs and traces of a real server."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import grpc
import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from red_align.v1 import face_landmarks_pb2 as pb
from service.security.credentials import hash_of, new_key
from tests.integration.rpc.test_grpc import config
from tests.integration.rpc.test_resuming import Stub, frames_from, results
from tests.support.collector import Collector, collector
from tests.support.media import carphone_path
from tests.support.rest import VIDEO
from tests.support.servers import RunningServer, running_server

KEY = new_key()
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"


@pytest.fixture(scope="module")
def spans() -> Iterator[Collector]:
    with collector() as kept:
        yield kept


@pytest.fixture(scope="module")
def watched(spans: Collector, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server that asks for a key, logs JSON, and sends its traces."""
    file = tmp_path_factory.mktemp("keys") / "keys"
    file.write_text(f"ann {hash_of(KEY)}\n")
    settings = {"API_KEYS_FILE": str(file), "LOG_FORMAT": "json", "LOG_LEVEL": "DEBUG", "OTLP_ENDPOINT": spans.url}
    with running_server(**settings) as running:
        yield running


def align(server: RunningServer, **headers: str) -> httpx.Response:
    url = f"{server.http}/align?stream_id=cam7"
    given = VIDEO | {"x-api-key": KEY} | headers
    return httpx.post(url, content=carphone_path().read_bytes(), headers=given, timeout=60)


def metrics(server: RunningServer) -> dict[str, float]:
    """Values by name and labels, as in ``red_frames_total{status="ok"}``."""
    answer = httpx.get(f"{server.http}/metrics", headers={"x-api-key": KEY})
    assert answer.status_code == 200
    found = {}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            labels = ",".join(f"{k}={v}" for k, v in sample.labels.items())
            found[sample.name + (f"{{{labels}}}" if labels else "")] = sample.value
    return found


def test_metrics_count_what_was_done(watched: RunningServer) -> None:
    before = metrics(watched)
    assert align(watched).status_code == 200
    with grpc.insecure_channel(watched.grpc) as channel:
        requests = [config(flow=pb.FLOW_LATEST), *frames_from(0, 60)]
        answered = results(list(Stub(channel).AlignStream(iter(requests), timeout=60, metadata=[("x-api-key", KEY)])))
    assert httpx.post(f"{watched.http}/align", content=b"x", headers=VIDEO).status_code == 401
    now = metrics(watched)

    def grown(name: str) -> float:
        return now.get(name, 0.0) - before.get(name, 0.0)

    dropped = sum(r.status == pb.FRAME_STATUS_DROPPED for r in answered)
    assert grown("red_frames_total{status=ok}") == 120 + 60 - dropped
    assert grown("red_frames_total{status=dropped}") == dropped > 0
    assert grown("red_tracks_begun_total") == 2
    assert grown("red_rejects_total{reason=UNAUTHENTICATED}") == 1
    assert grown("red_queue_wait_seconds_count") == 60
    assert grown("red_step_seconds_count") >= 120
    assert grown("red_decode_seconds_count") >= 120
    assert grown("red_detect_seconds_count") >= 2
    assert grown("red_batch_size_count") >= 119
    assert (now["red_streams"], now["red_uploads"], now["red_kept_streams"]) == (0, 0, 1)
    assert httpx.get(f"{watched.http}/metrics").status_code == 401


def logged(server: RunningServer) -> list[dict[str, str]]:
    return [json.loads(line) for line in server.lines if line.startswith("{")]


def test_logs_are_json_with_ids_and_without_secrets(watched: RunningServer) -> None:
    answer = align(watched, **{"x-request-id": "my-request.1"})
    token = answer.json()["resume_token"]
    broken = httpx.post(
        f"{watched.http}/align?stream_id=cam8",
        content=b"no video",
        headers=VIDEO | {"x-api-key": KEY, "x-request-id": "bad id\x7f"},
    )
    assert broken.status_code == 400
    assert all(set(entry) >= {"time", "level", "logger", "message", "request_id"} for entry in logged(watched))
    plain = [line for line in watched.lines if not line.startswith(("{", "red-align is ready"))]
    assert plain == []
    text = "".join(watched.lines)
    assert KEY not in text
    assert token[:40] not in text
    assert "Traceback" not in text
    assert re.search(r'"message": "align: 120 frames.*"request_id": "my-request.1", "stream_id": "cam7"', text)


FORMS = {
    "text": r"request_id={} stream_id={}: align: {} frames of a {}",
    "json": r'"message": "align: {2} frames of a {3}[^"]*", "request_id": "{0}", "stream_id": "{1}"',
}


@pytest.mark.parametrize("form", FORMS)
def test_logs_of_both_forms_name_request_and_stream_over_rest_and_grpc(form: str) -> None:
    clip = [pb.AlignClipRequest(config=pb.ClipConfig(stream_id="cam3"))]
    clip.append(pb.AlignClipRequest(chunk=carphone_path().read_bytes()))
    with running_server(LOG_FORMAT=form) as server:
        answer = align(server, **{"x-request-id": "of-rest"})
        assert answer.headers["x-request-id"] == "of-rest"
        new = httpx.get(f"{server.http}/healthz", headers={"x-request-id": "not valid"}).headers["x-request-id"]
        assert re.fullmatch("[0-9a-f]{16}", new)
        refused = httpx.post(f"{server.http}/align", headers={"x-request-id": "refused"})
        assert (refused.status_code, refused.headers["x-request-id"]) == (415, "refused")
        with grpc.insecure_channel(server.grpc) as channel:
            stub, ids = Stub(channel), [("x-request-id", "of-stream")]
            list(stub.AlignStream(iter([config(stream_id="cam2"), *frames_from(0, 3)]), timeout=60, metadata=ids))
            list(stub.AlignClip(iter(clip), timeout=60, metadata=[("x-request-id", "of-clip")]))
        assert server.stop() == 0
        text = "".join(server.lines)
    for request_id, stream_id, count, kind in (
        ("of-rest", "cam7", 120, "clip"),
        ("of-stream", "cam2", 3, "stream"),
        ("of-clip", "cam3", 120, "clip"),
    ):
        assert re.search(FORMS[form].format(request_id, stream_id, count, kind), text), text
    served = [line for line in server.lines if "GET /healthz" in line]
    assert served
    assert all(new in line for line in served)
    assert not any("cam" in line for line in served)


def test_a_callers_trace_goes_on_through_rest_and_grpc(
    spans: Collector, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with running_server(OTLP_ENDPOINT=spans.url) as server:
        assert httpx.get(f"{server.http}/v1/info", headers={"traceparent": TRACEPARENT}).status_code == 200
        assert httpx.get(f"{server.http}/healthz", headers={"traceparent": TRACEPARENT}).status_code == 200
        with grpc.insecure_channel(server.grpc) as channel:
            Stub(channel).GetInfo(pb.GetInfoRequest(), timeout=10, metadata=[("traceparent", TRACEPARENT)])
        assert server.stop() == 0  # sends what waits
    found = spans.of_trace(TRACE)
    assert {"GET /v1/info", "GetInfo"} <= set(found)
    assert {span.parent_span_id.hex() for span in found.values()} == {PARENT}
    assert not any("healthz" in name for name in found)
