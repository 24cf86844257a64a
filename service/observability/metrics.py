"""Prometheus metrics of one data plane, each with its unit in its name; no tenant, stream or picture is in them.

Where several processes serve (service.supervisor), prometheus_client puts their values into files of one folder, and
each process answers for all: counters and histograms are added up and stay when a process ends; gauges are those of the
processes that run, each told once a second.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from red_align.frames import FrameResult

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_BATCHES = (1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """Everything that is counted and timed; has a registry of its own, so that several can live side by side."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self._gauges: list[tuple[Gauge, Callable[[], float]]] = []

        def seconds(name: str, what: str) -> Histogram:
            return Histogram(f"red_{name}_seconds", what, buckets=_SECONDS, registry=registry)

        self.frames = Counter("red_frames", "Frames answered, by status.", ["status"], registry=registry)
        self.rejects = Counter("red_rejects", "Requests refused, by reason.", ["reason"], registry=registry)
        self.tracks_begun = Counter("red_tracks_begun", "Faces that were found, new or again.", registry=registry)
        self.redetections = Counter("red_redetections", "Faces found after one was lost.", registry=registry)
        self.tracks_lost = Counter("red_tracks_lost", "Faces that were given up.", registry=registry)
        self.resumes = Counter("red_resumes", "Frames at which memory was taken up again.", registry=registry)
        self.queue_wait = seconds("queue_wait", "Time a live frame waited to be answered.")
        self.decode = seconds("decode", "Time to wait for a decoded frame.")
        self.detect = seconds("detect", "Time of a search for faces.")
        self.step = seconds("step", "Time of the network step of a frame's faces, waiting for a batch included.")
        self.faces_refused = Counter(
            "red_faces_refused", "Further faces that were left out, since the engine was full.", registry=registry
        )
        self._observers: dict[str, Callable[[float], None]] = {
            "track_begun": self.tracks_begun.inc,
            "track_lost": self.tracks_lost.inc,
            "track_redetected": self.redetections.inc,
            "face_refused": self.faces_refused.inc,
            "step_s": self.step.observe,
            "detect_s": self.detect.observe,
        }
        self.sources_lost = Counter(
            "red_sources_lost", "Times a source was lost or not to be had, by reason.", ["reason"], registry=registry
        )
        self.sources_dropped = Counter(
            "red_sources_dropped_frames", "Frames of sources that newer ones took the place of.", registry=registry
        )
        self.webhook_batches = Counter(
            "red_webhook_batches", "Batches of events sent to webhooks, by outcome.", ["outcome"], registry=registry
        )
        self.batch_size = Histogram(
            "red_batch_size", "Faces in one network call (embedded engine).", buckets=_BATCHES, registry=registry
        )

    def observe(self, name: str, value: float) -> None:
        """What a tracker counts and times; see red_align.tracking.options.Observer."""
        self._observers[name](value)

    def answered(self, result: FrameResult) -> None:
        """One frame was answered."""
        self.frames.labels(result.status).inc()
        self.resumes.inc(result.resumed)

    def watch(self, name: str, what: str, value: Callable[[], float]) -> None:
        """Add a gauge.

        Args:
            name: Its name without ``red_``.
            what: Its description.
            value: Read whenever the metrics are asked for.
        """
        gauge = Gauge(f"red_{name}", what, registry=self._registry, multiprocess_mode="livesum")
        self._gauges.append((gauge, value))

    async def keep_told(self) -> None:
        """Tell the gauges to the other processes once a second, until cancelled."""
        while True:
            self._read_gauges()
            await asyncio.sleep(1.0)

    def text(self) -> bytes:
        """All of them in Prometheus's text format, those of all processes."""
        self._read_gauges()
        if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
            return generate_latest(self._registry)
        of_all = CollectorRegistry()
        MultiProcessCollector(of_all)  # type: ignore[no-untyped-call]
        return generate_latest(of_all)

    def _read_gauges(self) -> None:
        for gauge, value in self._gauges:
            gauge.set(value())
