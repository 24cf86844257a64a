"""f_REG: the response maps with two stages of the encoder to 2L coordinates relative to the mean shape."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from red.models.paper.blocks import conv_block
from red.models.paper.encoder import Encoded
from red.models.paper.preset import PaperPreset
from red_align.contract import CROP_SIZE


class Regression(nn.Module):
    """f_REG (paper, section 3): a small encoder on the maps; conv2_2 joins at 64x64, conv4_3 at 16x16.

    Ours: one convolution a stage and their widths, probabilities instead of logits as input, the hidden layer,
    offsets in units of the crop's side, zero at first, and the confidence, which the tensor contract needs.
    """

    mean: Tensor

    def __init__(self, preset: PaperPreset, mean_shape: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean_shape, persistent=False)
        num_points = len(mean_shape)
        a, b, c, d, e = preset.reg
        conv2_2, conv4_3 = preset.widths[1], preset.widths[3]
        norm = preset.batch_norm
        self.at128 = conv_block(num_points + 1, a, norm)
        self.at64 = conv_block(a + conv2_2, b, norm)
        self.at32 = conv_block(b, c, norm)
        self.at16 = conv_block(c + conv4_3, d, norm)
        self.at8 = conv_block(d, e, norm)
        self.hidden = nn.Sequential(nn.Linear(e * 4 * 4, preset.reg_hidden), nn.ReLU())
        self.offsets = nn.Linear(preset.reg_hidden, 2 * num_points)
        self.confidence = nn.Linear(preset.reg_hidden + num_points, num_points)
        nn.init.zeros_(self.offsets.weight)
        nn.init.zeros_(self.offsets.bias)

    def forward(self, maps: Tensor, encoded: Encoded) -> tuple[Tensor, Tensor]:
        """Map logits [N, L+1, 128, 128] to points [N, L, 2] in crop pixels and confidence logits [N, L]."""
        shares = torch.softmax(maps, dim=1)
        x = F.max_pool2d(self.at128(shares), 2)
        x = F.max_pool2d(self.at64(torch.cat([x, encoded.conv2_2], dim=1)), 2)
        x = F.max_pool2d(self.at32(x), 2)
        x = F.max_pool2d(self.at16(torch.cat([x, encoded.conv4_3], dim=1)), 2)
        x = F.max_pool2d(self.at8(x), 2)
        hidden = self.hidden(x.flatten(1))
        points = self.mean + CROP_SIZE * self.offsets(hidden).reshape(-1, *self.mean.shape)
        peaks = shares[:, 1:].amax(dim=(2, 3))
        return points, self.confidence(torch.cat([hidden, peaks], dim=1))
