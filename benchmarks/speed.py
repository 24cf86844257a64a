"""What do the network and a tracker's whole frame cost, over one face detection? ``make bench``

All on one core. Milliseconds depend on the machine; the last column is the ratio to one detection on the same frame in
the same round, which does not depend on it as much. Figures are medians of interleaved rounds. What a frame costs the
service, decoding and transport included: benchmarks/frame_cost.py and benchmarks/budget.py.
"""

from __future__ import annotations

from collections.abc import Callable
from statistics import median

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.support.common import interleaved, machine, ratio, table, timed_ms, write_report
from red_align import contract
from red_align.crop import crop_face
from red_align.engine.onnx_engine import OnnxEngine
from red_align.engine.onnx_graph import OnnxGraph
from red_align.tracking.detector import Detector, YuNetDetector
from red_align.tracking.tracker import Tracker
from service.config.settings import MODEL_FOLDER
from tests.support.media import carphone_frames

ROUNDS, REPEAT = 7, 10
DETECT = "detect, 176x144"
Work = Callable[[], float]


def graph_works(detector: Detector, batch: int) -> dict[str, Work]:
    """Milliseconds a face of a step and of an acquisition."""
    step = OnnxGraph(MODEL_FOLDER / "red.onnx", contract.STEP_INPUTS, contract.STEP_OUTPUTS, 1)
    acquire = OnnxGraph(MODEL_FOLDER / "red_acquire.onnx", contract.ACQUIRE_INPUTS, contract.ACQUIRE_OUTPUTS, 1)
    detection = detector.detect(carphone_frames()[0])[0]
    crop = np.stack([crop_face(carphone_frames()[0], detection.region)] * batch)
    prior = np.stack([step.info.scheme.mean_shape.reshape(-1)] * batch).astype(np.float32)
    memory = np.zeros((batch, step.info.memory_size), np.float32)
    base: dict[str, NDArray[np.generic]] = {contract.CROP: crop, contract.PRIOR: prior, contract.RESUME: memory}
    more: dict[str, NDArray[np.generic]] = {contract.START: np.ones((batch, 1), np.float32), contract.STATE: memory}
    return {
        f"red, batch {batch}, a face": lambda: timed_ms(lambda: step.run(base | more), REPEAT) / batch,
        f"red_acquire, batch {batch}, a face": lambda: timed_ms(lambda: acquire.run(base), REPEAT) / batch,
    }


def follow(engine: OnnxEngine, detector: Detector) -> None:
    """The car phone clip through a tracker of one face."""
    with Tracker(engine=engine, detector=detector) as tracker:
        for frame in carphone_frames():
            tracker.track(frame)


def main() -> None:
    """Print the table."""
    cv2.setNumThreads(1)
    described, detector, engine = machine(), YuNetDetector(), OnnxEngine(MODEL_FOLDER, threads=1)
    frames = carphone_frames()
    works: dict[str, Work] = {DETECT: lambda: timed_ms(lambda: detector.detect(frames[0]), REPEAT)}
    works |= graph_works(detector, 1) | graph_works(detector, 8)
    works["tracker, a frame of one face"] = lambda: timed_ms(lambda: follow(engine, detector), 1) / len(frames)
    samples = interleaved(works, ROUNDS)
    engine.close()
    rows = [(name, median(values), ratio(samples, name, DETECT)) for name, values in samples.items()]
    print(table(["what", "ms", "over one detection"], rows))
    write_report("speed", {"ms": samples}, described)


if __name__ == "__main__":
    main()
