"""Training runs of a few steps: what they write, that they go on where they stopped, and that they learn."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from red.batches import StillRecipe, TrainingSet, make_batch
from red.checkpoint import NAME, load_network
from red.network import RedNetwork
from red.presets import EDGE
from red.pts import BadAnnotation, write_pts
from red.stills import still_loss
from red.train import Trainer, arguments, main, parameter_groups
from tests.unit.faces import astronaut_face

REPORTS = [2, 3, 4, 6]
"""Every second step, and the ends of both stages of three steps."""


def write_faces(folder: Path, names: list[str]) -> None:
    """Pictures of the astronaut, each cut a little differently, with their points."""
    for i, name in enumerate(names):
        face = astronaut_face(left=9 * i, top=5 * (i % 3))
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), cv2.cvtColor(face.image, cv2.COLOR_RGB2BGR))
        write_pts(path.with_suffix(".pts"), face.points)


def write_data(root: Path) -> Path:
    """A data set as the trainer expects it, with two persons."""
    write_faces(root / "300w" / "train", [f"t{i}.jpg" for i in range(6)])
    write_faces(root / "300w" / "val", ["v0.jpg", "v1.jpg"])
    write_faces(root / "ytf" / "train", [f"{who}/0/a{i}.jpg" for who in ("Ann", "Bob") for i in range(3)])
    return root


def command_line(monkeypatch: pytest.MonkeyPatch, data: Path, out: Path, *more: str) -> None:
    """What ``python -m red.train`` sees."""
    steps = ["--stills", "3", "--temporal", "3", "--batch", "8", "--every", "2", "--threads", "1"]
    monkeypatch.setattr(sys, "argv", ["train", "--data", str(data), "--out", str(out), *steps, *more])


@dataclass
class Run:
    """A run that was cut off once and went on: its folder, steps begun and losses by call, and the last trainer."""

    data: Path
    out: Path
    steps: list[list[int]] = field(default_factory=list)
    points: dict[int, float] = field(default_factory=dict)
    log_after_cut: list[int] = field(default_factory=list)
    trainer: Trainer | None = None

    def log(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in (self.out / "log.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    root = tmp_path_factory.mktemp("training")
    run = Run(write_data(root / "data"), root / "out")
    update = Trainer.update

    def watched(self: Trainer, loss: Tensor, parts: dict[str, float]) -> None:
        if len(run.steps) == 1 and self.step == 5:
            raise KeyboardInterrupt  # Step 5 is done but not saved: the checkpoint is of step 4.
        run.steps[-1].append(self.step)
        run.points[self.step] = parts["points"]
        update(self, loss, parts)

    with pytest.MonkeyPatch.context() as patch:
        command_line(patch, run.data, run.out)
        patch.setattr(Trainer, "update", watched)
        run.steps.append([])
        with pytest.raises(KeyboardInterrupt):
            Trainer(arguments()).run()
        run.log_after_cut = [int(str(line["step"])) for line in run.log()]
        run.steps.append([])
        run.trainer = Trainer(arguments())
        run.trainer.run()
    return run


def test_a_run_that_was_cut_off_goes_on_from_its_last_checkpoint(run: Run) -> None:
    assert run.steps == [[0, 1, 2, 3, 4], [4, 5]]
    assert run.log_after_cut == REPORTS[:3]
    assert [line["step"] for line in run.log()] == REPORTS
    assert [line["stage"] for line in run.log()] == ["stills", "stills", "temporal", "temporal"]
    assert torch.load(run.out / NAME, weights_only=True)["step"] == 6
    assert [p.name for p in sorted(run.out.iterdir())] == ["checkpoint.pt", "log.jsonl"]


def test_a_finished_run_is_left_as_it_is(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {p.name: p.read_bytes() for p in run.out.iterdir()}
    command_line(monkeypatch, run.data, run.out)
    main()
    assert {p.name: p.read_bytes() for p in run.out.iterdir()} == before


def test_the_log_gives_the_mean_loss_since_the_line_before(run: Run) -> None:
    first = 0
    for line in run.log():
        step, loss = int(str(line["step"])), line["loss"]
        assert isinstance(loss, dict)
        wanted = np.mean([run.points[s] for s in range(first, step)])
        assert loss["points"] == pytest.approx(wanted, abs=1e-3)
        assert ("video" in loss) == (step > 3)
        first = step


def test_the_log_has_the_validation_of_every_pass(run: Run) -> None:
    for line in run.log():
        for name in ("300w", "300w_axis"):
            values = line[name]
            assert isinstance(values, dict)
            assert set(values) == {"pass1", "pass2", "pass3", "median", "over8", "again"}
            assert all(np.isfinite(v) for v in values.values())
        assert "ytf" not in line


def test_a_loaded_network_has_the_averaged_weights(run: Run) -> None:
    network = load_network(run.out / NAME)
    assert run.trainer is not None
    average, last = run.trainer.average.state_dict(), run.trainer.network.state_dict()
    assert not network.training
    assert network.preset == replace(EDGE, identities=2)
    assert all(torch.equal(v, average[k]) for k, v in network.state_dict().items())
    assert any(not torch.equal(v, last[k]) for k, v in network.state_dict().items())


def test_the_temporal_stage_teaches_the_lstm_and_leaves_batch_norm_alone(run: Run) -> None:
    assert run.trainer is not None
    network = run.trainer.network
    assert network.f_trnn.expand.weight.abs().max() > 0
    counts = [int(v) for k, v in network.state_dict().items() if k.endswith("num_batches_tracked")]
    # Three steps of stills: the stem runs once a step, the rest once a pass.
    assert set(counts) == {3, 9}


def test_the_loss_of_one_batch_falls() -> None:
    faces = [TrainingSet([astronaut_face(0, 0, "Ann"), astronaut_face(20, 9, "Bob")], 1.0, 1.0)]
    recipe = StillRecipe(faces, "ibug68", {"Ann": 0, "Bob": 1}, batch=8)
    batch = make_batch(recipe, np.random.default_rng(0))
    torch.manual_seed(0)
    network = RedNetwork(replace(EDGE, identities=2)).train()
    optimiser = torch.optim.AdamW(parameter_groups(network), lr=2e-3)
    losses = []
    for _ in range(15):
        loss, parts = still_loss(network, batch)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert set(parts) == {"points", "centres", "maps", "confidence", "identity"}
    assert 0 < losses[-1] < 0.7 * losses[0]


def test_every_parameter_is_optimised_once_and_the_identities_are_not_decayed() -> None:
    network = RedNetwork(EDGE)
    decayed, free = ({id(p) for p in g["params"]} for g in parameter_groups(network))  # type: ignore[attr-defined]
    assert decayed | free == {id(p) for p in network.parameters()}
    assert not decayed & free
    assert {id(network.f_reg.from_centres.weight), id(network.f_reg.from_prior.weight)} <= free
    assert id(network.f_trnn.gates.weight) in decayed


def test_the_rate_warms_up_and_falls_in_both_stages() -> None:
    args = SimpleNamespace(stills=4000, temporal=400, rate=2e-3, temporal_rate=4e-4)
    rates = {s: Trainer.rate(SimpleNamespace(step=s, args=args, _cosine=Trainer._cosine)) for s in range(4400)}
    assert rates[0] == pytest.approx(2e-3 / 200, rel=0.01)
    assert max(rates, key=lambda s: rates[s]) == 199
    assert rates[199] == pytest.approx(2e-3, rel=0.01)
    assert rates[3999] == pytest.approx(0.02 * 2e-3, rel=0.01)
    assert rates[4000] == pytest.approx(4e-4 / 40, rel=0.01)
    assert max(rates[s] for s in range(4000, 4400)) == pytest.approx(4e-4, rel=0.03)


def test_strict_refuses_bad_data_and_no_data_is_refused_always(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_faces(tmp_path / "300w" / "train", ["good.jpg", "bad.jpg"])
    (tmp_path / "300w" / "train" / "bad.pts").write_text("nothing")
    (tmp_path / "300w" / "val").mkdir()
    command_line(monkeypatch, tmp_path, tmp_path / "out", "--strict")
    with pytest.raises(BadAnnotation, match=r"bad\.pts"):
        Trainer(arguments())
    command_line(monkeypatch, tmp_path, tmp_path / "out")
    with pytest.raises(FileNotFoundError, match="val holds no labelled face"):
        Trainer(arguments())
