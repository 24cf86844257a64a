"""Expressions for stills: a smooth field that moves parts of a face over time (ours).

Sequences made from stills by rigid motion alone would teach a network that whatever is not rigid is noise, and
it would freeze mouths and brows. So some places of the face move to and fro by smooth bumps.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from red_align.contract import CROP_SIZE
from red_align.geometry import Similarity

Points = NDArray[np.float64]
_GRID = 32
_PLACES = (8, 8, 57, 57, 57, 51, 62, 66, 19, 24, 37, 41, 44, 46, 48, 54, 30)
"""Where bumps sit: chin and lips most often, then brows, lids, mouth corners, nose tip (0-based iBUG points)."""


@dataclass(frozen=True)
class Expression:
    """Bumps: centres [K, 2] and widths [K] in the still's pixels, and their push [T, K, 2] in each frame."""

    centres: Points
    widths: NDArray[np.float64]
    push: NDArray[np.float64]

    @classmethod
    def random(cls, points: Points, frames: int, rng: Generator) -> Expression:
        """None to three bumps of up to 6 % of the face, each with its own rhythm; some begin in mid-sequence."""
        size = float(np.ptp(points, axis=0).max())
        count = int(rng.integers(1, 4)) if rng.random() < 0.75 else 0
        centres = points[rng.choice(_PLACES, count)] if count else np.zeros((0, 2))
        widths = rng.uniform(0.10, 0.22, count) * size
        angle = np.pi / 2 + rng.normal(0, 0.5, count)  # mostly up and down
        reach = rng.uniform(0.1, 0.28, count) * widths
        times = np.arange(frames)[:, None] - rng.uniform(0, 0.6 * frames, count) * (rng.random(count) < 0.5)
        phase = rng.uniform(0.15, 1.2, count) * np.clip(times, 0, None)
        along = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
        return cls(centres, widths, (reach * np.sin(phase))[..., None] * along)

    def moved(self, t: int, points: Points) -> Points:
        """Points [..., 2] of the still as they are in frame t."""
        return points + self._field(t, points)

    def warp(self, t: int, crop: NDArray[np.uint8], to_still: Similarity) -> NDArray[np.uint8]:
        """A crop of the still as frame t shows it; ``to_still`` takes crop pixels to the still's."""
        if not len(self.centres):
            return crop
        at = (np.arange(_GRID) + 0.5) * (CROP_SIZE / _GRID) - 0.5
        grid = np.stack(np.meshgrid(at, at), axis=-1)
        target = to_still.apply(grid)
        source = target
        for _ in range(4):  # Where does the pixel come from: source + field(source) = target.
            source = target - self._field(t, source)
        back = (to_still.inverse().apply(source) - grid).astype(np.float32)
        back = cv2.resize(back, (CROP_SIZE, CROP_SIZE), interpolation=cv2.INTER_LINEAR)
        x, y = np.meshgrid(np.arange(CROP_SIZE, dtype=np.float32), np.arange(CROP_SIZE, dtype=np.float32))
        return np.asarray(cv2.remap(crop, x + back[..., 0], y + back[..., 1], cv2.INTER_LINEAR), np.uint8)

    def _field(self, t: int, points: Points) -> Points:
        away = points[..., None, :] - self.centres
        bump = np.exp(-0.5 * np.square(away).sum(-1) / self.widths**2)
        return np.asarray(bump @ self.push[t])
