"""The data plane that REST, gRPC and the command line share: clips and streams in, results out."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import anyio
import cv2
import numpy as np
from numpy.typing import NDArray

from landmarks.contract import CROP_SIZE
from landmarks.errors import BadFrame, ConfigurationError, InvalidRequest, NotReady, Overloaded, RedAlignError
from landmarks.frames import Frame, FrameResult, StreamEnd, VideoInfo
from service.decode.images import decode_frame
from service.decode.reader import DecodeLimits, Reader, open_media
from service.detector import Detector, YuNetDetector
from service.engine import Engine
from service.onnx_engine import OnnxEngine
from service.session import Session, TrackingOptions
from service.settings import Settings
from service.triton_engine import TritonEngine

log = logging.getLogger(__name__)
T = TypeVar("T")
_BLANK = np.zeros((CROP_SIZE, CROP_SIZE, 3), np.uint8)


@dataclass(frozen=True, slots=True)
class ClipOptions:
    """What a clip request may choose; 0 stands for the default of 1."""

    max_faces: int = 1
    stride: int = 1


class ClipRun:
    """One opened clip: its size at once, its results as an iterator, and its end after them."""

    def __init__(self, gateway: Gateway, reader: Reader, session: Session, stride: int) -> None:
        self._gateway, self._reader, self._session, self._stride = gateway, reader, session, stride
        self._count = 0
        self._rest = self._answers()
        self._first: list[FrameResult] = []

    @property
    def video(self) -> VideoInfo:
        """Size and rate."""
        return self._reader.info

    @property
    def end(self) -> StreamEnd:
        """How it ended; final once ``results`` is exhausted."""
        return StreamEnd(self._reader.complete, self._count, tuple(self._reader.warnings))

    async def begin(self) -> None:
        """Answer two frames ahead of ``results``: what refuses them can then be told before an answer began.

        A face that the first one shows takes its place in the engine with the second.
        """
        while len(self._first) < 2 and (result := await anext(self._rest, None)) is not None:
            self._first.append(result)

    async def results(self) -> AsyncGenerator[FrameResult]:
        """One result a frame, in order; can be had once."""
        async with aclosing(self._rest):
            for result in self._first:
                yield result
            async for result in self._rest:
                yield result

    async def close(self) -> None:
        """Stop wherever it is; ``Gateway.clip`` does."""
        await self._rest.aclose()

    async def _answers(self) -> AsyncGenerator[FrameResult]:
        """The next frame decodes while this one is looked at."""
        frames = self._reader.frames(self._stride)
        ahead = asyncio.ensure_future(self._next(frames))
        try:
            while (frame := await asyncio.shield(ahead)) is not None:
                ahead = asyncio.ensure_future(self._next(frames))
                result = await self._session.step(frame)
                self._count += 1
                yield result
        finally:
            # Wait for the thread that still decodes, however this ends; what it brings is not wanted any more.
            with anyio.CancelScope(shield=True):
                await asyncio.gather(ahead, return_exceptions=True)

    async def _next(self, frames: Iterator[Frame]) -> Frame | None:
        try:
            return await self._gateway.in_worker(lambda: next(frames, None))
        except RedAlignError as error:  # such as a frame that grew beyond the limit in mid-clip
            self._reader.complete = False
            self._reader.warnings.append(error.message)
            return None


class StreamRun:
    """One live stream: frames are answered one after another."""

    def __init__(self, gateway: Gateway, session: Session) -> None:
        self._gateway, self._session = gateway, session
        self._count = 0

    @property
    def end(self) -> StreamEnd:
        """How many frames were answered."""
        return StreamEnd(True, self._count)

    async def encoded(self, data: bytes, time_s: float) -> FrameResult:
        """Answer a JPEG or PNG."""
        return await self._answer(lambda: decode_frame(data, self._gateway.limits.check), time_s)

    async def raw(self, data: bytes, width: int, height: int, time_s: float) -> FrameResult:
        """Answer raw RGB: height * width * 3 bytes."""
        return await self._answer(lambda: _raw_image(data, width, height, self._gateway.limits), time_s)

    async def broken(self, error: RedAlignError, time_s: float) -> FrameResult:
        """Answer a frame that is wrong before it is decoded."""

        def fail() -> NDArray[np.uint8]:
            raise error

        return await self._answer(fail, time_s)

    async def _answer(self, decode: Callable[[], NDArray[np.uint8]], time_s: float) -> FrameResult:
        try:
            if not (np.isfinite(time_s) and time_s >= 0):
                raise BadFrame(f"time_s is {time_s}, it must be finite and not negative")
            frame = Frame(self._count, time_s, await self._gateway.in_worker(decode))
        except RedAlignError as error:
            frame = Frame(self._count, time_s, None, error)
        result = await self._session.step(frame)
        self._count += 1
        return result


class Gateway:
    """Engine, detector and threads, made once and shared by all requests; holds no state of any request."""

    def __init__(self, settings: Settings, engine: Engine, detector: Detector) -> None:
        self.settings, self.engine, self.detector = settings, engine, detector
        self.limits = DecodeLimits(settings.max_frame_pixels, settings.decode_threads)
        # One thread more than workers: a long decode must not hold up the small work of live streams.
        self._workers = ThreadPoolExecutor(settings.workers + 1, thread_name_prefix="worker")
        self.ready = False

    @classmethod
    def from_settings(cls, settings: Settings) -> Gateway:
        """Load model and detector. Raises ModelMismatch or ConfigurationError."""
        cv2.setNumThreads(1)  # Frames run side by side; OpenCV's own threads would only contend.
        detector = YuNetDetector(settings.detector_path, longer_side=settings.detect_size, score=settings.detect_score)
        return cls(settings, make_engine(settings), detector)

    async def start(self) -> None:
        """Serve real sequences, 1, 2, 4 and more at once, and one detection; ready only after all worked."""
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
        self._workers.shutdown(wait=True)

    async def in_worker(self, work: Callable[[], T]) -> T:
        """Run blocking work in a thread of the pool."""
        return await asyncio.get_running_loop().run_in_executor(self._workers, work)

    @asynccontextmanager
    async def clip(self, path: Path, options: ClipOptions) -> AsyncIterator[ClipRun]:
        """Open a clip file; raises what open_media raises. Everything is given back at the end of the block."""
        session = self._session(options.max_faces)
        if options.stride < 0:
            raise InvalidRequest(f"stride is {options.stride}, it must be 1 or more")
        reader = await self.in_worker(lambda: open_media(path, self.limits))
        run = ClipRun(self, reader, session, options.stride or 1)
        try:
            yield run
        finally:
            with anyio.CancelScope(shield=True):
                await run.close()
                await session.close()
                await self.in_worker(reader.close)

    @asynccontextmanager
    async def stream(self, max_faces: int) -> AsyncIterator[StreamRun]:
        """Begin a live stream."""
        session = self._session(max_faces)
        try:
            yield StreamRun(self, session)
        finally:
            with anyio.CancelScope(shield=True):
                await session.close()

    def _session(self, max_faces: int) -> Session:
        if not self.ready:
            raise NotReady("the service is not ready")
        limit = self.settings.max_faces
        if not 0 <= max_faces <= limit:
            raise InvalidRequest(f"max_faces is {max_faces}, it must be 1 to {limit}", limit="max_faces")
        s = self.settings
        options = TrackingOptions(max_faces or 1, s.detect_every, s.search_every, s.lost_below, s.begin_above)
        return Session(self.engine, self.detector, self._workers, options)


def make_engine(settings: Settings) -> Engine:
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
    )


def _raw_image(data: bytes, width: int, height: int, limits: DecodeLimits) -> NDArray[np.uint8]:
    if width < 1 or height < 1:
        raise BadFrame(f"a raw frame of {width}x{height} has no pixels")
    limits.check(width, height)
    if len(data) != width * height * 3:
        raise BadFrame(f"a raw frame of {width}x{height} has {width * height * 3} bytes, {len(data)} came")
    return np.frombuffer(data, np.uint8).reshape(height, width, 3)
