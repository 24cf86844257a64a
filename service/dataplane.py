"""The data plane that REST, gRPC and the command line share: clips and streams in, results out."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import anyio
import cv2
import numpy as np
from numpy.typing import NDArray

from red_align.contract import CROP_SIZE
from red_align.engine.base import Engine
from red_align.engine.onnx_engine import OnnxEngine
from red_align.engine.triton_engine import TritonEngine
from red_align.errors import ConfigurationError, GoingAway, InvalidRequest, NotReady, Overloaded
from red_align.media.decode_pool import DecodePool
from red_align.media.reader import DecodeLimits
from red_align.tracking.detector import Detector, YuNetDetector
from red_align.tracking.state import SessionState
from red_align.tracking.tracker import Session, TrackingOptions
from service.config.settings import Settings
from service.limits.admission import Admission
from service.limits.tenants import Tenant, TenantLimits, Tenants
from service.limits.timeouts import UploadLimits
from service.observability.metrics import Metrics
from service.security.authenticator import Authenticator, TokenRules
from service.security.credentials import read_jwks, read_keys
from service.streams.clip import ClipRun
from service.streams.live import StreamRun
from service.streams.registry import Lease, StreamRegistry
from service.streams.resume_token import TokenSealer, read_token_keys
from service.streams.uploads import Upload, UploadStore, prepare_folder

log = logging.getLogger(__name__)
T = TypeVar("T")
MAX_STRIDE = 1_000_000
_BLANK = np.zeros((CROP_SIZE, CROP_SIZE, 3), np.uint8)


@dataclass(frozen=True, slots=True)
class StreamOptions:
    """What a stream may choose, and whose it is; 0 stands for the default of 1.

    With a ``stream_id`` it goes on where the tenant's stream of that name stopped, with a ``resume_token`` where that
    was made, whoever holds it.
    """

    max_faces: int = 1
    stream_id: str = ""
    resume_token: str = ""
    tenant: str = ""


@dataclass(frozen=True, slots=True)
class ClipOptions(StreamOptions):
    """What a clip request may choose; ``want_token`` asks for a resume token at its end."""

    stride: int = 1
    want_token: bool = False


class DataPlane:
    """Engine, detector and threads, made once and shared by all requests; holds no state of any request."""

    def __init__(self, settings: Settings, engine: Engine, detector: Detector, metrics: Metrics | None = None) -> None:
        self.settings, self.engine, self.detector = settings, engine, detector
        self.metrics = metrics or Metrics()
        self.limits = DecodeLimits(
            settings.max_frame_pixels, settings.decode_threads, settings.max_clip_frames, settings.max_clip_s
        )
        # One thread more than workers: a search for faces must not hold up the small work of other streams.
        self._workers = ThreadPoolExecutor(settings.workers + 1, thread_name_prefix="worker")
        # These only wait for decoding processes. Those of clips are apart, so that none that hangs holds up frames.
        self._clip_waits = ThreadPoolExecutor(settings.max_uploads, thread_name_prefix="clip")
        self._frame_waits = ThreadPoolExecutor(settings.workers, thread_name_prefix="frame")
        kept = max(settings.decode_spare, settings.workers)
        self.decoders = DecodePool(settings.decode_memory_bytes, settings.decode_timeout_s, kept)
        self.ready = False
        self.draining = asyncio.Event()
        """Set when the service is to go away: streams are sent elsewhere, uploads finish."""
        self.auth = make_authenticator(settings)
        streams, uploads = settings.tenant_max_streams, settings.tenant_max_uploads
        self.tenants = Tenants(
            TenantLimits(streams or settings.max_streams, uploads or settings.max_uploads, settings.tenant_frames_per_s)
        )
        self.streams = Admission("max_streams", settings.max_streams)
        self.uploads = Admission("max_uploads", settings.max_uploads)
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

    @classmethod
    def from_settings(cls, settings: Settings) -> DataPlane:
        """Load model and detector. Raises ModelMismatch or ConfigurationError."""
        cv2.setNumThreads(1)  # Frames run side by side; OpenCV's own threads would only contend.
        detector = YuNetDetector(settings.detector_path, longer_side=settings.detect_size, score=settings.detect_score)
        metrics = Metrics()
        return cls(settings, make_engine(settings, metrics), detector, metrics)

    async def start(self) -> None:
        """Serve real sequences, 1, 2, 4 and more at once, and one detection; ready only after all worked."""
        await self.in_worker(lambda: prepare_folder(self.settings.temp_dir))
        await self.engine.start()
        together = 1
        while together <= self.settings.engine_max_batch:
            tries = (self._try_sequence(f"warm-up-{i}") for i in range(together))
            failed = [e for e in await asyncio.gather(*tries, return_exceptions=True) if isinstance(e, BaseException)]
            if not failed:
                together *= 2
            elif not isinstance(failed[0], Overloaded):
                raise failed[0]
            elif together > 1:  # The engine has no more places than that.
                break
            else:  # Others hold them all.
                log.warning("not ready yet: %s", failed[0])
                await asyncio.sleep(1.0)
        await self.in_worker(lambda: self.detector.detect(_BLANK))
        await self.in_worker(lambda: self.decoders.warm_up(self.settings.decode_spare))
        self.ready = True
        info = self.engine.info
        log.info("ready: %s from run %s, %s, %s", info.preset, info.training_run, info.scheme.name, info.engine)

    async def _try_sequence(self, name: str) -> None:
        """Two frames: a server may load a model whose first sequence then fails, or whose first batch is slow."""
        prior = self.engine.info.scheme.mean_shape.astype(np.float32)
        found = await self.engine.acquire(_BLANK, prior)
        await self.engine.step(name, _BLANK, prior, start=True, resume=found.memory)
        await self.engine.step(name, _BLANK, prior)
        await self.engine.end(name)

    async def close(self) -> None:
        """Stop; requests under way are refused their next step."""
        self.ready = False
        await self.engine.close()
        self.decoders.close()
        for threads in (self._workers, self._clip_waits, self._frame_waits):
            threads.shutdown(wait=True)

    async def in_worker(self, work: Callable[[], T]) -> T:
        """Run blocking work in a thread of the pool."""
        return await asyncio.get_running_loop().run_in_executor(self._workers, work)

    async def _decode_clip(self, work: Callable[[], T]) -> T:
        with self.metrics.timed(self.metrics.decode):
            return await asyncio.get_running_loop().run_in_executor(self._clip_waits, work)

    async def _decode_frame(self, data: bytes) -> NDArray[np.uint8]:
        loop = asyncio.get_running_loop()
        with self.metrics.timed(self.metrics.decode):
            return await loop.run_in_executor(self._frame_waits, self.decoders.decode_frame, data, self.limits)

    @asynccontextmanager
    async def upload(self, tenant: str) -> AsyncIterator[Upload]:
        """Room for an upload; its slot is free and its file gone after the block.

        Raises:
            Overloaded: Too many are under way, of all or of the tenant.
        """
        with self.uploads.acquire_slot(), self.tenants.of(tenant) as share, share.uploads.acquire_slot():
            async with self.upload_store.open() as upload:
                yield upload

    @asynccontextmanager
    async def clip(self, path: Path, options: ClipOptions) -> AsyncIterator[ClipRun]:
        """Open a clip file; raises what open_media raises. Everything is given back at the end of the block."""
        if not 0 <= options.stride <= MAX_STRIDE:
            raise InvalidRequest(f"stride is {options.stride}, it must be 1 to {MAX_STRIDE}")
        with self.tenants.of(options.tenant) as tenant:
            async with self._begin(options, tenant, same_clock=False) as (lease, session, first_index):
                stride = options.stride or 1
                reader = await self._decode_clip(lambda: self.decoders.open_media(path, self.limits, stride))
                run = ClipRun(self._decode_clip, reader, session, stride, first_index)
                if options.want_token or options.stream_id or options.resume_token:
                    run.seal_with(self._sealer(options.tenant))
                try:
                    yield run
                finally:
                    with anyio.CancelScope(shield=True):
                        await run.close()
                        lease.state = run.state
                        log.info("align: %d frames of a clip", run.answered)
                        await self.in_worker(reader.close)

    @asynccontextmanager
    async def stream(self, options: StreamOptions) -> AsyncIterator[StreamRun]:
        """Begin a live stream, or go on with one. Raises Overloaded where too many are open, of all or of a tenant."""
        with self.streams.acquire_slot(), self.tenants.of(options.tenant) as tenant, tenant.streams.acquire_slot():
            async with self._begin(options, tenant, same_clock=True) as (lease, session, first_index):
                seal = self._sealer(options.tenant)
                run = StreamRun(self._decode_frame, self.limits, session, seal, first_index, tenant.message)
                try:
                    yield run
                finally:
                    lease.state = run.state
                    log.info("align: %d frames of a stream, %d dropped", run.answered, run.dropped_count)
                    await run.close()

    @asynccontextmanager
    async def _begin(
        self, options: StreamOptions, tenant: Tenant, *, same_clock: bool
    ) -> AsyncIterator[tuple[Lease, Session, int]]:
        """A session that stands where the stream stood, under a lease of its name; both end with the block."""
        session = self._session(options.max_faces, tenant)
        lease = self.kept.lease(options.tenant, options.stream_id)
        try:
            if options.resume_token:
                lease.state = self.tokens.open(options.resume_token, options.tenant, self.engine.info)
            if lease.state is not None:
                session.restore(lease.state, same_clock=same_clock, resumed=bool(options.resume_token))
            yield lease, session, lease.state.next_index if lease.state is not None else 0
        finally:
            with anyio.CancelScope(shield=True):
                await session.close()
            self.kept.release(lease)

    def _sealer(self, tenant: str) -> Callable[[SessionState], str]:
        return lambda state: self.tokens.seal(state, tenant, self.engine.info)

    def _session(self, max_faces: int, tenant: Tenant) -> Session:
        if self.draining.is_set():
            raise GoingAway("the service is going away")
        if not self.ready:
            raise NotReady("the service is not ready")
        limit = self.settings.max_faces
        if not 0 <= max_faces <= limit:
            raise InvalidRequest(f"max_faces is {max_faces}, it must be 1 to {limit}", limit="max_faces")
        s = self.settings
        options = TrackingOptions(
            max_faces or 1, s.detect_every, s.search_every, s.track_lost_threshold, s.track_activation_threshold
        )
        return Session(self.engine, self.detector, self._workers, options, tenant.frame, self.metrics)


def make_authenticator(settings: Settings) -> Authenticator:
    """The authenticator that the settings ask for. Raises ConfigurationError where a file is not as it must be."""
    keys, jwks = settings.api_keys_file, settings.jwt_jwks_file
    rules = None
    if jwks is not None:
        rules = TokenRules(read_jwks(jwks), settings.jwt_issuer, settings.jwt_audience, settings.jwt_tenant_claim)
    return Authenticator(read_keys(keys) if keys is not None else None, rules)


def make_engine(settings: Settings, metrics: Metrics | None = None) -> Engine:
    """The engine that the settings ask for. Raises ModelMismatch where an embedded model does not load."""
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
        )
    return OnnxEngine(
        settings.model_dir,
        threads=settings.engine_threads,
        max_batch=settings.engine_max_batch,
        idle_s=settings.sequence_idle_s,
        max_sequences=settings.max_sequences,
        on_batch=metrics.batch_size.observe if metrics is not None else None,
    )
