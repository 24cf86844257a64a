"""The two graphs of the tensor contract as torch modules over one network."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from red.models.build import AnyNetwork
from red.models.results import PassResult


class StepGraph(nn.Module):
    """``red``: one pass from the last frame's points, with memory."""

    def __init__(self, network: AnyNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(
        self, crop: Tensor, prior: Tensor, start: Tensor, resume: Tensor, state: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """See red_align.contract; gives landmarks, confidence, memory, next_state."""
        # Where, not multiplication: a used slot may hold anything, NaN too.
        before = torch.where(start > 0.5, resume, state)
        result = self.network.track(as_image(crop), as_points(prior), before)
        landmarks, confidence = outputs(result)
        return landmarks, confidence, result.memory.clone(), result.memory


class AcquireGraph(nn.Module):
    """``red_acquire``: all passes, stateless."""

    def __init__(self, network: AnyNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, crop: Tensor, prior: Tensor, resume: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """See red_align.contract; gives landmarks, confidence, memory."""
        result = self.network.acquire(as_image(crop), as_points(prior), resume)[-1]
        landmarks, confidence = outputs(result)
        return landmarks, confidence, result.memory


def as_image(crop: Tensor) -> Tensor:
    """uint8 [N, 128, 128, 3] to float32 [N, 3, 128, 128] in 0..1."""
    # Floats first: TensorRT takes bytes at its inputs, but knows no operator on them other than the cast.
    return crop.float().permute(0, 3, 1, 2) / 255.0


def as_points(flat: Tensor) -> Tensor:
    """[N, 2L] to [N, L, 2]."""
    return flat.reshape(flat.shape[0], -1, 2)


def outputs(result: PassResult) -> tuple[Tensor, Tensor]:
    """Landmarks [N, 2L] and confidence [N, L] of a pass."""
    return result.points.flatten(1), torch.sigmoid(result.confidence)
