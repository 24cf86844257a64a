"""What does decoding in processes of their own cost? Seconds for a clip through the gateway, over the same without.

``python -m benchmarks.isolation [CLIP]``; without a clip the car phone's, repeated, and a made one of 1080p. ``live``
is the same clip's frames as JPEGs of a live stream that sends as fast as it may, ``single`` of one that waits for each
answer, ``alone`` decoding without all else. Each figure is the median of
several runs, of which every second one is isolated; what is not is given the decoding processes' memory allocator
settings, which matter more than either.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter

import cv2
import numpy as np
from numpy.typing import NDArray

from service.decode.images import decode_frame
from service.decode.isolated import DecodePool
from service.decode.process import ALLOCATOR
from service.decode.reader import DecodeLimits, Reader, open_media
from service.gateway import ClipOptions, Gateway, StreamOptions
from service.settings import Settings
from tests.media import carphone_frames, jpeg, write_video

RUNS = 7
LIMITS = DecodeLimits(threads=2)


@dataclass
class InProcess:
    """Takes the place of a DecodePool: decodes where it is called."""

    def open_media(self, path: Path, limits: DecodeLimits, stride: int = 1) -> Reader:
        """See DecodePool.open_media."""
        return open_media(path, limits)

    def decode_frame(self, data: bytes, limits: DecodeLimits) -> NDArray[np.uint8]:
        """See DecodePool.decode_frame."""
        return decode_frame(data, limits.check)


def alone(path: Path, pool: DecodePool | InProcess) -> float:
    """Seconds to have every frame once."""
    began = perf_counter()
    reader = pool.open_media(path, LIMITS)
    assert sum(int(frame.image[0, 0, 0]) for frame in reader.frames() if frame.image is not None) >= 0
    reader.close()
    return perf_counter() - began


def median_ratio(measure: Callable[[DecodePool | InProcess], float], pool: DecodePool) -> float:
    """Isolated over not."""
    times: dict[bool, list[float]] = {True: [], False: []}
    for run in range(2 * RUNS):
        isolated = run % 2 == 0
        times[isolated].append(measure(pool if isolated else InProcess()))
    return median(times[True]) / median(times[False])


async def through(gateway: Gateway, work: Callable[[], Awaitable[None]]) -> float:
    """The ratio of some work through a gateway."""
    pool = gateway.decoders
    times: dict[bool, list[float]] = {True: [], False: []}
    for run in range(2 * RUNS):
        isolated = run % 2 == 0
        gateway.decoders = pool if isolated else InProcess()  # type: ignore[assignment]
        began = perf_counter()
        await work()
        times[isolated].append(perf_counter() - began)
    gateway.decoders = pool
    return median(times[True]) / median(times[False])


async def upload(gateway: Gateway, path: Path) -> None:
    """A clip, whole."""
    async with gateway.clip(path, ClipOptions()) as clip:
        assert len([result async for result in clip.results()]) > 0


async def stream(gateway: Gateway, pictures: list[bytes], *, ahead: bool) -> None:
    """The same as a live stream; with ``ahead`` the next frame always waits already."""
    async with gateway.stream(StreamOptions()) as live:
        for index, picture in enumerate(pictures):
            following = pictures[index + 1] if ahead and index + 1 < len(pictures) else b""
            assert (await live.encoded(picture, float(index), following)).error is None


async def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as temp:
        small = write_video(Path(temp) / "small.mp4", list(carphone_frames()) * 5, rate=30)
        frames = [np.asarray(cv2.resize(f, (1920, 1080)), np.uint8) for f in carphone_frames()]
        large = write_video(Path(temp) / "large.mp4", frames, rate=30)
        paths = [Path(sys.argv[1])] if len(sys.argv) > 1 else [small, large]
        gateway = Gateway.from_settings(Settings())
        await gateway.start()
        print(f"{'isolated over not':<20}{'upload':>10}{'live':>10}{'single':>10}{'alone':>10}")
        for path in paths:
            pictures = [jpeg(f.image) for f in open_media(path, LIMITS).frames() if f.image is not None][:120]
            uploaded = await through(gateway, partial(upload, gateway, path))
            live = await through(gateway, partial(stream, gateway, pictures, ahead=True))
            single = await through(gateway, partial(stream, gateway, pictures, ahead=False))
            decoding = median_ratio(partial(alone, path), gateway.decoders)
            print(f"{path.name:<20}{uploaded:>10.2f}{live:>10.2f}{single:>10.2f}{decoding:>10.2f}")
        await gateway.close()


if __name__ == "__main__":
    if not ALLOCATOR.items() <= os.environ.items():  # glibc reads them when a process starts.
        os.execve(sys.executable, [sys.executable, "-m", "benchmarks.isolation", *sys.argv[1:]], os.environ | ALLOCATOR)
    asyncio.run(main())
