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
import torch.nn.functional as F
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

    x_and_y: Tensor
    equal: Tensor

    def __init__(self, num_points: int, features: int) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Linear(features + 2 * num_points + 1, _WIDTH), nn.ReLU())
        self.shares = nn.Linear(_WIDTH, num_points + 1)
        self.gains = nn.Linear(_WIDTH, num_points + 2)
        self.own = _PerPoint()
        self.carry = _Carry(num_points)
        x_and_y = torch.eye(num_points).repeat_interleave(2, dim=0)
        self.register_buffer("x_and_y", x_and_y, persistent=False)  # [2L, L]: sums over a point's coordinates
        self.register_buffer("equal", torch.full((num_points, 1), 1.0 / num_points), persistent=False)
        nn.init.zeros_(self.shares.weight)
        nn.init.constant_(self.shares.bias, _LITTLE_AT_FIRST)
        nn.init.zeros_(self.gains.weight)
        with torch.no_grad():
            self.gains.bias.copy_(torch.tensor([_KEEP, _RIGID_GAIN] + [_OWN_GAIN] * num_points))

    def forward(self, measured: Tensor, ahead: Tensor, motion: Tensor, spread: Tensor, features: Tensor) -> Fused:
        """Measured and expected points and the motion in the latter [N, L, 2], spreads [N, L], features [N, F]."""
        shape = measured.shape
        measured, ahead, motion = measured.flatten(1), ahead.flatten(1), motion.flatten(1)  # [N, 2L]
        carried = self.carry(measured, ahead)
        left, shift = measured - carried, carried - ahead  # expression, or noise; and what the face did as a whole
        one, other = torch.stack([left, motion, shift, left], 1), torch.stack([left, motion, shift, motion], 1)
        sums = (one * other) @ self.x_and_y  # [N, 4, L]: lengths squared, and the product of surprise and motion
        logs = torch.log(sums[:, :2] + 1.0)
        moved = torch.log(sums[:, 2] @ self.equal + 1.0)
        along = sums[:, 3:]
        onward = along / (1.0 + along.abs())  # A surprise that goes on as before is no noise.
        known = self.features(torch.cat([features, logs[:, 0], spread, moved], dim=1))
        own = self.own(torch.cat([logs, spread.unsqueeze(1), onward], dim=1), known)
        whole, points = self._logits(known)
        whole = torch.sigmoid(whole)  # [N, 3]: the face's share, how much motion lasts, the face's gain
        points = torch.sigmoid(points + own) @ self.x_and_y.T  # [N, 2, 2L]: every point's share and gain
        # The face's share holds all of it back, a point's share draws it to its place in that face.
        answer = measured - points[:, 0] * (left + whole[:, :1] * shift)
        new = whole[:, 1:2] * motion + whole[:, 2:] * shift + points[:, 1] * left
        return Fused(answer.reshape(shape), new.clamp(-MAX_MOTION_PX, MAX_MOTION_PX).reshape(shape))

    def _logits(self, known: Tensor) -> tuple[Tensor, Tensor]:
        """Share, keep and gain of the face [N, 3], and shares and gains of the points [N, 2, L], by one product."""
        s, g = self.shares, self.gains
        weight = torch.cat([s.weight[:1], g.weight[:2], s.weight[1:], g.weight[2:]])
        both = F.linear(known, weight, torch.cat([s.bias[:1], g.bias[:2], s.bias[1:], g.bias[2:]]))
        return both[:, :3], both[:, 3:].reshape(known.shape[0], 2, -1)


class _PerPoint(nn.Module):
    """What a point's own surprise adds to the logits of its share and of its gain; the same rule for all points."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = nn.Linear(4, _OWN_WIDTH)
        self.face = nn.Linear(_WIDTH, _OWN_WIDTH, bias=False)
        self.answer = nn.Linear(_OWN_WIDTH, 2)
        nn.init.zeros_(self.answer.weight)
        nn.init.zeros_(self.answer.bias)

    def forward(self, seen: Tensor, known: Tensor) -> Tensor:
        """Log sizes of surprise and motion, spread and how far the surprise goes on [N, 4, L], the face's [N, F]."""
        weight = self.seen.weight[:, [0, 3, 1, 2]]  # The weights know the motion as the last of the four.
        face = F.linear(known, self.face.weight, self.seen.bias).unsqueeze(-1)
        hidden = torch.relu(weight @ seen + face)
        answer: Tensor = self.answer.weight @ hidden + self.answer.bias.unsqueeze(-1)
        return answer


class _Carry(nn.Module):
    """The prior moved by the similarity that takes it nearest to the measured points.

    Sums over the points are products of matrices: ONNX Runtime adds those up in the same order whatever the
    batch, its means over an axis not, and a face's points shall not depend on the faces that share its batch.
    """

    frame: Tensor
    mean: Tensor

    def __init__(self, num_points: int) -> None:
        super().__init__()
        mean = torch.kron(torch.full((num_points, num_points), 1.0 / num_points), torch.eye(2))
        turned = torch.kron(torch.eye(num_points), torch.tensor([[0.0, 1.0], [-1.0, 0.0]]))
        centred = torch.eye(2 * num_points) - mean
        self.register_buffer("mean", mean, persistent=False)  # [2L, 2L]
        # [2L, 4L]: points about their mean, and the same turned by a right angle, (x, y) to (-y, x).
        self.register_buffer("frame", torch.cat([centred, centred @ turned], dim=1), persistent=False)

    def forward(self, measured: Tensor, prior: Tensor) -> Tensor:
        """Measured and prior points [N, 2L] to the moved prior [N, 2L]."""
        axes = (prior @ self.frame).reshape(prior.shape[0], 2, -1)
        sums = torch.cat([measured.unsqueeze(1), axes[:, :1]], dim=1) @ axes.transpose(1, 2)  # [N, 2, 2]
        size = sums[:, 1:, :1].clamp(min=float(CROP_SIZE))
        carried: Tensor = (sums[:, :1] / size @ axes).squeeze(1) + measured @ self.mean
        return carried


def carried_along(prior: Tensor, measured: Tensor) -> Tensor:
    """The prior moved by the similarity that takes it nearest to the measured points, both [N, L, 2]."""
    carried: Tensor = _Carry(prior.shape[1])(measured.flatten(1), prior.flatten(1))
    return carried.reshape(prior.shape)
