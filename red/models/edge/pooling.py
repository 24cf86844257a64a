"""2x2 max-pooling that keeps its positions, and the unpooling that puts values back there.

The paper keeps which of the four values won. That choice is not continuous: where two values are nearly
equal (flat skin, dark background), rounding decides, and the same frame gives points that differ by 0.3 px
between runtimes, batch sizes or precisions, and by noise from frame to frame. So values within SHARE of the
maximum share the position in proportion (ours); one that wins by more has it alone, as in the paper. Only
operators that every ONNX runtime and TensorRT know, and few of them: on a CPU they cost as much as the
convolutions between them.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

SHARE = 0.2
"""Activations are about 1 after batch norm; a value this much below the maximum has no share."""


class Places(NamedTuple):
    """Where a pooling's values come from: a claim of every value, and the claims' sum of every 2x2 square."""

    claim: Tensor  # [N, C, 2h, 2w], SHARE for the maximum of its square, 0 from SHARE below it on
    total: Tensor  # [N, C, h, w], at least SHARE


def pool_with_positions(x: Tensor) -> tuple[Tensor, Places]:
    """Pool [N, C, 2h, 2w] to its maxima [N, C, h, w] and the places they came from.

    As in the paper no gradient flows through the places.
    """
    pooled = F.max_pool2d(x, 2)
    with torch.no_grad():
        claim = torch.relu(x + doubled(_share_below(pooled)))
        return pooled, Places(claim, F.avg_pool2d(claim, 2) * 4.0)


def _share_below(pooled: Tensor) -> Tensor:
    """SHARE - pooled, in an exported graph as a convolution, since those take blocked maps as they are."""
    if not torch.compiler.is_exporting():
        return SHARE - pooled
    channels = pooled.shape[1]
    kernel = torch.full((channels, 1, 1, 1), -1.0, dtype=pooled.dtype)
    return F.conv2d(pooled, kernel, torch.full((channels,), SHARE, dtype=pooled.dtype), groups=channels)


def unpool(x: Tensor, places: Places) -> Tensor:
    """Put values [N, C, h, w] at their kept places of a map [N, C, 2h, 2w]; zero elsewhere."""
    return places.claim * doubled(x / places.total)


def doubled(x: Tensor) -> Tensor:
    """[N, C, h, w] to [N, C, 2h, 2w], every value four times."""
    return F.interpolate(x, scale_factor=2.0, mode="nearest")
