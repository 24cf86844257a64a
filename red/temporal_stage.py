"""The temporal stage: sequences in which the network follows its own points, as it will in service."""

from __future__ import annotations

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor

from landmarks.contract import CROP_SIZE
from red.batches import StillRecipe, make_batch
from red.losses import confidence_loss, coordinate_loss, eye_px
from red.network import RedNetwork
from red.sequences import MovingFace, next_region
from red.stills import still_loss
from red.validate import protocol_region, to_image

FRAMES, SEQUENCES = 6, 8
MOTION = 1.0
"""Weight of the error of motion: what points move between frames beyond what the truth moves."""


def sequence_loss(network: RedNetwork, recipe: StillRecipe, rng: Generator) -> tuple[Tensor, dict[str, float]]:
    """Loss of a few sequences and of a small batch of stills (so that first frames are not forgotten)."""
    faces, weights = _pick(recipe, rng)
    weight = torch.tensor(weights)
    moving = [MovingFace.random(face, FRAMES, rng) for face in faces]
    ids = list(network.scheme.of_ibug68)
    regions = [protocol_region(m.truth(0), True, rng) for m in moving]
    memory, prior = network.fresh_memory(len(faces)), network.mean_prior(len(faces))
    total, parts = torch.zeros(()), {"video": 0.0, "motion": 0.0}
    before: tuple[Tensor, Tensor] | None = None
    for t in range(FRAMES):
        ways = [r.to_crop(CROP_SIZE) for r in regions]
        crops = np.stack([m.crop(t, r) for m, r in zip(moving, regions, strict=True)])
        truth68 = np.stack([w.apply(m.truth(t)) for m, w in zip(moving, ways, strict=True)])
        truth = torch.from_numpy(truth68[:, ids]).float()
        image = to_image(torch.from_numpy(crops))
        result = network.acquire(image, prior, memory)[-1] if t == 0 else network.track(image, prior, memory)
        memory = result.memory
        eyes = eye_px(truth, network.scheme)
        face = torch.ones(len(truth))
        loss = coordinate_loss(result.points, truth, weight, eyes)
        parts["video"] += float(loss.detach()) / FRAMES
        sure = confidence_loss(result.confidence, result.points, truth, eyes, face, weight)
        error = result.points - truth
        if before is not None:
            # Errors of neighbouring frames in the same unit: crops of one face differ little in scale.
            moved = coordinate_loss(error, before[0], torch.ones_like(weight), eyes)
            parts["motion"] += float(moved.detach()) / (FRAMES - 1)
            total = total + MOTION * moved
        before = (error, eyes)
        total = total + loss + sure
        frame = [w.inverse().apply(p) for w, p in zip(ways, result.points.detach().double().numpy(), strict=True)]
        full = [_all_points(p, ids, m.truth(t)) for p, m in zip(frame, moving, strict=True)]
        regions = [next_region(p) for p in full]
        inside = [r.to_crop(CROP_SIZE).apply(p) for r, p in zip(regions, frame, strict=True)]
        prior = torch.from_numpy(np.stack(inside)).float()
    stills, still_parts = still_loss(network, make_batch(recipe, rng))
    return total / FRAMES + stills, parts | still_parts


def _pick(recipe: StillRecipe, rng: Generator) -> tuple[list, list[float]]:  # type: ignore[type-arg]
    shares = np.array([s.share for s in recipe.sets])
    faces, weights = [], []
    for _ in range(SEQUENCES):
        chosen = recipe.sets[int(rng.choice(len(shares), p=shares / shares.sum()))]
        faces.append(chosen.faces[int(rng.integers(len(chosen.faces)))])
        weights.append(chosen.weight)
    return faces, weights


def _all_points(points: np.ndarray, ids: list[int], truth: np.ndarray) -> np.ndarray:
    """Points of all 68 for the box rule; those the scheme lacks come from the truth."""
    full = truth.copy()
    full[ids] = points
    return full
