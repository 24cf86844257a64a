"""Parity: two runners over the same streams, each side living on its own outputs.

Streams are interleaved at random: at every turn some of them send a frame, in any order. Each starts at its own
time, the odd ones with a memory to resume; in the middle the even ones resume with their own last memory, as after
the loss of a server, and the odd ones begin anew.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import skimage.data
from numpy.typing import NDArray

from export.runners import Answer, Array, Runner
from red_align import contract
from red_align.crop import crop_face
from red_align.geometry import FaceRegion

FRAMES, SEQUENCES = 60, 4
MAX_POINT_PX = 0.05
PLAYS = 0.75
"""Probability that a stream sends a frame at a turn."""
_FACE = FaceRegion(222.0, 113.0, 150.0, 0.0)


@dataclass(frozen=True)
class Parity:
    """Largest differences over all frames of all streams: points in pixels, confidence, memory."""

    frames: int
    points_px: float
    confidence: float
    memory: float

    def row(self, name: str) -> str:
        """A line of the table."""
        return f"{name:<14}{self.frames:>8}{self.points_px:>14.6f}{self.confidence:>14.6f}{self.memory:>14.6f}"


TABLE_HEAD = f"{'graph':<14}{'frames':>8}{'points px':>14}{'confidence':>14}{'memory':>14}"


def moving_faces(frames: int, sequences: int) -> NDArray[np.uint8]:
    """Crops of a face in motion and changing light.

    The face is scikit-image's astronaut (public domain), so that no data set is needed. Faces, since on
    other things a network's answer is arbitrary and a rounding error may flip it.

    Args:
        frames: Frames of each stream, T.
        sequences: Streams, N; each moves in a phase of its own, the odd ones mirrored.

    Returns:
        uint8 [T, N, 128, 128, 3].
    """
    image = np.asarray(skimage.data.astronaut(), np.uint8)
    out = np.empty((frames, sequences, contract.CROP_SIZE, contract.CROP_SIZE, 3), np.uint8)
    for s in range(sequences):
        view = np.ascontiguousarray(image[:, ::-1]) if s % 2 else image
        middle = image.shape[1] - 1 - _FACE.cx if s % 2 else _FACE.cx
        for t in range(frames):
            dx, dy = 9 * np.sin(0.11 * t + s), 7 * np.cos(0.07 * t + 2 * s)
            side, angle = _FACE.side * (1 + 0.1 * np.sin(0.05 * t + s)), 0.25 * np.sin(0.06 * t + s)
            crop = crop_face(view, FaceRegion(middle + dx, _FACE.cy + dy, side, angle))
            light = 1.0 - 0.35 * np.sin(0.03 * t + s) ** 2
            out[t, s] = (crop * light).astype(np.uint8)
    return out


def check_parity(ours: Runner, theirs: Runner, crops: NDArray[np.uint8]) -> dict[str, Parity]:
    """Run the same streams through both graphs of two runners.

    Args:
        ours: One runner.
        theirs: The other.
        crops: uint8 [T, N, 128, 128, 3] of N streams.

    Returns:
        Largest differences by the graph's name.
    """
    return {
        contract.ACQUIRE_GRAPH: _acquire_parity(ours, theirs, crops),
        contract.STEP_GRAPH: _step_parity(ours, theirs, crops),
    }


def _acquire_parity(ours: Runner, theirs: Runner, crops: NDArray[np.uint8]) -> Parity:
    worst, rng = np.zeros(3), np.random.default_rng(1)
    for frame in crops:
        prior = np.tile(ours.mean, (len(frame), 1))
        resume = _memories(rng, len(frame), ours.memory_size)
        resume[0::2] = 0.0
        worst = np.maximum(worst, _apart(*(r.acquire(frame, prior, resume) for r in (ours, theirs))))
    return Parity(crops.shape[0] * crops.shape[1], *worst.tolist())


def _step_parity(ours: Runner, theirs: Runner, crops: NDArray[np.uint8]) -> Parity:
    frames, count = crops.shape[:2]
    rng = np.random.default_rng(1)
    given = _memories(rng, count, ours.memory_size)
    given[0::2] = 0.0
    sides = [_Side(ours, given), _Side(theirs, given)]
    sent = np.zeros(count, int)
    worst, total = np.zeros(3), 0
    while (sent < frames).any():
        playing = [int(s) for s in rng.permutation(count) if sent[s] < frames and rng.random() < PLAYS]
        if not playing:
            continue
        faces, at = np.stack([crops[sent[s], s] for s in playing]), sent[playing]
        start = (at == 0) | (at == frames // 2)
        answers = [side.step(playing, faces, start) for side in sides]
        worst, total = np.maximum(worst, _apart(*answers)), total + len(playing)
        sent[playing] += 1
    return Parity(total, *worst.tolist())


@dataclass
class _Side:
    """One runner with the last answer of every stream; ``given`` are the memories of first starts."""

    runner: Runner
    given: Array
    last: dict[int, tuple[Array, Array]] = field(default_factory=dict)

    def step(self, streams: list[int], crops: NDArray[np.uint8], start: NDArray[np.bool_]) -> Answer:
        """A frame of each of these streams."""
        begin = [(self.runner.mean, self.given[s]) for s in streams]
        # In the middle the even ones go on from what they have, as resumed ones do.
        known = [
            self.last.get(s, fresh) if s % 2 == 0 or not start[i] else fresh
            for i, (s, fresh) in enumerate(zip(streams, begin, strict=True))
        ]
        prior, resume = (np.stack(part) for part in zip(*known, strict=True))
        answer = self.runner.step(streams, crops, prior, start, resume)
        self.last |= {s: (answer.points[i], answer.memory[i]) for i, s in enumerate(streams)}
        return answer


def _memories(rng: np.random.Generator, count: int, size: int) -> Array:
    return rng.normal(0, 0.5, (count, size)).astype(np.float32)


def _apart(ours: Answer, theirs: Answer) -> NDArray[np.float64]:
    return np.array([np.abs(a - b).max() for a, b in zip(ours, theirs, strict=True)])
