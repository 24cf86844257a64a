"""f_ENC: the thirteen convolutions of VGG-16 on the image and the label map, to the bottleneck code."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from red.models.paper.blocks import conv_stage
from red.models.paper.pooling import pool_with_positions
from red.models.paper.preset import CONVOLUTIONS, PaperPreset

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of RGB in 0..1: what the weights of torchvision's VGG-16 expect."""


class Encoded(NamedTuple):
    """What the encoder hands on; sizes are those of the full network."""

    code_id: Tensor  # C_id [N, 256, 4, 4]
    code_pe: Tensor  # C_pe [N, 256, 4, 4]
    positions: tuple[Tensor, ...]  # of the five poolings, the one from 128x128 first
    conv2_2: Tensor  # [N, 128, 64, 64]
    conv4_3: Tensor  # [N, 512, 16, 16]


class Encoder(nn.Module):
    """f_ENC (paper, section 3): VGG-16 without its fully connected layers, 128x128x(3+1) to 4x4x512.

    ``stages[i]`` holds the convolutions conv(i+1)_1, conv(i+1)_2, ...; a 2x2 max-pooling follows each stage.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, preset: PaperPreset) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).reshape(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).reshape(1, 3, 1, 1), persistent=False)
        before = [3 + 1, *preset.widths[:-1]]
        self.stages = nn.ModuleList(
            conv_stage([a] + [b] * number, preset.batch_norm)
            for a, b, number in zip(before, preset.widths, CONVOLUTIONS, strict=True)
        )
        self.width_id = preset.code // 2

    def forward(self, image: Tensor, label_map: Tensor) -> Encoded:
        """Image [N, 3, 128, 128] in 0..1 and label map [N, 1, 128, 128] to the code and its company."""
        x = torch.cat([(image - self.mean) / self.std, label_map], dim=1)
        positions: list[Tensor] = []
        features: list[Tensor] = []
        for stage in self.stages:
            features.append(stage(x))
            x, kept = pool_with_positions(features[-1])
            positions.append(kept)
        return Encoded(x[:, : self.width_id], x[:, self.width_id :], tuple(positions), features[1], features[3])
