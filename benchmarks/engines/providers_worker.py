"""One way of running the network, for providers.py: in an environment of its own, on orders from outside.

The first line out says what runs; then each line in is an order: ``points FILE`` tracks the clip and saves the points,
``steps N`` gives the median milliseconds of a network call for N faces. Needs the library alone.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from red_align import align, contract
from red_align.crop import crop_face
from red_align.engine.default import PRESET, WEIGHTS
from red_align.engine.onnx_engine import OnnxEngine
from red_align.engine.onnx_graph import OnnxGraph
from red_align.engine.providers import parse_providers
from red_align.media.reader import DecodeLimits, open_media
from red_align.tracking.detector import YuNetDetector

CALLS = 30


def main() -> None:
    """Obey."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clip", type=Path)
    parser.add_argument("providers")
    parser.add_argument("model", type=Path)
    parser.add_argument("threads", type=int)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    folder = options.model if str(options.model) != "-" else WEIGHTS / PRESET
    chosen = parse_providers(options.providers)
    engine = OnnxEngine(folder, threads=options.threads, providers=chosen)
    info = engine.info
    graph = OnnxGraph(folder / "red.onnx", contract.STEP_INPUTS, contract.STEP_OUTPUTS, options.threads, chosen)
    crop = _crop(options.clip)
    print(f"{info.precision} on {', '.join(info.providers)}", flush=True)
    for order in sys.stdin:
        word, value = order.split()
        if word == "points":
            np.save(value, align(options.clip, engine=engine).points[:, 0])
            print("saved", flush=True)
        else:
            print(_steps_ms(graph, crop, int(value)), flush=True)
    engine.close()


def _crop(clip: Path) -> NDArray[np.uint8]:
    """The face of the clip's first frame that shows one."""
    reader, detector = open_media(clip, DecodeLimits()), YuNetDetector()
    for frame in reader.frames():
        if frame.image is not None and (found := detector.detect(frame.image)):
            reader.close()
            return crop_face(frame.image, found[0].region)
    raise SystemExit(f"{clip} shows no face")


def _steps_ms(graph: OnnxGraph, crop: NDArray[np.uint8], faces: int) -> float:
    memory = np.zeros((faces, graph.info.memory_size), np.float32)
    tensors: dict[str, NDArray[np.generic]] = {
        contract.CROP: np.stack([crop] * faces),
        contract.PRIOR: np.stack([graph.info.scheme.mean_shape.reshape(-1)] * faces).astype(np.float32),
        contract.RESUME: memory,
        contract.STATE: memory,
        contract.START: np.ones((faces, 1), np.float32),
    }
    graph.run(tensors)  # Some providers prepare themselves for each new size of a batch.
    times = []
    for _ in range(CALLS):
        began = time.perf_counter()
        graph.run(tensors)
        times.append((time.perf_counter() - began) * 1e3)
    return statistics.median(times)


if __name__ == "__main__":
    main()
