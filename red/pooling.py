"""2x2 max-pooling that keeps its positions, and the unpooling that puts values back there.

The paper keeps which of the four values won. That choice is not continuous: where two values are nearly
equal (flat skin, dark background), rounding decides, and the same frame gives points that differ by 0.3 px
between runtimes, batch sizes or precisions, and by noise from frame to frame. So values within SHARE of the
maximum share the position in proportion (ours); one that wins by more has it alone, as in the paper. Only
operators that every ONNX runtime and TensorRT know.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

SHARE = 0.2
"""Activations are about 1 after batch norm; a value this much below the maximum has no share."""

_QUARTERS = ((0, 0), (0, 1), (1, 0), (1, 1))  # (row, column): reading order


def pool_with_positions(x: Tensor) -> tuple[Tensor, Tensor]:
    """Pool [N, C, 2h, 2w] to its maxima [N, C, h, w] and the shares of the four places, [N, C, 4, h, w].

    Shares are not negative and sum to 1; places are top left, top right, bottom left, bottom right. As in
    the paper no gradient flows through them.
    """
    pooled = F.max_pool2d(x, 2)
    with torch.no_grad():
        near = [torch.relu(1.0 + (x[:, :, i::2, j::2] - pooled) * (1.0 / SHARE)) for i, j in _QUARTERS]
        total = near[0] + near[1] + near[2] + near[3]  # At least 1: the maximum itself counts 1.
        shares = torch.stack([part / total for part in near], dim=2)
    return pooled, shares


def unpool(x: Tensor, shares: Tensor) -> Tensor:
    """Put values [N, C, h, w] at their kept places of a map [N, C, 2h, 2w]; zero elsewhere."""
    n, c, h, w = x.shape
    # Channel order c * 4 + place is what depth-to-space (CRD) wants.
    return F.pixel_shuffle((x.unsqueeze(2) * shares).reshape(n, c * 4, h, w), 2)
