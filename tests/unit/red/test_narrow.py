"""A narrower network from a wider one, by what its channels are worth."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from red.models.edge.network import RedNetwork
from red.models.presets import EDGE
from red.training import narrow
from red.training.checkpoint import load_weights

SMALL = replace(EDGE, enc16=16, enc8=16, code=16, dec8=16, dec16=16, reg_hidden=16, lstm=8)
NARROW = replace(SMALL, stem=(16, 8), enc32=8, dec32=8, reg=(8, 16, 16))
WIDE = replace(SMALL, stem=(16, 24), enc32=16, dec32=16, reg=(16, 16, 16))
READERS = {
    "stem.layers.2.0.weight": (8, 24),
    "f_enc.join.0.weight": (8, 24),
    "f_enc.stage16.0.0.weight": (8, 16),
    "f_reg.at16.0.weight": (72 + 8, 72 + 16),
    "f_denc.stage32.0.weight": (8, 16),
    "f_denc.maps.weight": (8, 16),
    "f_reg.at8.0.weight": (8, 16),
}
"""Kernels, and which of their inputs the narrow network lacks."""


def wide() -> RedNetwork:
    """A network whose spare channels are read by nobody."""
    torch.manual_seed(3)
    network = RedNetwork(WIDE).eval()
    with torch.no_grad():
        for name, (first, last) in READERS.items():
            network.get_parameter(name)[:, first:last] = 0.0
    return network


@torch.no_grad()
def test_channels_that_nobody_reads_are_left_out_and_nothing_else_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = wide()
    torch.save({"preset": WIDE.as_dict(), "step": 7, "average": before.state_dict()}, tmp_path / "wide.pt")
    monkeypatch.setattr(narrow, "EDGE", NARROW)
    monkeypatch.setattr(sys, "argv", ["narrow", str(tmp_path / "wide.pt"), str(tmp_path / "narrow.pt")])
    narrow.main()
    after = RedNetwork(NARROW).eval()
    load_weights(tmp_path / "narrow.pt", after)
    image = torch.rand(2, 3, 128, 128)
    ours, theirs = (n.acquire(image, n.mean_prior(2), n.fresh_memory(2))[-1] for n in (after, before))
    torch.testing.assert_close(ours.points, theirs.points, atol=1e-3, rtol=0)
    torch.testing.assert_close(ours.maps, theirs.maps, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_what_is_read_most_stays_wherever_it_is() -> None:
    """Kernels that read the last channels alone: those are kept, not the first."""
    before = wide().state_dict()
    kernel = before["stem.layers.2.0.weight"]
    kernel.copy_(kernel.flip(1))
    after = narrow.narrowed(before, NARROW)
    assert torch.equal(after["stem.layers.1.0.weight"], before["stem.layers.1.0.weight"][-8:])
    assert after["stem.layers.2.0.weight"].abs().min() > 0
