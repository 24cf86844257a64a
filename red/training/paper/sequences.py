"""The temporal stage: frames one after another, in which the network follows its own points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor

from red.data.augment import mirrored, relit
from red.data.sequences import MovingFace
from red.models.paper.network import PaperNetwork
from red.training.paper.data import Clip
from red.training.paper.stages import Truth, pass_loss
from red.training.validate import to_image
from red_align.contract import CROP_SIZE
from red_align.crop import crop_face
from red_align.datasets.labelled_faces import LabelledFace
from red_align.datasets.protocol import protocol_region
from red_align.geometry import FaceRegion
from red_align.schemes import IBUG68
from red_align.tracking.rules import region_from_landmarks

_LOST = 0.3
"""A track whose mean error is above this share of the eye distance goes on from the truth."""


class Moving(Protocol):
    """A face in motion; frames count from 0, points are [68, 2] in the frame's pixels."""

    def truth(self, t: int) -> NDArray[np.float64]:
        """True points in frame t."""

    def crop(self, t: int, region: FaceRegion) -> NDArray[np.uint8]:
        """What the region of frame t shows, [128, 128, 3]."""


@dataclass(frozen=True)
class FilmedFace:
    """Some consecutive frames of a clip, perhaps mirrored, in one random light."""

    frames: Clip
    mirror: bool
    light: int

    def truth(self, t: int) -> NDArray[np.float64]:
        """True points in frame t."""
        face = self.frames[t]
        return mirrored(face.points) + (face.image.shape[1] - CROP_SIZE, 0.0) if self.mirror else face.points

    def crop(self, t: int, region: FaceRegion) -> NDArray[np.uint8]:
        """What the region of frame t shows, [128, 128, 3]."""
        image = self.frames[t].image
        view = np.ascontiguousarray(image[:, ::-1]) if self.mirror else image
        return relit(crop_face(view, region), np.random.default_rng(self.light))


def some_sequences(
    clips: list[Clip], stills: list[LabelledFace], count: int, frames: int, rng: Generator
) -> list[Moving]:
    """Sequences of so many frames: real ones of the clips; without clips, stills in smooth motion."""
    if not clips:
        chosen = [stills[int(n)] for n in rng.integers(len(stills), size=count)]
        return [MovingFace.random(face, frames, rng) for face in chosen]
    found: list[Moving] = []
    for n in rng.integers(len(clips), size=count):
        clip = clips[int(n)]
        begin = int(rng.integers(len(clip) - frames + 1))
        found.append(FilmedFace(clip[begin : begin + frames], bool(rng.random() < 0.5), int(rng.integers(2**62))))
    return found


def sequence_loss(
    network: PaperNetwork, moving: list[Moving], frames: int, rng: Generator
) -> tuple[Tensor, dict[str, float]]:
    """Mean loss over the frames, and its parts; gradients flow through the memory from frame to frame.

    The first frame has all passes and the last of them is evaluated; each later frame has one, from the last
    points in the crop that they ask for, as in service.
    """
    device, ids = network.mean.device, list(network.scheme.of_ibug68)
    regions = [protocol_region(m.truth(0), True, rng) for m in moving]
    memory, prior = network.fresh_memory(len(moving)), network.mean_prior(len(moving))
    total, sums = torch.zeros((), device=device), dict[str, float]()
    ones = torch.ones(len(moving), device=device)
    for t in range(frames):
        crops = np.stack([m.crop(t, r) for m, r in zip(moving, regions, strict=True)])
        image = to_image(torch.from_numpy(crops).to(device))
        ways = [r.to_crop(CROP_SIZE) for r in regions]
        true = np.stack([w.apply(m.truth(t)[ids]) for m, w in zip(moving, ways, strict=True)])
        truth = Truth(torch.from_numpy(true).float().to(device), ones, ones, network.scheme)
        result = network.acquire(image, prior, memory)[-1] if t == 0 else network.track(image, prior, memory)
        loss, parts = pass_loss(result, truth, network.preset.square_px[-1], regression=True)
        total, memory = total + loss / frames, result.memory
        for name, value in parts.items():
            sums[name] = sums.get(name, 0.0) + value / frames
        points = result.points.detach().double().cpu().numpy()
        regions, prior = next_frame(network, moving, t, regions, points)
    return total, sums


def next_frame(
    network: PaperNetwork, moving: list[Moving], t: int, regions: list[FaceRegion], points: NDArray[np.float64]
) -> tuple[list[FaceRegion], Tensor]:
    """Regions and prior [N, L, 2] of frame t + 1 from the points [N, L, 2] found in the crops of frame t."""
    ids = list(network.scheme.of_ibug68)
    after, priors = [], []
    for face, region, found in zip(moving, regions, points, strict=True):
        seen, true = region.to_frame(CROP_SIZE).apply(found), face.truth(t)
        error = np.linalg.norm(seen - true[ids], axis=1).mean() / IBUG68.eye_distance(true)
        if not error < _LOST:
            seen = true[ids]
        after.append(region_from_landmarks(seen, network.scheme))
        priors.append(after[-1].to_crop(CROP_SIZE).apply(seen))
    return after, torch.from_numpy(np.stack(priors)).float().to(network.mean.device)
