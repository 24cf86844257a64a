"""A wider network from a narrower one: it begins where that one ended."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from red.models.edge.network import RedNetwork
from red.models.presets import EDGE
from red.training import widen
from red.training.checkpoint import load_weights
from red_align.schemes import SCHEMES

NARROW = replace(
    EDGE,
    stem=(8, 8),
    enc32=8,
    enc16=16,
    enc8=16,
    code=16,
    dec8=16,
    dec16=16,
    dec32=8,
    reg=(8, 16, 16),
    reg_hidden=16,
    lstm=8,
)
WIDE = replace(
    NARROW,
    stem=(16, 24),
    label_width=16,
    enc32=16,
    enc16=24,
    enc8=32,
    code=24,
    dec8=24,
    dec16=24,
    dec32=16,
    reg=(16, 24, 24),
    reg_hidden=24,
    lstm=16,
    depth=1,
)


def trained() -> RedNetwork:
    """A narrow network whose batch norms know their inputs and whose every part has a say."""
    torch.manual_seed(5)
    network = RedNetwork(NARROW).train()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
        for _ in range(3):
            network.acquire(torch.rand(4, 3, 128, 128), network.mean_prior(4), network.fresh_memory(4))
    return network.eval()


@torch.no_grad()
def test_the_wider_network_answers_as_the_narrow_one_over_many_frames(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = trained()
    torch.save({"preset": NARROW.as_dict(), "step": 7, "average": before.state_dict()}, tmp_path / "narrow.pt")
    monkeypatch.setattr(widen, "BASE", WIDE)
    monkeypatch.setattr(sys, "argv", ["widen", str(tmp_path / "narrow.pt"), str(tmp_path / "wide.pt")])
    widen.main()
    after = RedNetwork(WIDE).eval()
    load_weights(tmp_path / "wide.pt", after)
    networks = (before, after)
    memories = [network.fresh_memory(2) for network in networks]
    priors = [network.mean_prior(2) for network in networks]
    for _ in range(3):
        image = torch.rand(2, 3, 128, 128)
        theirs, ours = (n.track(image, p, m) for n, p, m in zip(networks, priors, memories, strict=True))
        torch.testing.assert_close(ours.points, theirs.points, atol=1e-3, rtol=0)
        torch.testing.assert_close(ours.confidence, theirs.confidence, atol=1e-3, rtol=1e-3)
        priors, memories = [theirs.points, ours.points], [theirs.memory, ours.memory]
    theirs, ours = (n.acquire(image, n.mean_prior(2), n.fresh_memory(2))[-1] for n in networks)
    torch.testing.assert_close(ours.maps, theirs.maps, atol=1e-3, rtol=1e-3)


def test_new_channels_learn_from_the_first_step_on() -> None:
    """Nothing reads them yet; the kernels that shall read them are told at once which way to go."""
    network = RedNetwork(WIDE)
    network.load_state_dict(widen.widened(trained().state_dict(), NARROW, WIDE))
    answer = network.acquire(torch.rand(2, 3, 128, 128), network.mean_prior(2), network.fresh_memory(2))[-1]
    answer.maps.square().sum().backward()
    kernel = network.get_parameter("f_enc.stage16.0.0.weight")
    assert kernel.grad is not None
    assert kernel[:16, 8:].abs().max() == 0
    assert kernel.grad[:16, 8:].abs().max() > 0


def test_narrower_widths_and_other_points_are_refused() -> None:
    weights = trained().state_dict()
    with pytest.raises(ValueError, match="narrower"):
        widen.widened(weights, NARROW, replace(WIDE, enc16=8))
    with pytest.raises(ValueError, match="do not become"):
        widen.widened(weights, NARROW, replace(WIDE, scheme=next(s for s in SCHEMES if s != WIDE.scheme)))
