"""OpenTelemetry: spans of REST, gRPC and Triton calls, in one trace with the caller's.

Without ``RED_OTLP_ENDPOINT`` nothing is recorded or sent; the API's own no-op tracer costs next to nothing then.
"""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from opentelemetry import propagate, trace
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.instrumentation.grpc import aio_server_interceptor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from service import __version__

tracer = trace.get_tracer("red_align", __version__)


def configure_tracing(endpoint: str) -> None:
    """Send spans to an OTLP collector over gRPC; an empty endpoint sends none."""
    if not endpoint:
        return
    provider = TracerProvider(resource=Resource.create({"service.name": "red-align", "service.version": __version__}))
    insecure = not endpoint.startswith("https://")
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint, insecure=insecure)))
    trace.set_tracer_provider(provider)


def trace_app(app: FastAPI) -> None:
    """A span for every request but those that monitors send all the time."""
    FastAPIInstrumentor.instrument_app(app, excluded_urls="healthz,readyz,metrics", exclude_spans=["receive", "send"])


def server_interceptors() -> list[Any]:
    """For grpc.aio.server: a span for every call."""
    return [aio_server_interceptor()]  # type: ignore[no-untyped-call]


def outgoing_headers() -> dict[str, str]:
    """The current trace as headers of a call to another server."""
    headers: dict[str, str] = {}
    propagate.inject(headers)
    return headers


def end_tracing() -> None:
    """Send what waits."""
    provider = trace.get_tracer_provider()
    if isinstance(provider, TracerProvider):
        provider.shutdown()
