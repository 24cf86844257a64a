"""How fast are the network, the detector and the whole way of a frame? ``make bench``

Milliseconds depend on the machine; the last column is the ratio to one face detection on the same frame in the
same run, which does not depend on it as much. Each figure is the median of several rounds.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable

import numpy as np
from numpy.typing import NDArray

from red_align import contract
from red_align.crop import crop_face
from red_align.engine.onnx_graph import OnnxGraph
from red_align.tracking.detector import YuNetDetector
from service import lifecycle
from service.config.settings import MODEL_FOLDER, Settings
from service.dataplane import ClipOptions, DataPlane
from service.factory import make_dataplane
from tests.support.media import carphone_frames, carphone_path

ROUNDS = 7


def timed(work: Callable[[], object], repeat: int = 10) -> float:
    """Median milliseconds of one call."""
    work()
    rounds = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for _ in range(repeat):
            work()
        rounds.append((time.perf_counter() - began) / repeat * 1e3)
    return statistics.median(rounds)


def graph_times(batch: int) -> tuple[float, float]:
    """Milliseconds a face of a step and of an acquire on one core."""
    step = OnnxGraph(MODEL_FOLDER / "red.onnx", contract.STEP_INPUTS, contract.STEP_OUTPUTS, 1)
    acquire = OnnxGraph(MODEL_FOLDER / "red_acquire.onnx", contract.ACQUIRE_INPUTS, contract.ACQUIRE_OUTPUTS, 1)
    detection = YuNetDetector().detect(carphone_frames()[0])[0]
    crop = np.stack([crop_face(carphone_frames()[0], detection.region)] * batch)
    prior = np.stack([step.info.scheme.mean_shape.reshape(-1)] * batch).astype(np.float32)
    memory = np.zeros((batch, step.info.memory_size), np.float32)
    base: dict[str, NDArray[np.generic]] = {contract.CROP: crop, contract.PRIOR: prior, contract.RESUME: memory}
    more: dict[str, NDArray[np.generic]] = {contract.START: np.ones((batch, 1), np.float32), contract.STATE: memory}
    return timed(lambda: step.run(base | more)) / batch, timed(lambda: acquire.run(base)) / batch


async def clip_time(run: Callable[[DataPlane], Awaitable[int]]) -> float:
    """Median milliseconds a frame of a whole clip through the dataplane."""
    dataplane = make_dataplane(Settings())
    await lifecycle.start(dataplane)
    rounds = []
    for _ in range(3):
        began = time.perf_counter()
        count = await run(dataplane)
        rounds.append((time.perf_counter() - began) / count * 1e3)
    await lifecycle.close(dataplane)
    return statistics.median(rounds)


async def one_clip(dataplane: DataPlane) -> int:
    """The car phone clip once."""
    async with dataplane.clip(carphone_path(), ClipOptions()) as run:
        return len([index async for index in run.results(lambda result: result.index)])


async def eight_clips(dataplane: DataPlane) -> int:
    """The clip eight times at once."""
    return sum(await asyncio.gather(*(one_clip(dataplane) for _ in range(8))))


def main() -> None:
    """Print the table."""
    detector = YuNetDetector()
    detect = timed(lambda: detector.detect(carphone_frames()[0]))
    rows = [("detect, 176x144", detect)]
    for batch in (1, 8):
        step, acquire = graph_times(batch)
        rows += [(f"red, one core, batch {batch}", step), (f"red_acquire, one core, batch {batch}", acquire)]
    rows += [("clip, all of it, a frame", asyncio.run(clip_time(one_clip)))]
    rows += [("8 clips at once, a frame", asyncio.run(clip_time(eight_clips)))]
    print(f"{'what':<34}{'ms':>8}{'over one detection':>22}")
    for name, value in rows:
        print(f"{name:<34}{value:>8.2f}{value / detect:>22.2f}")


if __name__ == "__main__":
    main()
