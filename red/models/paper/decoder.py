"""f_DENC: the bottleneck code back to L+1 response maps at full size, by unpooling to the kept positions."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from red.models.paper.blocks import conv_stage
from red.models.paper.pooling import unpool
from red.models.paper.preset import CONVOLUTIONS, PaperPreset


class Decoder(nn.Module):
    """f_DENC (paper, section 3): thirteen convolutions that mirror f_ENC, 4x4x512 to 128x128x(L+1).

    ``stages[i]`` mirrors the encoder's stage i: its first convolution has the widths of the encoder's last one.
    The convolution that mirrors conv1_1 gives the maps; it has a bias, neither batch norm nor ReLU.
    """

    def __init__(self, preset: PaperPreset, num_points: int) -> None:
        super().__init__()
        narrower = [preset.widths[0], *preset.widths[:-1]]
        channels = [
            [wide] * number + [narrow]
            for wide, narrow, number in zip(preset.widths, narrower, CONVOLUTIONS, strict=True)
        ]
        channels[0].pop()
        self.stages = nn.ModuleList(conv_stage(c, preset.batch_norm) for c in channels)
        self.maps = nn.Conv2d(preset.widths[0], num_points + 1, 3, padding=1)

    def forward(self, code_id: Tensor, code_pe: Tensor, positions: tuple[Tensor, ...]) -> Tensor:
        """C_id and C_pe [N, 256, 4, 4] to logits of the maps [N, L+1, 128, 128]; class 0 is the background."""
        x = torch.cat([code_id, code_pe], dim=1)
        for at in reversed(range(len(self.stages))):
            x = self.stages[at](unpool(x, positions[at]))
        maps: Tensor = self.maps(x)
        return maps
