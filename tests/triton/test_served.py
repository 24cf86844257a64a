"""``red-export served``: a running server against torch, over interleaved streams that resume and begin anew."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from export import commands
from export.main import main
from red.models.edge.network import RedNetwork
from red.training.checkpoint import NAME, load_network, save_checkpoint
from service.config.settings import MODEL_FOLDER
from tests.conftest import Exports
from tests.triton.conftest import Make
from tests.triton.server import TritonProcess

SHIPPED = Path(__file__).parents[2] / "training" / "edge-4" / "weights.pt"
pytestmark = pytest.mark.timeout(400)


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "FRAMES", 16)


def checkpoint(network: RedNetwork, folder: Path) -> Path:
    save_checkpoint(folder / NAME, network, network, torch.optim.AdamW(network.parameters()), 1, {})
    return folder / NAME


def test_the_server_agrees_with_torch_and_with_the_graphs(
    triton: TritonProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    for against in (SHIPPED, MODEL_FOLDER):
        assert main(["served", triton.url, str(against)]) == 0
    assert capsys.readouterr().out.count("red_acquire ") == 2
    assert sum(k for n, k in triton.statistics("red").items() if n > 1) > 0


def test_a_server_of_other_weights_is_refused(
    triton: TritonProcess, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = load_network(SHIPPED)
    with torch.no_grad():
        other.f_trnn.gates.bias.add_(0.3)
    assert main(["served", triton.url, str(checkpoint(other, tmp_path))]) == 1
    assert "points differ" in capsys.readouterr().err


def test_the_papers_network_is_served_as_well(make_triton: Make, exports: Exports) -> None:
    folder = exports("paper7").folder
    assert main(["served", make_triton(graphs=folder).url, str(folder)]) == 0
