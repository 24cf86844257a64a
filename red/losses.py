"""The paper's losses (section 3): pixel-wise over L+1 classes, coordinates, identity; and the confidence's (ours)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from landmarks.contract import CONFIDENT_ERROR
from landmarks.schemes import PointScheme
from red.spatial import cell_centres

EYE_PX = 50.0
"""Usual distance of the outer eye corners in a crop; errors are weighed by it."""


def eye_px(points: Tensor, scheme: PointScheme) -> Tensor:
    """Outer eye distance of points [N, L, 2] in pixels, [N]."""
    a, b = scheme.outer_eyes
    distance: Tensor = torch.linalg.vector_norm(points[:, a] - points[:, b], dim=-1)
    return distance.clamp(min=8.0)


def coordinate_loss(points: Tensor, truth: Tensor, weight: Tensor, eyes: Tensor) -> Tensor:
    """Smooth L1 on the offsets (linear from 1 px on, so that few wild labels do not rule), a scalar.

    The paper has the Euclidean distance; errors count relative to the eye distance, as in the metric.
    """
    each = F.smooth_l1_loss(points, truth, beta=1.0, reduction="none").sum(-1).mean(-1)
    scale = (EYE_PX / eyes).clamp(0.7, 1.6)
    return (each * scale * weight).sum() / weight.sum().clamp(min=1.0)


def map_targets(truth: Tensor, sigma_px: float = 4.0) -> tuple[Tensor, Tensor]:
    """Soft classes [N, L+1, 32, 32] of points [N, L, 2], and the pixels' weights [N, 32, 32].

    Class 0 is the background. Neighbouring points share a cell by their distances.
    """
    cells = cell_centres()
    x = torch.exp(-0.5 * ((cells - truth[:, :, 0:1]) / sigma_px) ** 2)
    y = torch.exp(-0.5 * ((cells - truth[:, :, 1:2]) / sigma_px) ** 2)
    near = y.unsqueeze(-1) * x.unsqueeze(-2)
    peak = near.amax(dim=1, keepdim=True)
    points = peak * near / near.sum(dim=1, keepdim=True).clamp(min=1e-6)
    return torch.cat([1.0 - peak, points], dim=1), 0.2 + peak.squeeze(1)


def detection_loss(maps: Tensor, classes: Tensor, pixels: Tensor, weight: Tensor) -> Tensor:
    """Pixel-wise cross-entropy of map logits [N, L+1, 32, 32] with soft classes, a scalar."""
    each = -(classes * F.log_softmax(maps, dim=1)).sum(1) * pixels
    each = each.sum(dim=(1, 2)) / pixels.sum(dim=(1, 2))
    return (each * weight).sum() / weight.sum().clamp(min=1.0)


def identity_loss(logits: Tensor, person: Tensor) -> Tensor:
    """Cross-entropy over the rows whose person is known; 0 when none is."""
    known = person >= 0
    if not bool(known.any()):
        return logits.sum() * 0.0
    return F.cross_entropy(logits[known], person[known], label_smoothing=0.1)


def confidence_loss(
    logits: Tensor, points: Tensor, truth: Tensor, eyes: Tensor, face: Tensor, weight: Tensor
) -> Tensor:
    """Binary cross-entropy of "this point is within 5 % of the eye distance"; background is never right."""
    with torch.no_grad():
        error = (points - truth).norm(dim=-1) / eyes[:, None]
        right = ((error < CONFIDENT_ERROR) & (face[:, None] > 0)).float()
        rows = torch.where(face > 0, weight, torch.ones_like(weight))
    each = F.binary_cross_entropy_with_logits(logits, right, reduction="none").mean(-1)
    return (each * rows).sum() / rows.sum().clamp(min=1.0)
