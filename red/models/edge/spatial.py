"""f_sRNN: points drawn as a label map for the next pass, and the sub-pixel centres of response maps."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from red.models.presets import Preset
from red_align.contract import CROP_SIZE

MAP_SIZE = 32
STRIDE = CROP_SIZE // MAP_SIZE
MIDDLE = (CROP_SIZE - 1) / 2.0
"""Centre of the crop in crop pixels."""
_FAR = float(CROP_SIZE)
_NOTHING = 32.0
"""Where a Gaussian's exponent ends: 1e-14 is nought beside 1, and the product of two is still a normal number.
Products of subnormal numbers take a hundred times as long on some processors."""


def cell_centres() -> Tensor:
    """Centres of the map's cells along one axis in crop pixels, float32 [32]: 1.5, 5.5, ... 125.5."""
    return (torch.arange(MAP_SIZE, dtype=torch.float32) + 0.5) * STRIDE - 0.5


class SpatialRecurrence(nn.Module):
    """f_sRNN (paper 3.3): draws the last points for the next pass, with weights shared by all passes.

    The paper draws squares of 7, 5, 3 px around integer centres into one label map. Ours are Gaussians at
    the exact points, one channel a point, so that no sub-pixel part is lost; their sigma follows the size
    of the square.
    """

    centres: Tensor

    def __init__(self, preset: Preset, num_points: int) -> None:
        super().__init__()
        self.register_buffer("centres", cell_centres(), persistent=False)
        self.mix = nn.Sequential(
            nn.Conv2d(num_points, preset.label_width, 1, bias=False), nn.BatchNorm2d(preset.label_width)
        )

    def forward(self, points: Tensor, square_px: Tensor) -> Tensor:
        """Points [N, L, 2] (crop pixels) and sizes [N, 1] or [1, 1] to the label map [N, label_width, 32, 32]."""
        x, y = self._profiles(points, square_px)
        conv, norm = self.mix[0], self.mix[1]
        assert isinstance(conv, nn.Conv2d)
        # A map is a sum over the points of column times row: a product of matrices, without a map for every point.
        kernel = conv.weight.squeeze(-1).transpose(0, 1)  # [L, label_width, 1]
        columns = (kernel * y.unsqueeze(2)).flatten(2)  # [N, L, label_width * 32]
        mixed = (columns.transpose(1, 2) @ x).reshape(points.shape[0], -1, MAP_SIZE, MAP_SIZE)
        if conv.bias is not None:
            mixed = mixed + conv.bias[:, None, None]
        label_map: Tensor = norm(mixed)
        return label_map

    def draw(self, points: Tensor, square_px: Tensor) -> Tensor:
        """One Gaussian a point: [N, L, 32, 32], peak 1 at the exact point."""
        x, y = self._profiles(points, square_px)
        return y.unsqueeze(-1) * x.unsqueeze(-2)

    def _profiles(self, points: Tensor, square_px: Tensor) -> tuple[Tensor, Tensor]:
        """The Gaussians along x and along y: [N, L, 32] each."""
        narrow = (math.sqrt(0.5) / (square_px / 2.0 + 1.0))[:, :, None, None]  # [N or 1, 1, 1, 1]
        points = points.clamp(-_FAR, 2.0 * _FAR).unsqueeze(-1)
        away = self.centres * narrow - points * narrow  # [N, L, 2, 32]
        both = torch.exp((away * away).clamp(max=_NOTHING) * -1.0)
        return both[:, :, 0], both[:, :, 1]


class MapCentres(nn.Module):
    """Sub-pixel centre of each point's response map: the expectation under its softmax over the cells."""

    moments: Tensor

    def __init__(self) -> None:
        super().__init__()
        at = (cell_centres() - MIDDLE).repeat(MAP_SIZE, 1)
        x, y = at.flatten(), at.T.flatten()
        self.register_buffer("moments", torch.stack([x, y, x * x + y * y], dim=1), persistent=False)

    def forward(self, maps: Tensor, first: int = 0, count: int | None = None) -> tuple[Tensor, Tensor]:
        """Logits [N, C, 32, 32] to centres [N, L, 2] in crop pixels and spreads [N, L] (log of px^2).

        ``first`` is the channel of the first point, ``count`` is L; without them all channels are points'. What is not
        a point's is left out of the answer rather than of the maps, which would have to be copied for it.

        A softmax has a centre for every finite map, so a point that wins no pixel still has one, never NaN.
        """
        share = torch.softmax(maps.flatten(2), dim=-1)
        last = maps.shape[1] if count is None else first + count
        found = (share @ self.moments)[:, first:last]  # [N, L, 3]: the means of x, y and of the squared distance
        centres, square = found[:, :, :2], found[:, :, 2]
        variance = torch.relu(square - (centres * centres).sum(-1))
        return centres + MIDDLE, torch.log(variance + 1.0)
