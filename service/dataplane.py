"""The data plane that REST and gRPC share: clips and streams in, results out."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from red_align.clip.parallel import open_parallel
from red_align.clip.sources import IsolatedSource
from red_align.engine.base import Engine
from red_align.errors import GoingAway, InvalidRequest, NotReady
from red_align.features.options import FeaturesLike
from red_align.media.decode_pool import DecodePool
from red_align.media.reader import DecodeLimits
from red_align.tracking.detector import Detector
from red_align.tracking.options import Observer, TrackingOptions, feature_stage
from red_align.tracking.state import TrackerState
from red_align.tracking.tracker import Tracker
from service.config.settings import Settings
from service.limits.admission import Admission
from service.limits.parts import PartSlots
from service.limits.tenants import Tenants
from service.limits.timeouts import UploadLimits
from service.observability.metrics import Metrics
from service.security.authenticator import Authenticator, TokenRules
from service.security.credentials import read_jwks, read_keys
from service.shares import limits_of
from service.streams.clip import ClipRun
from service.streams.frame_queue import FrameQueue, LiveFrame
from service.streams.live import LiveRun
from service.streams.options import ClipOptions, LiveFlow, StreamOptions
from service.streams.parallel_clip import ParallelClipRun, times_only
from service.streams.registry import Lease, StreamRegistry
from service.streams.resume_token import TokenSealer, read_token_keys
from service.streams.session import LiveSession
from service.streams.threads import ThreadCalls
from service.streams.uploads import Upload, UploadStore

if TYPE_CHECKING:
    from red_align.tracking.feature_stage import FeatureStage

log = logging.getLogger(__name__)
MAX_STRIDE = 1_000_000


class DataPlane:
    """Engine, detector, decoders and threads, made once and shared by all requests; holds no state of any request.

    Made by service.factory, started and closed by service.lifecycle.
    """

    def __init__(self, settings: Settings, engine: Engine, detector: Detector, metrics: Metrics | None = None) -> None:
        self.settings, self.engine, self.detector = settings, engine, detector
        self.metrics = metrics or Metrics()
        self.limits = DecodeLimits(
            settings.max_frame_pixels,
            settings.decode_threads,
            settings.max_clip_frames,
            settings.max_clip_s,
            settings.max_animation_pixels,
        )
        self.tracking = TrackingOptions(
            settings.detect_every,
            settings.search_every,
            settings.track_lost_threshold,
            settings.track_activation_threshold,
            settings.search_turned_every,
        )
        # Streams take turns in few threads, in the order of their frames: many more threads than cores were measured to
        # answer the unlucky stream much later. Twice as many keep the cores busy while others wait for a decoder, and
        # one that hangs holds up nobody. A thread that waits for a Triton server needs no core.
        in_process = settings.engine == "embedded"
        live = 2 * settings.workers if in_process else max(2 * settings.workers, settings.engine_max_batch)
        self.live_threads = ThreadPoolExecutor(live, thread_name_prefix="live")
        # One for each clip: none waits for another's decoder.
        self.clip_threads = ThreadPoolExecutor(settings.max_uploads, thread_name_prefix="clip")
        self.decoders = DecodePool(
            settings.decode_memory_bytes,
            settings.decode_timeout_s,
            max(settings.decode_spare, live),
            live,
            settings.max_decoding_bytes,
        )
        self.ready = False
        self.peers_ready = True
        """Whether all other processes behind the same ports are ready, where there are any."""
        self.draining = asyncio.Event()
        """Set when the service is to go away: streams are sent elsewhere, uploads finish."""
        self.auth = _make_authenticator(settings)
        self.tenants = Tenants(limits_of(settings, asks=self.auth.asks))
        self.streams = Admission("max_streams", settings.max_streams)
        self.uploads = Admission("max_uploads", settings.max_uploads)
        self.parts = PartSlots(settings.parallel_parts)
        self.upload_store = UploadStore(settings.temp_dir, settings.max_upload_bytes)
        self.upload_limits = UploadLimits(
            settings.client_timeout_s, settings.upload_min_bytes_per_s, settings.upload_grace_s
        )
        self.kept = StreamRegistry(settings.stream_idle_s, settings.max_registered_streams)
        self.tokens = TokenSealer(read_token_keys(settings.token_keys), settings.token_ttl_s)
        for name, what, value in (
            ("streams", "Live streams that are open.", lambda: self.streams.active),
            ("uploads", "Uploads under way.", lambda: self.uploads.active),
            ("kept_streams", "Streams with an id that wait to go on.", lambda: len(self.kept)),
            ("sequences", "Faces whose memory the engine keeps.", lambda: self.engine.sequences),
        ):
            self.metrics.watch(name, what, value)

    @asynccontextmanager
    async def upload(self, tenant: str) -> AsyncIterator[Upload]:
        """Room for an upload; its slot is free and its file gone after the block.

        Args:
            tenant: Whose upload it is.

        Raises:
            Overloaded: Too many are under way, of all or of the tenant.
        """
        with self.uploads.acquire_slot(), self.tenants.of(tenant) as share, share.uploads.acquire_slot():
            share.work.check()
            async with self.upload_store.open() as upload:
                yield upload

    @asynccontextmanager
    async def clip(self, path: Path, options: ClipOptions) -> AsyncIterator[ClipRun]:
        """Open a clip file; everything is given back at the end of the block.

        Args:
            path: The file.
            options: What the request chose.

        Raises:
            RedAlignError: What open_media raises, or what stands against the request.
        """
        if not 0 <= options.stride <= MAX_STRIDE:
            raise InvalidRequest(f"stride is {options.stride}, it must be 1 to {MAX_STRIDE}")
        stride, calls = options.stride or 1, ThreadCalls(self.clip_threads)
        stage = feature_stage(options.features, self.engine.info.scheme)
        async with self._in_parts(path, options, calls, stage) as parts:
            if parts is not None:
                yield parts
                return
        with self.tenants.of(options.tenant) as tenant:
            async with self._begun(options, calls, same_clock=False) as (lease, tracker):
                reader = await calls(lambda: self.decoders.open_media(path, self.limits, stride, planes=True))
                run = ClipRun(
                    reader,
                    tracker,
                    calls,
                    stride=stride,
                    first_index=_first_index(lease),
                    seal=self._sealer(options.tenant) if options.goes_on else None,
                    rate_limit=tenant.frame if tenant.limited else None,
                    spend=tenant.work.spend,
                    metrics=self.metrics,
                    stage=stage,
                )
                try:
                    yield run
                finally:
                    with anyio.CancelScope(shield=True):
                        await calls.settled()
                        lease.state = run.state
                        log.info("align: %d frames of a clip", run.answered)
                        await run.close()

    @asynccontextmanager
    async def _in_parts(
        self, path: Path, options: ClipOptions, calls: ThreadCalls, stage: FeatureStage | None
    ) -> AsyncIterator[ParallelClipRun | None]:
        """The clip's parts, tracked side by side; None where it is not to be split, cannot be, or none is free."""
        settings, stride = self.settings, options.stride or 1
        # Segments need their last state, crops the frames, and a rate limit would be spent on frames not asked for yet.
        limited = settings.tenant_frames_per_s or settings.tenant_pixels_per_s
        wanted = (
            1
            if options.goes_on or limited or options.features.wants("crop")
            else min(options.parallel, settings.max_parallel)
        )
        free = (settings.max_sequences - self.engine.sequences) // (options.max_faces or 1)
        share = min(self.parts.limit // max(self.uploads.active, 1), free // 2)
        with self.parts.take(wanted, share) as parallel:
            run = None
            if parallel > 1:
                self._tracker(options.max_faces)  # Raises what stands against the request.
                make_tracker = times_only(partial(self._made_tracker, options.max_faces), self.metrics)
                source = IsolatedSource(self.decoders, path, self.limits, stride)
                run = await calls(lambda: open_parallel(source, parallel, make_tracker, stride))
            if run is None:
                yield None
                return
            clip = ParallelClipRun(run, calls, self.metrics, stage)
            try:
                yield clip
            finally:
                log.info("align: %d frames of a clip in %d parts at once", clip.answered, parallel)
                await clip.close()

    @asynccontextmanager
    async def stream(self, options: StreamOptions) -> AsyncIterator[LiveRun]:
        """Begin a live stream, or go on with one; everything is given back at the end of the block.

        Args:
            options: What the stream chose.

        Raises:
            Overloaded: Too many are open, of all or of the tenant.
            RedAlignError: What else stands against it.
        """
        calls = ThreadCalls(self.live_threads)
        with self.streams.acquire_slot(), self.tenants.of(options.tenant) as tenant, tenant.streams.acquire_slot():
            tenant.work.check()
            async with self._begun(options, calls, same_clock=True, features=options.features) as (lease, tracker):
                run = LiveRun(
                    self.decoders,
                    self.limits,
                    tracker,
                    calls,
                    self._sealer(options.tenant),
                    first_index=_first_index(lease),
                    rate_limit=tenant.frame,
                    intake_limit=tenant.message,
                    spend=tenant.work.spend,
                    metrics=self.metrics,
                )
                try:
                    yield run
                finally:
                    with anyio.CancelScope(shield=True):
                        await calls.settled()
                        lease.state = run.state
                        log.info("align: %d frames of a stream, %d dropped", run.answered, run.dropped_count)
                        await run.close()

    @asynccontextmanager
    async def live(
        self, options: StreamOptions, flow: LiveFlow, frames: AsyncIterator[LiveFrame]
    ) -> AsyncIterator[LiveSession]:
        """Begin a live stream over the frames that come for it; see ``stream``.

        Args:
            options: What the stream chose.
            flow: How its frames flow.
            frames: What its client sends, in order.
        """
        settings = self.settings
        queue = FrameQueue(latest=flow.latest, limit=settings.stream_queue, idle_s=settings.stream_idle_s)
        async with self.stream(options) as stream, queue.filled_from(frames, self.draining, stream.intake_limit):
            yield LiveSession(stream, queue, self.draining, flow, self.metrics.queue_wait.observe)

    @asynccontextmanager
    async def _begun(
        self, options: StreamOptions, calls: ThreadCalls, *, same_clock: bool, features: FeaturesLike = ()
    ) -> AsyncIterator[tuple[Lease, Tracker]]:
        """A tracker that stands where the stream stood, under a lease of its name, which ends with the block."""
        if options.stream_id and self.settings.processes > 1:
            raise InvalidRequest(
                f"streams have no names here: {self.settings.processes} processes serve them (RED_PROCESSES), and the "
                "next request may reach another one; continue with a resume token",
                limit="processes",
            )
        tracker = self._tracker(options.max_faces, features)
        lease = self.kept.lease(options.tenant, options.stream_id)

        def restore() -> None:
            if options.resume_token:
                lease.state = self.tokens.open(options.resume_token, options.tenant, self.engine.info)
            if lease.state is not None:
                tracker.restore(lease.state, same_clock=same_clock, resumed=bool(options.resume_token))

        try:
            if options.resume_token or lease.state is not None:
                await calls(restore)
            yield lease, tracker
        finally:
            self.kept.release(lease)

    def _sealer(self, tenant: str) -> Callable[[TrackerState], str]:
        return lambda state: self.tokens.seal(state, tenant, self.engine.info)

    def _tracker(self, max_faces: int, features: FeaturesLike = ()) -> Tracker:
        """For a request that begins; raises what stands against it."""
        if self.draining.is_set():
            raise GoingAway("the service is draining")
        if not self.ready:
            raise NotReady("the service is not ready")
        limit = self.settings.max_faces
        if not 0 <= max_faces <= limit:
            raise InvalidRequest(f"max_faces is {max_faces}, it must be 1 to {limit}", limit="max_faces")
        return self._made_tracker(max_faces, self.metrics.observe, features)

    def _made_tracker(self, max_faces: int, observe: Observer, features: FeaturesLike = ()) -> Tracker:
        faces, engine, detector = max_faces or 1, self.engine, self.detector
        return Tracker(
            faces, engine=engine, detector=detector, options=self.tracking, observe=observe, features=features
        )


def _make_authenticator(settings: Settings) -> Authenticator:
    """The authenticator that the settings ask for. Raises ConfigurationError where a file is not as it must be."""
    keys, jwks = settings.api_keys_file, settings.jwt_jwks_file
    rules = None
    if jwks is not None:
        rules = TokenRules(read_jwks(jwks), settings.jwt_issuer, settings.jwt_audience, settings.jwt_tenant_claim)
    return Authenticator(read_keys(keys) if keys is not None else None, rules)


def _first_index(lease: Lease) -> int:
    return lease.state.next_index if lease.state is not None else 0
