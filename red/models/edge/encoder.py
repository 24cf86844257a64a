"""f_ENC: the crop and the label map of the last pass to a bottleneck code, keeping pooling positions."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

from red.models.blocks import Joined, conv_bn_relu, residuals
from red.models.edge.pooling import Places, pool_with_positions
from red.models.presets import Preset


class Encoded(NamedTuple):
    """What the encoder hands on. Maps are [N, C, size, size]; ``places`` one a pooling."""

    code_id: Tensor  # C_id, [N, code/2, 4, 4]
    code_pe: Tensor  # C_pe, [N, code/2, 4, 4]
    places: tuple[Places, Places, Places]  # of the poolings 32->16, 16->8, 8->4
    early: Tensor  # [N, enc32, 32, 32], stands for the paper's conv2_2
    late: Tensor  # [N, enc8, 8, 8], stands for the paper's conv4_3


class Stem(nn.Module):
    """The part of the encoder that sees the image alone; run once a frame, not once a pass (ours)."""

    def __init__(self, preset: Preset) -> None:
        super().__init__()
        a, b = preset.stem
        self.layers = nn.Sequential(
            conv_bn_relu(3, a, stride=2),
            conv_bn_relu(a, b, stride=2),
            conv_bn_relu(b, b),
            *residuals(b, preset.depth),
        )

    def forward(self, image: Tensor) -> Tensor:
        """Image float [N, 3, 128, 128] in 0..1 to maps [N, stem, 32, 32]."""
        maps: Tensor = self.layers(image * 2.0 - 1.0)
        return maps


class Encoder(nn.Module):
    """f_ENC (paper 3.2). The label map joins after the stem, at 32x32, rather than at the image (ours)."""

    def __init__(self, preset: Preset) -> None:
        super().__init__()
        p = preset
        self.join = Joined(*conv_bn_relu(p.stem[1] + p.label_width, p.enc32))
        self.stage16 = _stage(p.enc32, p.enc16, p.depth)
        self.stage8 = _stage(p.enc16, p.enc8, p.depth)
        self.stage4 = nn.Sequential(*conv_bn_relu(p.enc8, p.code), *residuals(p.code, p.depth))
        self.width_id = p.code // 2

    def forward(self, stem: Tensor, label_map: Tensor) -> Encoded:
        """Stem maps [N, stem, 32, 32] and label map [N, label_width, 32, 32] to the code and its company."""
        early = self.join(stem, label_map)
        x, at32 = pool_with_positions(early)
        x, at16 = pool_with_positions(self.stage16(x))
        late = self.stage8(x)
        x, at8 = pool_with_positions(late)
        code = self.stage4(x)
        return Encoded(code[:, : self.width_id], code[:, self.width_id :], (at32, at16, at8), early, late)


def _stage(channels_in: int, channels: int, depth: int) -> nn.Sequential:
    return nn.Sequential(
        conv_bn_relu(channels_in, channels), conv_bn_relu(channels, channels), *residuals(channels, depth)
    )
