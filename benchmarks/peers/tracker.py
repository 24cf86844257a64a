"""Ours: ``red_align.track``, or a part alone: ``codec``, ``decode``, ``step`` (the second argument)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

import av
import cv2
import numpy as np
from numpy.typing import NDArray

import red_align
from benchmarks.peers import wire
from red_align import contract
from red_align.crop import crop_face
from red_align.engine.onnx_graph import OnnxGraph
from red_align.tracking.detector import default_detector
from service.config.settings import MODEL_FOLDER


def codec(path: str) -> Callable[[], Iterator[int]]:
    """See wire.serve: decoded frames as the codec leaves them, not converted to RGB."""

    def run() -> Iterator[int]:
        with av.open(path) as container:
            stream = container.streams.video[0]
            stream.codec_context.thread_count = 1
            for _ in container.decode(stream):
                yield 0

    return run


def decode(path: str) -> Callable[[], Iterator[int]]:
    """See wire.serve: PyAV's decoding, RGB."""
    return lambda: (int(image is None) for image in wire.frames(path))


def step(path: str) -> Callable[[], Iterator[int]]:
    """See wire.serve: as many steps of the network as the clip has frames, all of its first face."""
    count = sum(1 for _ in wire.frames(path))
    image = next(wire.frames(path))
    graph = OnnxGraph(MODEL_FOLDER / "red.onnx", contract.STEP_INPUTS, contract.STEP_OUTPUTS, 1)
    memory = np.zeros((1, graph.info.memory_size), np.float32)
    tensors: dict[str, NDArray[np.generic]] = {
        contract.CROP: crop_face(image, default_detector().detect(image)[0].region)[None],
        contract.PRIOR: graph.info.scheme.mean_shape.reshape(1, -1).astype(np.float32),
        contract.START: np.zeros((1, 1), np.float32),
        contract.RESUME: memory,
        contract.STATE: memory,
    }
    return lambda: (len(graph.run(tensors)[contract.CONFIDENCE]) for _ in range(count))


def track(path: str) -> Callable[[], Iterator[int]]:
    """See wire.serve: all of it."""

    def run() -> Iterator[int]:
        with red_align.track(path, limits=red_align.DecodeLimits(threads=1)) as clip:
            for result in clip:
                yield len(result.faces)

    return run


cv2.setNumThreads(1)
modes = {"codec": codec, "decode": decode, "step": step, "track": track}
wire.serve({"red-align": red_align.__version__}, modes[sys.argv[2]])
