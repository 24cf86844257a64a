"""Preset ``base``: the same network with residual blocks, as it is trained, kept and folded for export."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from export.folding import folded
from red.models.blocks import Joined, Residual, conv_bn_relu
from red.models.edge.network import RedNetwork
from red.models.presets import BASE, EDGE, preset_from_dict
from red_align.contract import MAX_MEMORY

THIN = replace(
    BASE, stem=(8, 8), enc32=8, enc16=8, enc8=8, code=16, dec8=8, dec16=8, dec32=8, reg=(8, 8, 8), reg_hidden=16, lstm=8
)
"""As deep as base, and quick."""


def warmed(preset_seed: int = 0) -> RedNetwork:
    """A thin network whose batch norms know their inputs."""
    torch.manual_seed(preset_seed)
    network = RedNetwork(THIN).train()
    for _ in range(3):
        network.acquire(torch.rand(4, 3, 128, 128), network.mean_prior(4), network.fresh_memory(4))
    return network.eval()


def test_memory_keeps_to_the_contract_and_the_preset_survives_a_checkpoint() -> None:
    assert BASE.memory == 2 * BASE.lstm + 2 * 68 <= MAX_MEMORY
    assert preset_from_dict(BASE.as_dict()) == BASE
    older = {name: value for name, value in EDGE.as_dict().items() if name != "depth"}
    assert preset_from_dict(older) == EDGE


def test_depth_puts_residual_blocks_into_stem_encoder_and_decoder() -> None:
    places = [name for name, module in RedNetwork(THIN).named_modules() if isinstance(module, Residual)]
    assert sorted({".".join(name.split(".")[:2]) for name in places}) == [
        *("f_denc.stage16", "f_denc.stage8", "f_enc.stage16", "f_enc.stage4", "f_enc.stage8", "stem.layers")
    ]
    assert not any(isinstance(module, Residual) for module in RedNetwork(EDGE).modules())


@torch.no_grad()
def test_folding_reaches_into_residual_blocks_and_changes_nothing() -> None:
    network = warmed()
    copy = folded(network)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in copy.modules())
    image = torch.rand(2, 3, 128, 128)
    one, other = (n.track(image, n.mean_prior(2), n.fresh_memory(2)) for n in (network, copy))
    torch.testing.assert_close(one.points, other.points, atol=0.02, rtol=0)
    torch.testing.assert_close(one.maps, other.maps, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("stride", [1, 2])
@torch.no_grad()
def test_maps_side_by_side_are_convolved_apart_in_exported_graphs(stride: int, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(1)
    block = Joined(*conv_bn_relu(7, 4, stride)).eval()
    maps = torch.randn(2, 5, 8, 8), torch.randn(2, 2, 8, 8)
    together = block(*maps)
    monkeypatch.setattr("torch.compiler.is_exporting", lambda: True)
    torch.testing.assert_close(block(*maps), together, atol=1e-5, rtol=1e-5)
