"""f_REG: response maps and encoder features to 2L coordinates relative to the mean shape."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from red.models.blocks import Joined, conv_bn_relu
from red.models.edge.decoder import map_channels
from red.models.edge.encoder import Encoded
from red.models.edge.fusion import PriorFusion
from red.models.edge.spatial import MapCentres
from red.models.presets import Preset
from red_align.contract import CROP_SIZE


class Regressed(NamedTuple):
    """Points, map centres, points before the fusion and motion [N, L, 2] in crop pixels; confidence logits [N, L]."""

    points: Tensor
    centres: Tensor
    confidence: Tensor
    measured: Tensor
    motion: Tensor


class Regression(nn.Module):
    """f_REG (paper 3.2): from the maps, with an early and a late encoder stage joined at their sizes.

    Ours: the maps' sub-pixel centres reach the output through a linear layer as well, so that at first the
    output is the centres; and what was measured is weighed against what was expected (red.models.edge.fusion).
    """

    mean: Tensor

    def __init__(self, preset: Preset, mean_shape: Tensor) -> None:
        super().__init__()
        num_points = mean_shape.shape[0]
        a, b, c = preset.reg
        self.register_buffer("mean", mean_shape.reshape(1, -1))
        self.centres = MapCentres()
        self.at16 = Joined(*conv_bn_relu(map_channels(num_points) + preset.enc32, a, stride=2))
        self.at8 = conv_bn_relu(a, b, stride=2)
        self.at4 = Joined(*conv_bn_relu(b + preset.enc8, c, stride=2))
        features = c * 16 + 5 * num_points
        self.hidden = nn.Sequential(nn.Linear(features, preset.reg_hidden), nn.ReLU())
        self.offsets = nn.Linear(preset.reg_hidden, 2 * num_points)
        self.from_centres = nn.Linear(2 * num_points, 2 * num_points, bias=False)
        self.fusion = PriorFusion(num_points, preset.reg_hidden + preset.lstm)
        self.confidence = nn.Linear(preset.reg_hidden + num_points, num_points)
        nn.init.zeros_(self.offsets.weight)
        nn.init.zeros_(self.offsets.bias)
        nn.init.eye_(self.from_centres.weight)

    def forward(self, maps: Tensor, encoded: Encoded, prior: Tensor, motion: Tensor, time: Tensor) -> Regressed:
        """Map logits [N, map_channels(L), 32, 32], encoder maps, prior and its motion [N, L, 2], the LSTM's h."""
        n, num_points = prior.shape[:2]
        centres, spread = self.centres(maps, 1, num_points)
        x = self.at4(self.at8(self.at16(maps, encoded.early)), encoded.late)
        from_mean = (centres.reshape(n, -1) - self.mean) / CROP_SIZE
        prior_from_mean = (prior.reshape(n, -1) - self.mean) / CROP_SIZE
        hidden = self.hidden(torch.cat([x.flatten(1), from_mean, prior_from_mean, spread], dim=1))
        offsets = self.from_centres(from_mean) + self.offsets(hidden)
        measured = (self.mean + CROP_SIZE * offsets).reshape(n, num_points, 2)
        points, motion = self.fusion(measured, prior, motion, spread, torch.cat([hidden, time], dim=1))
        return Regressed(points, centres, self.confidence(torch.cat([hidden, spread], dim=1)), measured, motion)
