"""A trace reaches from the caller of the gateway to its calls of Triton."""

from __future__ import annotations

import httpx

from tests.support.collector import collector
from tests.support.media import carphone_path
from tests.support.rest import VIDEO
from tests.support.servers import running_server
from tests.triton.server import TritonProcess

TRACE = "0af7651916cd43dd8448eb211c80319d"


def test_calls_of_triton_are_spans_of_the_callers_trace(triton: TritonProcess) -> None:
    with collector() as spans:
        with running_server(ENGINE="triton", TRITON_URL=triton.url, OTLP_ENDPOINT=spans.url) as server:
            headers = VIDEO | {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
            answer = httpx.post(f"{server.http}/align?stride=20", content=carphone_path().read_bytes(), headers=headers)
            assert len(answer.json()["frames"]) == 6
            assert server.stop() == 0
        found = spans.of_trace(TRACE)
    assert {"POST /align", "triton red", "triton red_acquire"} <= set(found)
    assert found["triton red"].parent_span_id == found["POST /align"].span_id
