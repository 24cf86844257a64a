"""2x2 max-pooling that keeps its positions, and the unpooling that puts values back there.

Only operators that every ONNX runtime and TensorRT know (slices, comparisons, depth-to-space). On a tie
(after ReLU zeros tie all the time) the first position in reading order wins, as in max_pool2d. Values
within TIE of each other count as tied (ours): in flat parts of an image the four values are equal but for
rounding, and a position chosen by rounding would differ from runtime to runtime and move points by 0.3 px.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

TIE = 1e-3
"""Activations (about 1 after batch norm) closer than this are equal."""


def pool_with_positions(x: Tensor) -> tuple[Tensor, Tensor]:
    """Pool [N, C, 2h, 2w] to its maxima [N, C, h, w] and their 2-bit positions, uint8 [N, C, h, w].

    Position 0, 1, 2, 3 is top left, top right, bottom left, bottom right.
    """
    pooled = F.max_pool2d(x, 2)
    with torch.no_grad():
        # Comparing in reading order makes the first of equal values the winner.
        enough = pooled - TIE
        third = torch.where(x[:, :, 1::2, 0::2] >= enough, 2, 3)
        second = torch.where(x[:, :, 0::2, 1::2] >= enough, 1, third)
        position = torch.where(x[:, :, 0::2, 0::2] >= enough, 0, second).to(torch.uint8)
    return pooled, position


def unpool(x: Tensor, position: Tensor) -> Tensor:
    """Put values [N, C, h, w] at their kept positions of a map [N, C, 2h, 2w]; zero elsewhere."""
    n, c, h, w = x.shape
    quarters = [torch.where(position == k, x, torch.zeros_like(x)) for k in range(4)]
    # Channel c of the quarters is c * 4 + k, the order that depth-to-space (CRD) wants.
    stacked = torch.stack(quarters, dim=2).reshape(n, c * 4, h, w)
    return F.pixel_shuffle(stacked, 2)
