"""f_DENC: the bottleneck code back to L+1 response maps by unpooling to the kept positions."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from red.models.blocks import conv_bn_relu, residuals
from red.models.edge.pooling import Places, unpool
from red.models.presets import Preset


class Decoder(nn.Module):
    """f_DENC (paper 3.2): mirrors the encoder from 4x4 to 32x32; class 0 is the background."""

    def __init__(self, preset: Preset, num_points: int) -> None:
        super().__init__()
        p = preset
        # Unpooling needs as many channels as the pooled map had.
        self.stage4 = conv_bn_relu(p.code, p.enc8)
        self.stage8 = nn.Sequential(
            conv_bn_relu(p.enc8, p.dec8), conv_bn_relu(p.dec8, p.enc16), *residuals(p.enc16, p.depth)
        )
        self.stage16 = nn.Sequential(
            conv_bn_relu(p.enc16, p.dec16), conv_bn_relu(p.dec16, p.enc32), *residuals(p.enc32, p.depth)
        )
        self.stage32 = conv_bn_relu(p.enc32, p.dec32)
        # A runtime works on 8 channels at once: maps are made in eights, the spare ones are f_REG's alone.
        self.maps = nn.Conv2d(p.dec32, map_channels(num_points), 1)

    def forward(self, code_id: Tensor, code_pe: Tensor, places: tuple[Places, Places, Places]) -> Tensor:
        """C_id and C_pe [N, code/2, 4, 4] to map logits [N, map_channels(L), 32, 32]; class 0 first."""
        at32, at16, at8 = places
        x = self.stage4(torch.cat([code_id, code_pe], dim=1))
        x = self.stage8(unpool(x, at8))
        x = self.stage16(unpool(x, at16))
        maps: Tensor = self.maps(self.stage32(unpool(x, at32)))
        return maps


def map_channels(num_points: int) -> int:
    """L+1 classes, rounded up to a multiple of 8."""
    return (num_points + 1 + 7) // 8 * 8
