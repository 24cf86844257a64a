"""What a pass measured, weighed against where the last frame's points would be now (ours).

The paper's tRNN smooths C_pe, which holds the face at 4x4; the points themselves are measured anew each
frame and tremble. Here the prior is carried along by the rigid motion that all points agree on, and every
point takes a share of what is left: a still face hardly trembles, a moving one does not lag, since the
motion itself is not smoothed unless the network finds it to be noise.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from landmarks.contract import CROP_SIZE

_WIDTH = 64
_LITTLE_AT_FIRST = -2.5


class PriorFusion(nn.Module):
    """Shares of the prior in the answer, one a point and one for the motion as a whole."""

    def __init__(self, num_points: int, features: int) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Linear(features + 2 * num_points + 1, _WIDTH), nn.ReLU())
        self.shares = nn.Linear(_WIDTH, num_points + 1)
        nn.init.zeros_(self.shares.weight)
        nn.init.constant_(self.shares.bias, _LITTLE_AT_FIRST)

    def forward(self, measured: Tensor, prior: Tensor, spread: Tensor, features: Tensor) -> Tensor:
        """Measured points and prior [N, L, 2], spreads [N, L] and features [N, features] to points [N, L, 2]."""
        carried = carried_along(prior, measured)
        left = (measured - carried).square().sum(-1)  # px^2: expression, or noise
        moved = (carried - prior).square().sum(-1).mean(-1, keepdim=True)
        known = torch.cat([features, torch.log1p(left), spread, torch.log1p(moved)], dim=1)
        shares = torch.sigmoid(self.shares(self.features(known)))
        # The motion's share holds the whole face back, a point's share draws it to its place in that face.
        whole = carried + shares[:, :1].unsqueeze(-1) * (prior - carried)
        return measured + shares[:, 1:].unsqueeze(-1) * (whole - measured)


def carried_along(prior: Tensor, measured: Tensor) -> Tensor:
    """The prior moved by the similarity that takes it nearest to the measured points, both [N, L, 2]."""
    centre, centre_now = prior.mean(1, keepdim=True), measured.mean(1, keepdim=True)
    p, m = prior - centre, measured - centre_now
    size = p.square().sum((1, 2)).clamp(min=float(CROP_SIZE)).unsqueeze(-1)
    along = (p * m).sum((1, 2)).unsqueeze(-1) / size
    across = (p[:, :, 0] * m[:, :, 1] - p[:, :, 1] * m[:, :, 0]).sum(1, keepdim=True) / size
    x = along * p[:, :, 0] - across * p[:, :, 1]
    y = across * p[:, :, 0] + along * p[:, :, 1]
    return torch.stack([x, y], dim=-1) + centre_now
