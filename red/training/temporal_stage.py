"""The temporal stage: sequences in which the network follows its own points, as it will in service."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor

from red.data.batches import StillRecipe, make_batch, pick
from red.data.sequences import MovingFace, next_region
from red.models.edge.network import RedNetwork
from red.training.losses import EYE_PX, confidence_loss, coordinate_loss, eye_px
from red.training.still_stage import IDENTITY, next_prior, still_loss
from red.training.validate import to_image
from red_align.contract import CROP_SIZE
from red_align.datasets.protocol import protocol_region
from red_align.schemes import PointScheme

FRAMES, SEQUENCES = 12, 8
STEADY, BEND, DRIFT = 0.5, 0.35, 4.0
"""Weights of the error's change within a sequence, of its second difference, which is seen as trembling, and of
the change of its mean over each part of a face, which is lag: trembling of single points cancels in that mean."""
SETTLED = 2
"""Frames from which on a sequence's steadiness counts: the first has no prior, the second no motion."""
PARTS: tuple[Sequence[int], ...] = (
    *(range(6), range(6, 11), range(11, 17), range(17, 22), range(22, 27), range(27, 36), range(36, 42), range(42, 48)),
    *((*range(48, 55), *range(60, 65)), (*range(55, 60), *range(65, 68))),
)
"""Points (0-based iBUG) that move together: cheeks and chin, brows, nose, eyes, upper and lower lip."""
SOFT_PX = 0.1
LOST_PX = 16.0
"""Mean error from which a face is lost: a third of the eye distance."""


def sequence_loss(
    network: RedNetwork, recipe: StillRecipe, rng: Generator, identity: float = IDENTITY
) -> tuple[Tensor, dict[str, float]]:
    """Loss of a few sequences and of a small batch of stills (so that first frames are not forgotten)."""
    chosen = [pick(recipe.sets, rng) for _ in range(SEQUENCES)]
    weight = torch.tensor([each.weight for each, _ in chosen])
    moving = [MovingFace.random(face, FRAMES, rng) for _, face in chosen]
    ids = list(network.scheme.of_ibug68)
    regions = [protocol_region(m.truth(0), True, rng) for m in moving]
    memory, prior = network.fresh_memory(SEQUENCES), network.mean_prior(SEQUENCES)
    held = torch.ones(SEQUENCES)  # 0 once a face was lost
    losses, errors, sizes = [], [], []
    for t in range(FRAMES):
        ways = [r.to_crop(CROP_SIZE) for r in regions]
        crops = np.stack([m.crop(t, r) for m, r in zip(moving, regions, strict=True)])
        truth68 = np.stack([w.apply(m.truth(t)) for m, w in zip(moving, ways, strict=True)])
        truth = torch.from_numpy(truth68[:, ids]).float()
        image = to_image(torch.from_numpy(crops))
        result = network.acquire(image, prior, memory)[-1] if t == 0 else network.track(image, prior, memory)
        eyes = eye_px(truth, network.scheme)
        loss = coordinate_loss(result.points, truth, weight, eyes)
        sure = confidence_loss(result.confidence, result.points, truth, eyes, torch.ones(SEQUENCES), weight)
        losses.append(torch.stack([loss, sure]))
        errors.append(result.points - truth)
        sizes.append(eyes)
        lost = errors[-1].detach().norm(dim=-1).mean(-1) > LOST_PX
        held = held * (~lost).float()
        frame = [w.inverse().apply(p) for w, p in zip(ways, result.points.detach().double().numpy(), strict=True)]
        full = [_all_points(p, ids, m.truth(t)) for p, m in zip(frame, moving, strict=True)]
        # A lost face is found again by a detector, here by the truth.
        regions = [
            protocol_region(m.truth(t), True, rng) if gone else next_region(p)
            for gone, p, m in zip(lost.tolist(), full, moving, strict=True)
        ]
        # The next frame's loss reaches this frame's points through the prior, or smoothing would not be learned.
        carry = [r.to_crop(CROP_SIZE).after(w.inverse()).matrix for r, w in zip(regions, ways, strict=True)]
        prior = next_prior(result.points, torch.from_numpy(np.stack(carry)).float(), lost.float(), network.mean)
        memory = torch.where(lost[:, None], network.halted(result.memory), result.memory)
    video, sure = torch.stack(losses).mean(0)
    steady, bend, drift = steadiness(torch.stack(errors), torch.stack(sizes), held, _parts(network.scheme))
    stills, parts = still_loss(network, make_batch(replace(recipe, batch=recipe.batch // 2), rng), identity)
    total = video + sure + STEADY * steady + BEND * bend + DRIFT * drift + stills
    new = {"video": video, "steady": steady, "bend": bend, "drift": drift, "video_confidence": sure}
    return total, {k: float(v.detach()) for k, v in new.items()} | parts


def steadiness(errors: Tensor, eyes: Tensor, weight: Tensor, parts: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """How much errors [T, N, L, 2] change over time: about their mean, in second differences, and by parts.

    Three scalars; the last is the change about the mean of what the points of a part have in common.

    Pixels of a face with usual eyes ([T, N] are theirs); ``weight`` [N] is 0 for sequences that do not count,
    ``parts`` [P, L] takes means over parts. What stays is a matter of accuracy; a lag is not, since it comes and
    goes with the motion. Crops of one face differ little in scale and turn, so that errors are compared as they are.
    """
    errors = errors * (EYE_PX / eyes).clamp(0.7, 1.6)[:, :, None, None]
    tracked = errors[SETTLED:]
    about = tracked - tracked.mean(0)
    bend = tracked[2:] - 2.0 * tracked[1:-1] + tracked[:-2]
    return _soft_length(about, weight), _soft_length(bend, weight), _soft_length(parts @ about, weight)


def _parts(scheme: PointScheme) -> Tensor:
    """Means over the parts that the scheme has points of: [P, L], rows add up to 1."""
    rows = torch.tensor([[float(k in part) for k in scheme.of_ibug68] for part in PARTS])
    rows = rows[rows.sum(1) > 0]
    return rows / rows.sum(1, keepdim=True)


def _soft_length(vectors: Tensor, weight: Tensor) -> Tensor:
    """Mean length of vectors [T, N, L, 2] (Charbonnier): trembling is far below the pixel where other losses bend."""
    each = (vectors.square().sum(-1) + SOFT_PX**2).sqrt().mean((0, 2))
    return (each * weight).sum() / weight.sum().clamp(min=1.0)


def _all_points(points: np.ndarray, ids: list[int], truth: np.ndarray) -> np.ndarray:
    """Points of all 68 for the box rule; those the scheme lacks come from the truth."""
    full = truth.copy()
    full[ids] = points
    return full
