"""An OTLP collector for tests: keeps the spans that it is sent."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as messages
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as services
from opentelemetry.proto.trace.v1.trace_pb2 import Span


class Collector(services.TraceServiceServicer):
    """``spans`` are all that came so far."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.url = ""

    def Export(  # noqa: N802 - the RPC's name
        self, request: messages.ExportTraceServiceRequest, context: grpc.ServicerContext
    ) -> messages.ExportTraceServiceResponse:
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                self.spans.extend(scope.spans)
        return messages.ExportTraceServiceResponse()

    def of_trace(self, trace_id: str) -> dict[str, Span]:
        """Spans of one trace by name."""
        return {span.name: span for span in self.spans if span.trace_id.hex() == trace_id}


@contextmanager
def collector() -> Iterator[Collector]:
    """A collector that listens on a free port of 127.0.0.1."""
    kept = Collector()
    server = grpc.server(ThreadPoolExecutor(2))
    services.add_TraceServiceServicer_to_server(kept, server)
    kept.url = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    yield kept
    server.stop(None)
