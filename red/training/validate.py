"""Validation of a torch network on stills, by the protocol of red_align.datasets.protocol."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from red.models.edge.network import RedNetwork
from red_align.datasets.protocol import Draws


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
