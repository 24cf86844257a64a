"""What does decoding in a process of its own cost? Seconds for a clip through the gateway, over the same without it.

``python -m benchmarks.isolation [CLIP]``; without a clip the car phone's, repeated, and a made one of 1080p. Each
figure is the median of several runs, of which every second one is isolated; ``alone`` is decoding without all else.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter

import cv2
import numpy as np

from service.decode.isolated import DecodePool
from service.decode.reader import DecodeLimits, Reader, open_media
from service.gateway import ClipOptions, Gateway
from service.settings import Settings
from tests.media import carphone_frames, write_video

RUNS = 7
LIMITS = DecodeLimits(threads=2)


@dataclass
class InProcess:
    """Takes the place of a DecodePool: decodes where it is called."""

    def open_media(self, path: Path, limits: DecodeLimits, stride: int = 1) -> Reader:
        """See DecodePool.open_media."""
        return open_media(path, limits)


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


async def through(gateway: Gateway, path: Path) -> float:
    """The ratio of whole clips through a gateway."""
    pool = gateway.decoders
    times: dict[bool, list[float]] = {True: [], False: []}
    for run in range(2 * RUNS):
        isolated = run % 2 == 0
        gateway.decoders = pool if isolated else InProcess()  # type: ignore[assignment]
        began = perf_counter()
        async with gateway.clip(path, ClipOptions()) as clip:
            assert len([result async for result in clip.results()]) > 0
        times[isolated].append(perf_counter() - began)
    gateway.decoders = pool
    return median(times[True]) / median(times[False])


async def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as temp:
        small = write_video(Path(temp) / "small.mp4", list(carphone_frames()) * 5, rate=30)
        frames = [np.asarray(cv2.resize(f, (1920, 1080)), np.uint8) for f in carphone_frames()]
        large = write_video(Path(temp) / "large.mp4", frames, rate=30)
        paths = [Path(sys.argv[1])] if len(sys.argv) > 1 else [small, large]
        gateway = Gateway.from_settings(Settings())
        await gateway.start()
        print(f"{'isolated over not':<20}{'gateway':>10}{'alone':>10}")
        for path in paths:
            decoding = median_ratio(lambda pool, path=path: alone(path, pool), gateway.decoders)  # type: ignore[misc]
            print(f"{path.name:<20}{await through(gateway, path):>10.2f}{decoding:>10.2f}")
        await gateway.close()


if __name__ == "__main__":
    asyncio.run(main())
