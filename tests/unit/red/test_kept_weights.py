"""What is kept of a run for the repository: whole where it is small, else in half the room."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from red.models.edge.network import RedNetwork
from red.models.presets import EDGE
from red.training import checkpoint
from red.training.checkpoint import load_network, load_weights, save_weights

THIN = replace(
    EDGE, enc16=16, enc8=16, code=16, dec8=16, dec16=16, reg=(8, 16, 16), reg_hidden=16, lstm=8, identities=3
)


@pytest.fixture
def run(tmp_path: Path) -> RedNetwork:
    """A network whose checkpoint lies in the folder."""
    torch.manual_seed(4)
    network = RedNetwork(THIN).eval()
    torch.save(
        {"preset": THIN.as_dict(), "step": 5, "average": network.state_dict(), "optimiser": {}}, tmp_path / "run.pt"
    )
    return network


@torch.no_grad()
@pytest.mark.parametrize("most", [10_000_000, 1000])
def test_kept_weights_answer_as_the_run_and_another_run_begins_from_them(
    run: RedNetwork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(checkpoint, "MOST_BYTES", most)
    save_weights(tmp_path / "run.pt", tmp_path / "kept.pt")
    image = torch.rand(2, 3, 128, 128)
    begun = RedNetwork(replace(THIN, identities=7)).eval()
    load_weights(tmp_path / "kept.pt", begun)
    for network in (load_network(tmp_path / "kept.pt"), begun):
        ours, theirs = (n.track(image, n.mean_prior(2), n.fresh_memory(2)) for n in (network, run))
        torch.testing.assert_close(ours.points, theirs.points, atol=0.0 if most > 1000 else 0.3, rtol=0)
    size = (tmp_path / "kept.pt").stat().st_size
    assert (size < 0.7 * (tmp_path / "run.pt").stat().st_size) == (most == 1000)
