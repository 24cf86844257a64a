"""Our network step against MediaPipe FaceMesh, on the same core in turn: ``python benchmarks/facemesh.py CLIP PYTHON``

PYTHON is the interpreter of an environment with ``mediapipe==0.10.21`` (it wants numpy 1, so not ours). FaceMesh in
video mode is timed with all that it does to a frame; ours is the step graph alone (``red.onnx``, batch 1), and, in the
third row, what surrounds it in the tracker too: crop, appearance and tracking rules, without decoding.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from red_align import contract
from red_align.crop import crop_face
from red_align.engine.onnx_engine import OnnxEngine
from red_align.engine.onnx_graph import OnnxGraph
from red_align.frames import Frame
from red_align.media.reader import DecodeLimits, open_media
from red_align.tracking.detector import YuNetDetector
from red_align.tracking.tracker import Tracker
from service.config.settings import MODEL_FOLDER, Settings

ROUNDS, FRAMES = 9, 150


def read(path: Path) -> list[Frame]:
    """The clip's first frames."""
    reader = open_media(path, DecodeLimits(Settings().max_frame_pixels, 1))
    found = []
    for frame in reader.frames(1):
        found.append(frame)
        if len(found) == FRAMES:
            break
    reader.close()
    return found


def step_time(graph: OnnxGraph, frame: Frame) -> float:
    """Milliseconds of one step."""
    assert frame.image is not None
    found = YuNetDetector().detect(frame.image)
    memory = np.zeros((1, graph.info.memory_size), np.float32)
    tensors: dict[str, NDArray[np.generic]] = {
        contract.CROP: crop_face(frame.image, found[0].region)[None],
        contract.PRIOR: graph.info.scheme.mean_shape.reshape(1, -1).astype(np.float32),
        contract.START: np.zeros((1, 1), np.float32),
        contract.RESUME: memory,
        contract.STATE: memory,
    }
    for _ in range(10):
        graph.run(tensors)
    began = time.perf_counter()
    for _ in range(FRAMES):
        graph.run(tensors)
    return (time.perf_counter() - began) / FRAMES * 1e3


def tracker_time(engine: OnnxEngine, frames: list[Frame]) -> float:
    """Milliseconds a frame of a tracker that follows one face; the first frame, with its detection, is left out."""
    with Tracker(engine=engine, detector=YuNetDetector()) as tracker:
        tracker.process(frames[0])
        began = time.perf_counter()
        for frame in frames[1:]:
            tracker.process(frame)
        took = time.perf_counter() - began
    return took / (len(frames) - 1) * 1e3


def main() -> None:
    """Print the table."""
    clip, python = sys.argv[1], sys.argv[2]
    core = max(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {core})
    cv2.setNumThreads(1)
    worker = Path(__file__).with_name("facemesh_worker.py")
    command = [python, str(worker), clip, str(core)]
    other = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert other.stdin is not None
    assert other.stdout is not None
    answers = other.stdout

    def ask(what: str) -> float:
        print(what, file=other.stdin, flush=True)
        return float(answers.readline())

    frames = read(Path(clip))
    graph = OnnxGraph(MODEL_FOLDER / "red.onnx", contract.STEP_INPUTS, contract.STEP_OUTPUTS, 1)
    engine = OnnxEngine(MODEL_FOLDER, threads=1)
    rows: dict[str, list[float]] = {"FaceMesh, video mode": [], "red, one step": [], "tracker, a frame": []}
    for _ in range(ROUNDS):
        rows["FaceMesh, video mode"].append(ask("time"))
        rows["red, one step"].append(step_time(graph, frames[0]))
        rows["tracker, a frame"].append(tracker_time(engine, frames))
    base = statistics.median(rows["FaceMesh, video mode"])
    print(f"{'one core, ' + Path(clip).name:<34}{'ms':>8}{'least':>8}{'over FaceMesh':>15}")
    for name, values in rows.items():
        middle = statistics.median(values)
        print(f"{name:<34}{middle:>8.2f}{min(values):>8.2f}{middle / base:>15.2f}")
    engine.close()
    print(f"FaceMesh's jitter on this clip: {ask('jitter'):.2f} % of the outer eye distance")
    other.stdin.close()
    other.wait()


if __name__ == "__main__":
    main()
