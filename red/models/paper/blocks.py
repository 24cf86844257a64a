"""Convolutions of the paper's network: 3x3, batch norm and ReLU after each."""

from __future__ import annotations

from itertools import pairwise

from torch import nn

from red.models.blocks import conv_bn_relu


def conv_block(channels_in: int, channels_out: int, batch_norm: bool) -> nn.Sequential:
    """3x3 convolution, batch norm, ReLU; without batch norm the convolution has a bias."""
    if batch_norm:
        return conv_bn_relu(channels_in, channels_out)
    return nn.Sequential(nn.Conv2d(channels_in, channels_out, 3, padding=1), nn.ReLU())


def conv_stage(channels: list[int], batch_norm: bool) -> nn.Sequential:
    """Convolution blocks one after another through these numbers of channels."""
    return nn.Sequential(*(conv_block(a, b, batch_norm) for a, b in pairwise(channels)))


def kaiming(module: nn.Module) -> None:
    """Begin with He's initialisation (ours): torch's own fades over 26 convolutions without batch norm."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)
