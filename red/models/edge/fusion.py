"""What a pass measured, weighed against where the face was expected (ours).

The paper's tRNN smooths C_pe, which holds the face at 4x4; the points themselves are measured anew each
frame and tremble. Smoothing points alone would make them lag, so a track also knows its motion, in pixels a
frame, and each frame is compared with the last points moved on by it. Of what then differs, the rigid part,
on which all points agree, and each point's own part are taken in by shares that the network finds: in the
points, and in the motion. With constant shares this is the alpha-beta filter; here they depend on what is seen.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from red_align.contract import CROP_SIZE

_WIDTH, _OWN_WIDTH = 64, 16
_LITTLE_AT_FIRST = -2.5
_RIGID_GAIN, _OWN_GAIN, _KEEP = -1.7, -2.9, 2.9
"""Logits at first of how much of a surprise goes into the motion, and of how much motion lasts to the next frame."""
MAX_MOTION_PX = 12.0
"""A face does not move further from one frame to the next, by a seventh of its size."""


class Fused(NamedTuple):
    """Points [N, L, 2] and their motion to the next frame, [N, L, 2] pixels."""

    points: Tensor
    motion: Tensor


class PriorFusion(nn.Module):
    """Shares of the expected points in the answer, one a point and one for the face as a whole; and the motion."""

    def __init__(self, num_points: int, features: int) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Linear(features + 2 * num_points + 1, _WIDTH), nn.ReLU())
        self.shares = nn.Linear(_WIDTH, num_points + 1)
        self.gains = nn.Linear(_WIDTH, num_points + 2)
        self.own = _PerPoint()
        nn.init.zeros_(self.shares.weight)
        nn.init.constant_(self.shares.bias, _LITTLE_AT_FIRST)
        nn.init.zeros_(self.gains.weight)
        with torch.no_grad():
            self.gains.bias.copy_(torch.tensor([_KEEP, _RIGID_GAIN] + [_OWN_GAIN] * num_points))

    def forward(self, measured: Tensor, ahead: Tensor, motion: Tensor, spread: Tensor, features: Tensor) -> Fused:
        """Measured and expected points and the motion in the latter [N, L, 2], spreads [N, L], features [N, F]."""
        carried = carried_along(ahead, measured)
        left = measured - carried  # expression, or noise
        size = torch.log1p(left.square().sum(-1))
        moved = (carried - ahead).square().sum(-1).mean(-1, keepdim=True)
        known = self.features(torch.cat([features, size, spread, torch.log1p(moved)], dim=1))
        own = self.own(size, spread, left, motion, known)
        shares, gains = self.shares(known), self.gains(known)
        shares = torch.sigmoid(torch.cat([shares[:, :1], shares[:, 1:] + own[:, :, 0]], dim=1)).unsqueeze(-1)
        gains = torch.sigmoid(torch.cat([gains[:, :2], gains[:, 2:] + own[:, :, 1]], dim=1)).unsqueeze(-1)
        # The face's share holds all of it back, a point's share draws it to its place in that face.
        whole = carried + shares[:, :1] * (ahead - carried)
        points = measured + shares[:, 1:] * (whole - measured)
        new = gains[:, :1] * motion + gains[:, 1:2] * (carried - ahead) + gains[:, 2:] * left
        return Fused(points, new.clamp(-MAX_MOTION_PX, MAX_MOTION_PX))


class _PerPoint(nn.Module):
    """What a point's own surprise adds to the logits of its share and of its gain; the same rule for all points."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = nn.Linear(4, _OWN_WIDTH)
        self.face = nn.Linear(_WIDTH, _OWN_WIDTH, bias=False)
        self.answer = nn.Linear(_OWN_WIDTH, 2)
        nn.init.zeros_(self.answer.weight)
        nn.init.zeros_(self.answer.bias)

    def forward(self, size: Tensor, spread: Tensor, left: Tensor, motion: Tensor, known: Tensor) -> Tensor:
        """Log size of the surprise and spread [N, L], the surprise and the motion [N, L, 2], the face's features."""
        along = (left * motion).sum(-1)
        onward = along / (1.0 + along.abs())  # A surprise that goes on as before is no noise.
        speed = torch.log1p(motion.square().sum(-1))
        seen = self.seen(torch.stack([size, spread, onward, speed], dim=-1))
        answer: Tensor = self.answer(torch.relu(seen + self.face(known).unsqueeze(1)))
        return answer


def carried_along(prior: Tensor, measured: Tensor) -> Tensor:
    """The prior moved by the similarity that takes it nearest to the measured points, both [N, L, 2].

    Sums over the points are products of matrices: ONNX Runtime adds those up in the same order whatever the
    batch, its means over an axis not, and a face's points shall not depend on the faces that share its batch.
    """
    equal = torch.full((prior.shape[1], 1), 1.0 / prior.shape[1])
    p, m = prior.transpose(1, 2), measured.transpose(1, 2)
    centre_now = m @ equal
    p, m = p - p @ equal, m - centre_now
    both, own = m @ p.transpose(1, 2), p @ p.transpose(1, 2)  # [N, 2, 2]: x and y of the one against the other's
    size = (own[:, :1, :1] + own[:, 1:, 1:]).clamp(min=float(CROP_SIZE))
    along = (both[:, :1, :1] + both[:, 1:, 1:]) / size
    across = (both[:, 1:, :1] - both[:, :1, 1:]) / size
    x = along * p[:, :1] - across * p[:, 1:]
    y = across * p[:, :1] + along * p[:, 1:]
    return (torch.cat([x, y], dim=1) + centre_now).transpose(1, 2)
