"""OpenTelemetry: spans of REST, gRPC and Triton calls, in one trace with the caller's.

Without ``RED_OTLP_ENDPOINT`` nothing is recorded or sent; the API's own no-op tracer costs next to nothing then.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from fastapi import FastAPI
from opentelemetry import context, propagate, trace
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from red_align import __version__

tracer = trace.get_tracer("red_align", __version__)


def configure_tracing(endpoint: str) -> None:
    """Send spans to an OTLP collector over gRPC.

    Args:
        endpoint: Its URL; empty to send none.
    """
    if not endpoint:
        return
    provider = TracerProvider(resource=Resource.create({"service.name": "red-align", "service.version": __version__}))
    insecure = not endpoint.startswith("https://")
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint, insecure=insecure)))
    trace.set_tracer_provider(provider)


def trace_app(app: FastAPI) -> None:
    """A span for every request but those that monitors send all the time."""
    FastAPIInstrumentor.instrument_app(app, excluded_urls="healthz,readyz,metrics", exclude_spans=["receive", "send"])


@contextmanager
def call_span(name: str, metadata: Mapping[str, str]) -> Iterator[None]:
    """A span for a gRPC call, in the trace that its metadata name.

    Args:
        name: Name of the span.
        metadata: What came with the call.

    Ours, and not the interceptor of opentelemetry-instrumentation-grpc: that one wraps a stream's generator in another,
    which nobody closes when a client dies; what the stream held then waits for the garbage collector.
    """
    span = tracer.start_span(name, context=propagate.extract(metadata), kind=trace.SpanKind.SERVER)
    context.attach(trace.set_span_in_context(span))  # Never detached: it ends with the call's own task.
    try:
        yield
    except Exception as error:
        span.set_status(trace.Status(trace.StatusCode.ERROR, type(error).__name__))
        raise
    finally:
        span.end()


@contextmanager
def call_headers(model: str) -> Iterator[Mapping[str, str]]:
    """A span for a call of an inference server; gives the trace as headers of that call."""
    with tracer.start_as_current_span(f"triton {model}", kind=trace.SpanKind.CLIENT):
        headers: dict[str, str] = {}
        propagate.inject(headers)
        yield headers


def end_tracing() -> None:
    """Send what waits."""
    provider = trace.get_tracer_provider()
    if isinstance(provider, TracerProvider):
        provider.shutdown()
