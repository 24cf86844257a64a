"""What does decoding in processes of their own cost? Seconds for a clip through the data plane, over the same without.

``python -m benchmarks.isolation [CLIP]``; without a clip the car phone's, repeated, and a made one of 1080p. ``live``
is the same clip's frames as JPEGs of a live stream that sends as fast as it may, ``single`` of one that waits for each
answer, ``alone`` decoding without all else. Each figure is the median of several runs, of which every second one is
isolated; what is not is given the decoding processes' memory allocator settings, which matter more than either.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Self, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.support.common import interleaved, machine, ratio, write_report
from red_align.media.decode_pool import DecodePool
from red_align.media.decode_process import ALLOCATOR
from red_align.media.images import decode_frame
from red_align.media.reader import DecodeLimits, Reader, open_media
from service import lifecycle
from service.config.settings import Settings
from service.dataplane import DataPlane
from service.factory import make_dataplane
from service.streams.options import ClipOptions, StreamOptions
from tests.support.media import carphone_frames, jpeg, write_video

RUNS = 7
LIMITS = DecodeLimits(threads=2)


class DecodedHere:
    """Stands in for a PendingFrame: decodes when it is asked for its image."""

    def __init__(self, data: bytes, limits: DecodeLimits) -> None:
        self.data, self._limits = data, limits

    def image(self) -> NDArray[np.uint8]:
        """See PendingFrame.image."""
        return decode_frame(self.data, self._limits.check)

    def release(self) -> None:
        """See PendingFrame.release."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class InProcess:
    """Stands in for a DecodePool: decodes where it is called, and nothing ahead."""

    def open_media(self, path: Path, limits: DecodeLimits, stride: int = 1) -> Reader:
        """See DecodePool.open_media."""
        return open_media(path, limits)

    def begin_frame(self, data: bytes, limits: DecodeLimits) -> DecodedHere:
        """See DecodePool.begin_frame."""
        return DecodedHere(data, limits)

    def begin_frame_ahead(self, data: bytes, limits: DecodeLimits) -> None:
        """See DecodePool.begin_frame_ahead."""


def alone(path: Path, pool: DecodePool | InProcess) -> float:
    """Seconds to have every frame once."""
    began = perf_counter()
    reader = pool.open_media(path, LIMITS)
    assert sum(int(frame.image[0, 0, 0]) for frame in reader.frames() if frame.image is not None) >= 0
    reader.close()
    return perf_counter() - began


def median_ratio(measure: Callable[[DecodePool | InProcess], float], pool: DecodePool) -> float:
    """Isolated over not."""
    samples = interleaved({"isolated": lambda: measure(pool), "not": lambda: measure(InProcess())}, RUNS)
    return ratio(samples, "isolated", "not")


async def through(dataplane: DataPlane, work: Callable[[], Awaitable[None]]) -> float:
    """The ratio of some work through a data plane."""
    pool = dataplane.decoders
    times: dict[bool, list[float]] = {True: [], False: []}
    for run in range(2 * RUNS):
        isolated = run % 2 == 0
        dataplane.decoders = pool if isolated else cast(DecodePool, InProcess())
        began = perf_counter()
        await work()
        times[isolated].append(perf_counter() - began)
    dataplane.decoders = pool
    return median(times[True]) / median(times[False])


async def upload(dataplane: DataPlane, path: Path) -> None:
    """A clip, whole."""
    async with dataplane.clip(path, ClipOptions()) as clip:
        assert len([index async for index in clip.results(lambda result: result.index)]) > 0


async def stream(dataplane: DataPlane, pictures: list[bytes], *, ahead: bool) -> None:
    """The same as a live stream; with ``ahead`` the next frame always waits already."""
    async with dataplane.stream(StreamOptions()) as live:
        for index, picture in enumerate(pictures):
            following = pictures[index + 1] if ahead and index + 1 < len(pictures) else b""
            result = await live.calls(partial(live.encoded, picture, float(index), following))
            assert result.error is None


async def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as temp:
        small = write_video(Path(temp) / "small.mp4", list(carphone_frames()) * 5, rate=30)
        frames = [np.asarray(cv2.resize(f, (1920, 1080)), np.uint8) for f in carphone_frames()]
        large = write_video(Path(temp) / "large.mp4", frames, rate=30)
        paths = [Path(sys.argv[1])] if len(sys.argv) > 1 else [small, large]
        dataplane = make_dataplane(Settings())
        await lifecycle.start(dataplane)
        described, report = machine(), {}
        print(f"{'isolated over not':<20}{'upload':>10}{'live':>10}{'single':>10}{'alone':>10}")
        for path in paths:
            pictures = [jpeg(f.image) for f in open_media(path, LIMITS).frames() if f.image is not None][:120]
            uploaded = await through(dataplane, partial(upload, dataplane, path))
            live = await through(dataplane, partial(stream, dataplane, pictures, ahead=True))
            single = await through(dataplane, partial(stream, dataplane, pictures, ahead=False))
            decoding = median_ratio(partial(alone, path), dataplane.decoders)
            report[path.name] = {"upload": uploaded, "live": live, "single": single, "alone": decoding}
            print(f"{path.name:<20}{uploaded:>10.2f}{live:>10.2f}{single:>10.2f}{decoding:>10.2f}")
        await lifecycle.close(dataplane)
        write_report("isolation", {"isolated_over_not": report}, described)


if __name__ == "__main__":
    if not ALLOCATOR.items() <= os.environ.items():  # glibc reads them when a process starts.
        os.execve(sys.executable, [sys.executable, "-m", "benchmarks.isolation", *sys.argv[1:]], os.environ | ALLOCATOR)
    asyncio.run(main())
