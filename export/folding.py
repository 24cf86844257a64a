"""Batch norm folded into the convolution before it, so that all passes of a graph name the same weights."""

from __future__ import annotations

from copy import deepcopy

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from red.models.build import AnyNetwork


def folded(network: AnyNetwork) -> AnyNetwork:
    """A copy for inference without batch norm layers; the same function up to rounding.

    Args:
        network: Of either kind; it is left as it is.

    Returns:
        A copy in evaluation mode, whose convolutions have the norms' scales and shifts.
    """
    copy = deepcopy(network).eval()
    for module in list(copy.modules()):
        if not isinstance(module, nn.Sequential):
            continue
        for at in range(len(module) - 1):
            conv, norm = module[at], module[at + 1]
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                module[at] = fuse_conv_bn_eval(conv, norm)
                module[at + 1] = nn.Identity()
    return copy
