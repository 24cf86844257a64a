"""Errors of the paper's network on stills, on whatever device it is; the protocol is red.training.validate's."""

from __future__ import annotations

from pathlib import Path

import torch

from red.models.paper.network import PaperNetwork
from red.training.validate import to_image
from red_align.datasets.labelled_faces import read_faces
from red_align.datasets.protocol import Draws, draw


@torch.no_grad()
def nme(network: PaperNetwork, data: Draws, batch: int = 32) -> dict[str, float]:
    """NME in percent of the eye distance after all passes: of f_REG's ``points``, and of the maps' ``centres``."""
    training = {name: part.training for name, part in network.named_children()}
    network.eval()
    device, ids = network.mean.device, list(network.scheme.of_ibug68)
    a, b = network.scheme.outer_eyes
    sums = {"points": 0.0, "centres": 0.0}
    for at in range(0, len(data.crops), batch):
        image = to_image(torch.from_numpy(data.crops[at : at + batch]).to(device))
        truth = torch.from_numpy(data.points[at : at + batch][:, ids]).float().to(device)
        n = len(truth)
        last = network.acquire(image, network.mean_prior(n), network.fresh_memory(n))[-1]
        eyes = (truth[:, a] - truth[:, b]).norm(dim=-1)
        for name, found in (("points", last.points), ("centres", last.centres)):
            sums[name] += float(((found - truth).norm(dim=-1).mean(-1) / eyes).sum())
    for name, part in network.named_children():
        part.train(training[name])
    return {name: round(100.0 * value / len(data.crops), 3) for name, value in sums.items()}


def read_validation(folder: Path, limit: int | None) -> Draws | None:
    """One draw of every face of a folder, or None where there are none."""
    faces = read_faces(folder, limit=limit) if folder.is_dir() else []
    return draw(faces, upright=True, draws=1) if faces else None
