"""Training with feature maps in bfloat16, on processors that compute in it (nearly twice as fast there).

Points are a matter of hundredths of a pixel, for which bfloat16 is too coarse: response maps, their centres, the
head, time and the fusion stay in float32, as do the weights and what the optimiser keeps. Averaged weights are
validated and exported in float32.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from red.models.edge.network import RedNetwork


def supported() -> bool:
    """Whether this processor multiplies bfloat16 by itself; elsewhere it is slower than float32."""
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def maps_in_bfloat16(network: RedNetwork) -> None:
    """Let the convolutions of a network compute in bfloat16 from now on; its weights stay as they are."""
    encoder, decoder, head = network.f_enc, network.f_denc, network.f_reg
    for part in (network.stem, encoder.join, encoder.stage16, encoder.stage8, network.f_srnn):
        _wrap(part, keep=True)
    for part in (decoder.stage4, decoder.stage8, decoder.stage16, head.at16, head.at8):
        _wrap(part, keep=True)
    for part in (encoder.stage4, decoder.stage32, head.at4):  # What they give is read in float32.
        _wrap(part, keep=False)


def _wrap(part: nn.Module, keep: bool) -> None:
    """The part's own forward under autocast: no module in between, which would rename the weights."""
    plain = part.forward

    def forward(*tensors: torch.Tensor) -> Any:
        with torch.autocast("cpu", torch.bfloat16):
            maps = plain(*tensors)
        return maps if keep else maps.float()

    part.forward = forward
