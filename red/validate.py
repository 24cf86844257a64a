"""Validation of a torch network on stills: the protocol of the accuracy figures.

Box from the truth with shift N(0, 4 %), scale +-8 %, rotation +-10 degrees, seed 0, 5 draws; error is the
mean point distance over the distance of the outer eye corners. ``upright`` takes the roll from the truth,
as the service takes it from the last points; without it the box is the plain axis-aligned one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from landmarks.contract import CROP_SIZE
from landmarks.crop import cut_face
from landmarks.geometry import FaceRegion
from landmarks.schemes import IBUG68
from landmarks.tracking import REGION_MARGIN, region_from_landmarks, upright_region
from red.faces import LabelledFace
from red.network import RedNetwork


@dataclass(frozen=True)
class Draws:
    """Crops uint8 [N, 128, 128, 3] and 68 points float64 [N, 68, 2] in them."""

    crops: NDArray[np.uint8]
    points: NDArray[np.float64]


def protocol_region(points: NDArray[np.float64], upright: bool, rng: np.random.Generator) -> FaceRegion:
    """One draw of the box error."""
    region = region_from_landmarks(points, IBUG68) if upright else upright_region(points, 0.0)
    dx, dy = rng.normal(0, 0.04, 2) * region.side / REGION_MARGIN
    scale, turn = 1 + rng.uniform(-0.08, 0.08), np.deg2rad(rng.uniform(-10, 10))
    return FaceRegion(region.cx + dx, region.cy + dy, region.side * scale, region.angle + turn)


def draw(faces: list[LabelledFace], *, upright: bool, draws: int = 5, seed: int = 0) -> Draws:
    """All faces, ``draws`` times."""
    rng = np.random.default_rng(seed)
    crops, points = [], []
    for _ in range(draws):
        for face in faces:
            region = protocol_region(face.points, upright, rng)
            crops.append(cut_face(face.image, region))
            points.append(region.to_crop(CROP_SIZE).apply(face.points))
    return Draws(np.stack(crops), np.stack(points))


@torch.no_grad()
def pass_errors(network: RedNetwork, data: Draws, batch: int = 64) -> NDArray[np.float64]:
    """Errors after each pass and of a tracked pass that starts from the last of them: float64 [passes + 1, N]."""
    network.eval()
    ids = list(network.scheme.of_ibug68)
    a, b = network.scheme.outer_eyes
    columns = []
    for at in range(0, len(data.crops), batch):
        image = to_image(torch.from_numpy(data.crops[at : at + batch]))
        truth = torch.from_numpy(data.points[at : at + batch][:, ids]).float()
        n = len(truth)
        results = network.acquire(image, network.mean_prior(n), network.fresh_memory(n))
        results.append(network.track(image, results[-1].points, results[-1].memory))
        eyes = (truth[:, a] - truth[:, b]).norm(dim=-1)
        errors = [(r.points - truth).norm(dim=-1).mean(-1) / eyes for r in results]
        columns.append(torch.stack(errors).double().numpy())
    return np.concatenate(columns, axis=1)


def to_image(crop: torch.Tensor) -> torch.Tensor:
    """Crops uint8 [N, 128, 128, 3] to images float32 [N, 3, 128, 128] in 0..1, channels last in memory."""
    return crop.permute(0, 3, 1, 2).float().div(255.0).contiguous(memory_format=torch.channels_last)


def summary(network: RedNetwork, data: Draws) -> dict[str, float]:
    """NME in percent after each pass, median and failure rate (over 8 %) of the last, NME of a tracked pass."""
    errors = 100.0 * pass_errors(network, data)
    passes = errors[:-1]
    out = {f"pass{i + 1}": float(e.mean()) for i, e in enumerate(passes)}
    out["median"] = float(np.median(passes[-1]))
    out["over8"] = float(100.0 * (passes[-1] > 8.0).mean())
    out["again"] = float(errors[-1].mean())
    return {k: round(v, 3) for k, v in out.items()}
