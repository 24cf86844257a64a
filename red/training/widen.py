"""A wider network from a trained one: ``python -m red.training.widen WEIGHTS OUT`` (OUT is for ``--init``).

The wider network answers as the trained one at first (Chen et al., Net2Net, ICLR 2016): its new channels begin at
random and nothing reads them yet, and its new residual blocks add nothing yet. A teacher begins where its pupil ended.
"""

from __future__ import annotations

import argparse
import re
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from red.models.build import build_network
from red.models.edge.decoder import map_channels
from red.models.presets import BASE, Preset, preset_from_dict
from red_align.schemes import SCHEMES

Weights = dict[str, Tensor]
Parts = tuple[int, ...]
_CELLS = 16
"""Cells of a 4x4 map, which linear layers read channel by channel."""


def _made(name: str, preset: Preset) -> Parts | None:
    """Parts of what a tensor's rows make, where they are several beside each other: they grow one by one."""
    if name.startswith(("f_enc.stage4.0.", "f_enc.stage4.1.")):
        return (preset.code // 2,) * 2
    if name.startswith("f_trnn.gates."):
        return (preset.lstm,) * 4
    return None


def _read(name: str, preset: Preset) -> Parts | None:
    """The same of what a kernel reads."""
    points = SCHEMES[preset.scheme].num_points
    return {
        "f_enc.join.0.weight": (preset.stem[1], preset.label_width),
        "f_denc.stage4.0.weight": (preset.code // 2,) * 2,
        "f_reg.at16.0.weight": (map_channels(points), preset.enc32),
        "f_reg.at4.0.weight": (preset.reg[1], preset.enc8),
        "f_reg.hidden.0.weight": (preset.reg[2] * _CELLS, 5 * points),
        "f_reg.fusion.features.0.weight": (preset.reg_hidden, preset.lstm, 2 * points + 1),
        "f_reg.confidence.weight": (preset.reg_hidden, points),
        "f_trnn.gates.weight": (preset.lstm,) * 2,
    }.get(name)


def _places(old: Parts, new: Parts) -> Tensor:
    """Where the old rows, or columns, stand among the new ones."""
    if any(was > now for was, now in zip(old, new, strict=True)):
        raise ValueError(f"a width of {new} is narrower than {old}")
    firsts = [sum(new[:at]) for at in range(len(new))]
    return torch.cat([torch.arange(first, first + count) for first, count in zip(firsts, old, strict=True)])


def widened(weights: Weights, was: Preset, preset: Preset) -> Weights:
    """Weights of the network ``preset``, which answers as the one of preset ``was`` with these averaged weights.

    Raises:
        ValueError: ``preset`` is narrower somewhere, or has other points.
    """
    if was.scheme != preset.scheme:
        raise ValueError(f"points of {was.scheme} do not become points of {preset.scheme}")
    new = build_network(preset).state_dict()
    for name, value in new.items():
        if re.search(r"\.layers\.4\.weight$", name) and name not in weights:
            value.zero_()  # The last batch norm of a new residual block.
        if name not in weights or name.startswith("f_cls."):
            continue
        old = weights[name]
        if old.ndim == 0 or old.shape == value.shape:
            value.copy_(old)
            continue
        rows = _places(_made(name, was) or (old.shape[0],), _made(name, preset) or (value.shape[0],))
        if old.ndim == 1:
            value[rows] = old
            continue
        columns = _places(_read(name, was) or (old.shape[1],), _read(name, preset) or (value.shape[1],))
        value[rows] = 0.0
        value[rows[:, None], columns] = old
    return new


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    torch.manual_seed(0)
    values = torch.load(args.weights, map_location="cpu", weights_only=True)
    was = preset_from_dict(values["preset"])
    if not isinstance(was, Preset):
        raise SystemExit(f"{args.weights} is of the preset {was.name}, which has no wider one")
    preset = replace(BASE, scheme=was.scheme, identities=was.identities)
    average = widened(values["average"], was, preset)
    torch.save({"preset": preset.as_dict(), "step": values["step"], "average": average}, args.out)


if __name__ == "__main__":
    main()
