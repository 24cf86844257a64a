"""What one pass of a network gives, of either preset."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class PassResult(NamedTuple):
    """One pass: points and centres [N, L, 2], confidence logits [N, L], maps [N, L+1, 32, 32], memory, C_id.

    ``measured`` are the points before they are weighed against the prior.
    """

    points: Tensor
    centres: Tensor
    confidence: Tensor
    maps: Tensor
    memory: Tensor
    code_id: Tensor
    measured: Tensor
