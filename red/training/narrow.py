"""A narrower network from a trained one: ``python -m red.training.narrow WEIGHTS OUT`` (OUT is for ``--init``).

Where the preset ``edge`` is narrower than the network of WEIGHTS, the channels that its consumers weigh most stay (Li
et al., Pruning Filters for Efficient ConvNets, ICLR 2017: norms of kernels). The narrower network is far off at first
and close after a few steps, long before one that begins at random.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from red.models.presets import EDGE, Preset, preset_from_dict

Weights = dict[str, Tensor]


@dataclass(frozen=True)
class Channels:
    """Channels that are made by one convolution and read by others.

    ``made`` is the block (convolution ``.0``, batch norm ``.1``); ``read`` are the consumers' kernels, each with the
    number of the first of these channels among its inputs.
    """

    made: str
    read: tuple[tuple[str, int], ...]


def channels_at_32(preset: Preset, maps: int) -> dict[Channels, int]:
    """The channels of maps 32x32, in the order of the network, and how many of them ``preset`` has.

    ``maps`` are the channels of the response maps, which precede the encoder's in f_REG's first kernel.
    """
    return {
        Channels("stem.layers.1", (("stem.layers.2.0.weight", 0),)): preset.stem[1],
        Channels("stem.layers.2", (("f_enc.join.0.weight", 0),)): preset.stem[1],
        Channels("f_enc.join", (("f_enc.stage16.0.0.weight", 0), ("f_reg.at16.0.weight", maps))): preset.enc32,
        Channels("f_denc.stage32", (("f_denc.maps.weight", 0),)): preset.dec32,
        Channels("f_reg.at16", (("f_reg.at8.0.weight", 0),)): preset.reg[0],
    }


def narrowed(weights: Weights, preset: Preset) -> Weights:
    """Averaged weights of a network that is wider at 32x32, cut down to the widths of ``preset``."""
    for channels, keep in channels_at_32(preset, weights["f_denc.maps.weight"].shape[0]).items():
        weights = _without(weights, channels, keep)
    return weights


def _without(weights: Weights, channels: Channels, keep: int) -> Weights:
    """These weights with the ``keep`` most read channels of the block left, in their order."""
    made = channels.made
    count = weights[f"{made}.0.weight"].shape[0]
    importance = sum(
        weights[name][:, first : first + count].float().flatten(2).norm(dim=2).sum(0) for name, first in channels.read
    )
    assert isinstance(importance, Tensor)
    importance = importance * weights[f"{made}.1.weight"].abs()
    kept = importance.topk(keep).indices.sort().values
    new = dict(weights)
    _take(new, made, kept)
    for name, first in channels.read:
        kernel = new[name]
        before, own, after = kernel[:, :first], kernel[:, first : first + count], kernel[:, first + count :]
        new[name] = torch.cat([before, own[:, kept], after], dim=1)
    if made == "f_enc.join":  # Unpooling multiplies the decoder's maps by the encoder's places: the same channels.
        _take(new, "f_denc.stage16.1", kept)
        new["f_denc.stage32.0.weight"] = new["f_denc.stage32.0.weight"][:, kept]
    return new


def _take(weights: Weights, block: str, kept: Tensor) -> None:
    """Leave these output channels of a block, in place."""
    for part in (".0.weight", ".1.weight", ".1.bias", ".1.running_mean", ".1.running_var"):
        weights[block + part] = weights[block + part][kept]


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    values = torch.load(args.weights, map_location="cpu", weights_only=True)
    was = preset_from_dict(values["preset"])
    preset = replace(EDGE, scheme=was.scheme, identities=was.identities)
    torch.save(
        {"preset": preset.as_dict(), "step": values["step"], "average": narrowed(values["average"], preset)}, args.out
    )


if __name__ == "__main__":
    main()
