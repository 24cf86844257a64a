"""Parity: the exported graphs against torch over sequences, each side living on its own outputs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime as ort
import skimage.data
import torch
from numpy.typing import NDArray

from landmarks import contract
from landmarks.crop import cut_face
from landmarks.geometry import FaceRegion
from red.network import RedNetwork
from red.validate import to_image

FRAMES, SEQUENCES = 60, 4
MAX_POINT_PX = 0.05
_FACE = FaceRegion(222.0, 113.0, 150.0, 0.0)


@dataclass(frozen=True)
class Parity:
    """Largest differences over all frames: points in pixels, confidence, memory."""

    frames: int
    points_px: float
    confidence: float
    memory: float

    def row(self, name: str) -> str:
        """A line of the table."""
        return f"{name:<14}{self.frames:>8}{self.points_px:>14.6f}{self.confidence:>14.6f}{self.memory:>14.6f}"


TABLE_HEAD = f"{'graph':<14}{'frames':>8}{'points px':>14}{'confidence':>14}{'memory':>14}"


def moving_faces(frames: int, sequences: int) -> NDArray[np.uint8]:
    """Crops of a face in motion and changing light, uint8 [frames, sequences, 128, 128, 3].

    The face is scikit-image's astronaut (public domain), so that no data set is needed. Faces, since on
    other things a network's answer is arbitrary and a rounding error may flip it.
    """
    image = np.asarray(skimage.data.astronaut(), np.uint8)  # type: ignore[no-untyped-call]
    out = np.empty((frames, sequences, contract.CROP_SIZE, contract.CROP_SIZE, 3), np.uint8)
    for s in range(sequences):
        view = np.ascontiguousarray(image[:, ::-1]) if s % 2 else image
        middle = image.shape[1] - 1 - _FACE.cx if s % 2 else _FACE.cx
        for t in range(frames):
            dx, dy = 9 * np.sin(0.11 * t + s), 7 * np.cos(0.07 * t + 2 * s)
            side, angle = _FACE.side * (1 + 0.1 * np.sin(0.05 * t + s)), 0.25 * np.sin(0.06 * t + s)
            crop = cut_face(view, FaceRegion(middle + dx, _FACE.cy + dy, side, angle))
            light = 1.0 - 0.35 * np.sin(0.03 * t + s) ** 2
            out[t, s] = (crop * light).astype(np.uint8)
    return out


def check_parity(network: RedNetwork, folder: Path, crops: NDArray[np.uint8]) -> dict[str, Parity]:
    """Run crops [T, N, 128, 128, 3] through both graphs and torch.

    Sequence n starts at frame n (so that starts and steps share batches), sequences 1, 3, ... start with a
    memory to resume, and every sequence starts anew in the middle.
    """
    return {
        contract.ACQUIRE_GRAPH: _acquire_parity(network, folder, crops),
        contract.STEP_GRAPH: _step_parity(network, folder, crops),
    }


def _session(folder: Path, name: str) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    return ort.InferenceSession(str(folder / f"{name}.onnx"), options, providers=["CPUExecutionProvider"])


@torch.no_grad()
def _acquire_parity(network: RedNetwork, folder: Path, crops: NDArray[np.uint8]) -> Parity:
    session = _session(folder, contract.ACQUIRE_GRAPH)
    n = crops.shape[1]
    prior, resume = network.mean_prior(n), network.fresh_memory(n)
    worst = np.zeros(3)
    for frame in crops:
        theirs = network.acquire(to_image(torch.from_numpy(frame)), prior, resume)[-1]
        values = [frame, prior.reshape(n, -1).numpy(), resume.numpy()]
        ours = session.run(list(contract.ACQUIRE_OUTPUTS), dict(zip(contract.ACQUIRE_INPUTS, values, strict=True)))
        wanted = [theirs.points.reshape(n, -1), torch.sigmoid(theirs.confidence), theirs.memory]
        worst = np.maximum(worst, [np.abs(a - b.numpy()).max() for a, b in zip(ours, wanted, strict=True)])
    return Parity(len(crops), *worst.tolist())


@torch.no_grad()
def _step_parity(network: RedNetwork, folder: Path, crops: NDArray[np.uint8]) -> Parity:
    session = _session(folder, contract.STEP_GRAPH)
    frames, n = crops.shape[:2]
    rng = np.random.default_rng(1)
    resume = rng.normal(0, 0.5, (n, network.preset.memory)).astype(np.float32)
    resume[0::2] = 0.0
    mean = network.mean_prior(n).reshape(n, -1).numpy()
    # Garbage in the state of a sequence that has not begun must not matter.
    state = np.full((n, network.preset.memory), np.nan, np.float32)
    torch_state = torch.from_numpy(state.copy())
    prior, torch_prior = mean.copy(), torch.from_numpy(mean.copy())
    worst = np.zeros(3)
    for t in range(frames):
        begins = np.array([[t == i or t == frames // 2 + i] for i in range(n)], np.float32)
        fresh = begins > 0
        prior = np.where(fresh, mean, prior)
        torch_prior = torch.where(torch.from_numpy(fresh), torch.from_numpy(mean), torch_prior)
        values = [crops[t], prior, begins, resume, state]
        points, confidence, memory, state = session.run(
            list(contract.STEP_OUTPUTS), dict(zip(contract.STEP_INPUTS, values, strict=True))
        )
        before = torch.where(torch.from_numpy(fresh), torch.from_numpy(resume), torch_state)
        theirs = network.track(to_image(torch.from_numpy(crops[t])), torch_prior.reshape(n, -1, 2), before)
        torch_state, torch_prior = theirs.memory, theirs.points.reshape(n, -1)
        begun = np.arange(n) <= t
        wanted = [torch_prior.numpy(), torch.sigmoid(theirs.confidence).numpy(), torch_state.numpy()]
        pairs = zip([points, confidence, memory], wanted, strict=True)
        worst = np.maximum(worst, [np.abs(a - b)[begun].max() for a, b in pairs])
        if not np.array_equal(memory, state, equal_nan=True):
            raise RuntimeError("memory and next_state differ")
        prior = points
    return Parity(frames, *worst.tolist())
