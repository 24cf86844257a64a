"""The paper's three losses: pixel-wise over L+1 classes, Euclidean on the offsets, identity classification."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from red_align.contract import CROP_SIZE

BACKGROUND = 0.5
"""What all background pixels of a face weigh together; its points' pixels weigh the rest (ours)."""


@torch.no_grad()
def pixel_classes(points: Tensor, square_px: float) -> Tensor:
    """True classes of the pixels, int64 [N, 128, 128], from true points [N, L, 2] in crop pixels.

    Class l of 1..L is a square of ``square_px`` (odd) around point l, 0 the background. A pixel in several squares
    belongs to the nearest point (ours): else later points would cover earlier ones and shift their centres.
    """
    pixels = torch.arange(CROP_SIZE, dtype=torch.float32, device=points.device)
    middle = torch.floor(points + 0.5)
    reach = (square_px - 1.0) / 2.0
    in_column, in_row = ((pixels - middle[:, :, axis : axis + 1]).abs() <= reach for axis in (0, 1))  # [N, L, 128]
    dx, dy = (pixels - points[:, :, axis : axis + 1] for axis in (0, 1))
    distance = (dy * dy).unsqueeze(-1) + (dx * dx).unsqueeze(-2)  # [N, L, 128, 128]
    inside = in_row.unsqueeze(-1) & in_column.unsqueeze(-2)
    nearest = distance.masked_fill(~inside, float("inf")).argmin(dim=1)
    return torch.where(inside.any(dim=1), nearest + 1, torch.zeros_like(nearest))


def pixel_loss(maps: Tensor, classes: Tensor, weight: Tensor) -> Tensor:
    """Cross-entropy of map logits [N, L+1, 128, 128] with classes [N, 128, 128], rows weighed by [N]; a scalar.

    Background fills 83 to 99.6 % of a crop, so its pixels are weighed down to BACKGROUND in all (ours).
    """
    each = F.cross_entropy(maps.float(), classes, reduction="none")
    point = (classes > 0).float()
    ground = 1.0 - point
    points_mean = (each * point).sum((1, 2)) / point.sum((1, 2)).clamp(min=1.0)
    ground_mean = (each * ground).sum((1, 2)) / ground.sum((1, 2)).clamp(min=1.0)
    rows = BACKGROUND * ground_mean + (1.0 - BACKGROUND) * points_mean
    return (rows * weight).sum() / weight.sum().clamp(min=1.0)


def offset_loss(points: Tensor, truth: Tensor, weight: Tensor) -> Tensor:
    """Half the squared Euclidean distance of two vectors of 2L offsets from the mean shape, a scalar.

    Points and truth are [N, L, 2] in crop pixels, rows are weighed by [N]. The mean shape drops out of the
    difference; the unit is the crop's side, the one in which f_REG gives its offsets.
    """
    difference = (points.float() - truth) / CROP_SIZE
    rows = 0.5 * difference.square().sum((1, 2))
    return (rows * weight).sum() / weight.sum().clamp(min=1.0)


def person_loss(logits: Tensor, person: Tensor) -> Tensor:
    """Cross-entropy of logits [N, identities] with persons [N] where known (not -1); 0 when none is."""
    each = F.cross_entropy(logits.float(), person, ignore_index=-1, reduction="none")
    return each.sum() / (person >= 0).sum().clamp(min=1)
