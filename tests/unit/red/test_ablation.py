"""The ablation command on a few faces, and its figures on networks whose answers are known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from red.ablation.compare import VARIANTS, main
from red.ablation.figures import identity_figures, still_figures, video_figures
from red.models.edge.network import RedNetwork
from red.models.presets import EDGE
from red_align.datasets.protocol import draw
from tests.support.faces import astronaut_face, write_faces, write_training_data
from tests.support.networks import lively_network


@pytest.fixture(scope="module")
def network() -> RedNetwork:
    return lively_network("ibug68")


@pytest.mark.slow
def test_the_command_trains_and_judges_every_variant(tmp_path: Path) -> None:
    data = write_training_data(tmp_path / "data")
    write_faces(data / "ytf" / "val", [f"{who}/{k}/a.jpg" for who in ("Cat", "Dan") for k in range(2)])
    small = ["--stills", "2", "--batch", "4", "--threads", "1", "--limit", "4"]
    main(["--data", str(data), "--out", str(tmp_path / "runs"), *small])
    text = (tmp_path / "runs" / "ablation.txt").read_text()
    for name in VARIANTS:
        assert f"== {name}, 2 steps" in text
        assert (tmp_path / "runs" / name.replace(" ", "-") / "checkpoint.pt").exists()
    for row in ("pass 1", "pass 3", "the maps' own centres", "without f_tRNN", "as served", "C_id", "C_pe"):
        assert text.count(row) == len(VARIANTS), row


def test_without_batch_norm_there_is_none_and_every_convolution_has_a_bias() -> None:
    network = RedNetwork(replace(EDGE, batch_norm=False))
    assert not [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    assert all(m.bias is not None for m in network.modules() if isinstance(m, nn.Conv2d))
    result = network.acquire(torch.rand(1, 3, 128, 128), network.mean_prior(1), network.fresh_memory(1))[-1]
    assert torch.isfinite(result.points).all()


def test_still_figures_are_those_of_the_passes(network: RedNetwork) -> None:
    data = draw([astronaut_face()], upright=True, draws=2)
    rows = still_figures(network, data)
    assert list(rows)[:3] == ["pass 1", "pass 2", "pass 3"]
    assert all(values.shape == (2,) for values in rows.values())
    assert not np.allclose(rows["pass 1"], rows["pass 3"])


def test_ways_that_differ_in_a_part_that_is_silent_agree(network: RedNetwork) -> None:
    silent = RedNetwork(network.preset).eval()
    silent.load_state_dict(network.state_dict())
    with torch.no_grad():
        silent.f_trnn.expand.weight.zero_()
        silent.f_trnn.expand.bias.zero_()
        for logits in (silent.f_reg.fusion.shares, silent.f_reg.fusion.gains, silent.f_reg.fusion.own.answer):
            logits.weight.zero_()
            logits.bias.fill_(-40.0)
    rows = video_figures(silent, [astronaut_face()], 6)
    served = rows["prior and f_tRNN (as served)"]
    assert rows["prior, without f_tRNN"] == pytest.approx(served)
    assert rows["prior and f_tRNN, without motion"] == pytest.approx(served)
    assert rows["prior and f_tRNN, prior drawn but not weighed"] == pytest.approx(served, rel=1e-4)
    lively = video_figures(network, [astronaut_face()], 6)
    assert lively["prior, without f_tRNN"] != pytest.approx(lively["prior and f_tRNN (as served)"], rel=1e-4)


def test_codes_that_hold_the_person_tell_people_apart(network: RedNetwork) -> None:
    faces = [astronaut_face(4 * i, 0, "Ann") for i in range(2)] + [astronaut_face(0, 6 * i, "Bob") for i in range(2)]
    faces = [replace(f, path=Path(f"{f.person}/{i}/a.jpg")) for i, f in enumerate(faces)]
    codes = {"Ann": torch.randn(64, 4, 4), "Bob": torch.randn(64, 4, 4)}

    class Knowing(nn.Module):
        def forward(self, stem: torch.Tensor, label_map: torch.Tensor) -> object:
            held = torch.stack([codes[str(f.person)] for f in faces])
            return type("E", (), {"code_id": held + 0.1 * torch.randn_like(held), "code_pe": torch.randn(4, 64, 4, 4)})

    knowing = RedNetwork(network.preset).eval()
    knowing.f_enc = Knowing()  # type: ignore[assignment]
    assert identity_figures(knowing, faces)["C_id"] == 1.0
