"""Makes a data plane from the settings: engine, detector, metrics."""

from __future__ import annotations

import cv2

from red_align.engine.base import Engine
from red_align.engine.onnx_engine import OnnxEngine
from red_align.engine.providers import parse_providers
from red_align.engine.triton_engine import TritonEngine
from red_align.errors import ConfigurationError
from red_align.tracking.detector import YuNetDetector
from service.config.settings import Settings
from service.dataplane import DataPlane
from service.observability.metrics import Metrics
from service.observability.tracing import call_headers


def make_dataplane(settings: Settings) -> DataPlane:
    """Load model and detector; not started yet.

    Args:
        settings: What to make.

    Raises:
        ModelMismatch: An embedded model does not load, or keeps another contract.
        ConfigurationError: What a setting names is not there.
    """
    cv2.setNumThreads(1)  # Frames run side by side; OpenCV's own threads would only contend.
    detector = YuNetDetector(
        settings.detector_path,
        longer_side=settings.detect_size,
        score=settings.detect_score,
        at_once=settings.workers,
    )
    metrics = Metrics()
    engine = make_engine(settings, metrics)
    return DataPlane(settings, engine, detector, metrics)


def make_engine(settings: Settings, metrics: Metrics | None = None) -> Engine:
    """The engine that the settings ask for.

    Args:
        settings: Which engine, and its limits.
        metrics: Counts batches; None for none.

    Raises:
        ModelMismatch: An embedded model does not load, or keeps another contract.
        ProviderUnavailable: An execution provider cannot be used.
        ConfigurationError: No address of a Triton server, or an execution provider that does not exist.
    """
    if settings.engine == "triton":
        urls = [url.strip() for url in settings.triton_url.split(",") if url.strip()]
        if not urls:
            raise ConfigurationError("RED_TRITON_URL: no address")
        return TritonEngine(
            urls,
            deadline_s=settings.triton_deadline_s,
            recover_s=settings.triton_recover_s,
            admission_s=settings.triton_admission_s,
            max_sequences=settings.max_sequences,
            call_headers=call_headers,
        )
    return OnnxEngine(
        settings.model_dir,
        providers=parse_providers(settings.providers),
        precision=settings.precision,
        threads=settings.engine_threads,
        max_batch=settings.engine_max_batch,
        idle_s=settings.sequence_idle_s,
        max_sequences=settings.max_sequences,
        on_batch=metrics.batch_size.observe if metrics is not None else None,
    )
