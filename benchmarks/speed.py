"""What do the network and a tracker's whole frame cost, over one face detection? ``make bench``

All on one core. Milliseconds depend on the machine; the last column is the ratio to one detection on the same frame in
the same run, which does not depend on it as much. Each figure is the median of several rounds. What a frame costs the
service, decoding and transport included: benchmarks/frame_cost.py.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray

from red_align import contract
from red_align.crop import crop_face
from red_align.engine.onnx_engine import OnnxEngine
from red_align.engine.onnx_graph import OnnxGraph
from red_align.tracking.detector import Detector, YuNetDetector
from red_align.tracking.tracker import Tracker
from service.config.settings import MODEL_FOLDER
from tests.support.media import carphone_frames

ROUNDS, REPEAT = 7, 10


def timed(work: Callable[[], object], repeat: int = REPEAT) -> float:
    """Median milliseconds of one call."""
    work()
    rounds = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for _ in range(repeat):
            work()
        rounds.append((time.perf_counter() - began) / repeat * 1e3)
    return statistics.median(rounds)


def graph_times(detector: Detector, batch: int) -> tuple[float, float]:
    """Milliseconds a face of a step and of an acquisition."""
    step = OnnxGraph(MODEL_FOLDER / "red.onnx", contract.STEP_INPUTS, contract.STEP_OUTPUTS, 1)
    acquire = OnnxGraph(MODEL_FOLDER / "red_acquire.onnx", contract.ACQUIRE_INPUTS, contract.ACQUIRE_OUTPUTS, 1)
    detection = detector.detect(carphone_frames()[0])[0]
    crop = np.stack([crop_face(carphone_frames()[0], detection.region)] * batch)
    prior = np.stack([step.info.scheme.mean_shape.reshape(-1)] * batch).astype(np.float32)
    memory = np.zeros((batch, step.info.memory_size), np.float32)
    base: dict[str, NDArray[np.generic]] = {contract.CROP: crop, contract.PRIOR: prior, contract.RESUME: memory}
    more: dict[str, NDArray[np.generic]] = {contract.START: np.ones((batch, 1), np.float32), contract.STATE: memory}
    return timed(lambda: step.run(base | more)) / batch, timed(lambda: acquire.run(base)) / batch


def follow(engine: OnnxEngine, detector: Detector) -> None:
    """The car phone clip through a tracker of one face."""
    with Tracker(engine=engine, detector=detector) as tracker:
        for frame in carphone_frames():
            tracker.track(frame)


def main() -> None:
    """Print the table."""
    cv2.setNumThreads(1)
    detector, engine = YuNetDetector(), OnnxEngine(MODEL_FOLDER, threads=1)
    detect = timed(lambda: detector.detect(carphone_frames()[0]))
    rows = [("detect, 176x144", detect)]
    for batch in (1, 8):
        step, acquire = graph_times(detector, batch)
        rows += [(f"red, batch {batch}, a face", step), (f"red_acquire, batch {batch}, a face", acquire)]
    rows.append(("tracker, a frame of one face", timed(partial(follow, engine, detector), 1) / len(carphone_frames())))
    engine.close()
    print(f"{'what':<34}{'ms':>8}{'over one detection':>22}")
    for name, value in rows:
        print(f"{name:<34}{value:>8.2f}{value / detect:>22.2f}")


if __name__ == "__main__":
    main()
