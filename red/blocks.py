"""The convolution block that all parts are made of."""

from __future__ import annotations

from torch import nn


def conv_bn_relu(channels_in: int, channels_out: int, stride: int = 1, kernel: int = 3) -> nn.Sequential:
    """Convolution without bias, batch norm, ReLU (VGG-16 with batch norm, as in the paper)."""
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(),
    )
