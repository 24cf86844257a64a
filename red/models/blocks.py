"""The convolution block that all parts are made of."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def conv_bn_relu(channels_in: int, channels_out: int, stride: int = 1, kernel: int = 3) -> nn.Sequential:
    """Convolution without bias, batch norm, ReLU (VGG-16 with batch norm, as in the paper)."""
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(),
    )


class Joined(nn.Sequential):
    """Convolution, batch norm and ReLU of several maps side by side.

    In an exported graph each map has a convolution of its own, whose answers are added: the same sum, without
    writing the maps beside each other, and a map that is the same in all passes is convolved once.
    """

    def forward(self, *maps: Tensor) -> Tensor:
        """Maps [N, C, size, size] each, together as many channels as the convolution takes."""
        conv, *others = self.children()
        assert isinstance(conv, nn.Conv2d)
        answer: Tensor = conv(torch.cat(maps, dim=1)) if not torch.compiler.is_exporting() else _apart(conv, maps)
        for layer in others:
            answer = layer(answer)
        return answer


def _apart(conv: nn.Conv2d, maps: tuple[Tensor, ...]) -> Tensor:
    """The convolution of maps side by side as a sum of convolutions, the bias in the first."""
    (stride, _), (pad, _) = conv.stride, conv.kernel_size
    answers, first = [], 0
    for part in maps:
        kernel = conv.weight[:, first : first + part.shape[1]]
        bias = None if first else conv.bias
        answers.append(nn.functional.conv2d(part, kernel, bias, stride, pad // 2))
        first += part.shape[1]
    return sum(answers[1:], answers[0])


class Residual(nn.Module):
    """Two 3x3 convolutions whose answer is added to their input: depth without harm to the signal (He et al. 2016)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *conv_bn_relu(channels, channels),
            nn.Conv2d(channels, channels, 3, 1, 1, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Maps [N, C, size, size], float, to maps of the same shape."""
        return torch.relu(x + self.layers(x))


def residuals(channels: int, depth: int) -> list[nn.Module]:
    """``depth`` residual blocks of ``channels`` channels, to be put behind other layers."""
    return [Residual(channels) for _ in range(depth)]


def biases_for_batch_norm(network: nn.Module) -> None:
    """Replace every batch norm by a bias of the convolution before it, with He's initial weights (for comparison)."""
    for module in list(network.modules()):
        if not isinstance(module, nn.Sequential):
            continue
        for at in range(len(module) - 1):
            conv = module[at]
            if isinstance(conv, nn.Conv2d) and isinstance(module[at + 1], nn.BatchNorm2d):
                nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
                conv.bias = nn.Parameter(torch.zeros(conv.out_channels))
                module[at + 1] = nn.Identity()
