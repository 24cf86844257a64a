"""2x2 max-pooling that keeps its 2-bit positions, and the unpooling to them, as the paper has it.

Of equal values the first in reading order wins, as in torch's max_pool2d: behind a ReLU most ties are those of
zeros, and "equal to the maximum" would then name up to four places. Built from slices, comparisons, Where and
DepthToSpace, which every ONNX runtime and TensorRT know; MaxUnpool and scattering they do not all know.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def pool_with_positions(x: Tensor) -> tuple[Tensor, Tensor]:
    """Pool [N, C, 2h, 2w] to its maxima [N, C, h, w] and their positions, int32 [N, C, h, w].

    A position is 2 bits: 0 and 1 are the upper row of the 2x2 window, 2 and 3 the lower one. No gradient flows
    through positions.
    """
    with torch.no_grad():
        left, right = x[:, :, :, 0::2], x[:, :, :, 1::2]
        # Strictly greater, in both directions: the earlier one keeps a tie.
        side = (right > left).int()
        best = torch.maximum(left, right)
        below = best[:, :, 1::2] > best[:, :, 0::2]
        positions = torch.where(below, side[:, :, 1::2] + 2, side[:, :, 0::2])
    return F.max_pool2d(x, 2), positions


def unpool(x: Tensor, positions: Tensor) -> Tensor:
    """Put values [N, C, h, w] at the kept positions of a map [N, C, 2h, 2w]; zero elsewhere."""
    places = torch.arange(4, dtype=torch.int32, device=x.device).reshape(1, 1, 4, 1, 1)
    nothing = torch.zeros((), dtype=x.dtype, device=x.device)
    spread = torch.where(positions.unsqueeze(2) == places, x.unsqueeze(2), nothing)  # [N, C, 4, h, w]
    return F.pixel_shuffle(spread.flatten(1, 2), 2)
