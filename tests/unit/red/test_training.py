"""Training runs of a few steps: what they write, that they go on where they stopped, and that they learn."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from red.data.batches import StillRecipe, TrainingSet, make_batch
from red.models.edge.network import RedNetwork
from red.models.presets import EDGE
from red.training.checkpoint import HELD, NAME, load_network
from red.training.losses import EYE_PX
from red.training.record import main as write_record
from red.training.still_stage import still_loss
from red.training.temporal_stage import SOFT_PX, steadiness
from red.training.train import Trainer, arguments, main, parameter_groups
from red_align.datasets.pts import BadAnnotation
from tests.support.faces import astronaut_face, write_faces, write_training_data

REPORTS = [2, 3, 4, 6]
"""Every second step, and the ends of both stages of three steps."""


def command_line(monkeypatch: pytest.MonkeyPatch, data: Path, out: Path, *more: str) -> None:
    """What ``python -m red.training.train`` sees."""
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
    run = Run(write_training_data(root / "data"), root / "out")
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


@pytest.mark.slow
def test_a_run_that_was_cut_off_goes_on_from_its_last_checkpoint(run: Run) -> None:
    assert run.steps == [[0, 1, 2, 3, 4], [4, 5]]
    assert run.log_after_cut == REPORTS[:3]
    assert [line["step"] for line in run.log()] == REPORTS
    assert [line["stage"] for line in run.log()] == ["stills", "stills", "temporal", "temporal"]
    assert torch.load(run.out / NAME, weights_only=True)["step"] == 6
    assert [p.name for p in sorted(run.out.iterdir())] == ["checkpoint.pt", "held.pt", "log.jsonl"]


@pytest.mark.slow
def test_a_finished_run_is_left_as_it_is(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {p.name: p.read_bytes() for p in run.out.iterdir()}
    command_line(monkeypatch, run.data, run.out)
    main()
    assert {p.name: p.read_bytes() for p in run.out.iterdir()} == before


@pytest.mark.slow
def test_the_log_gives_the_mean_loss_since_the_line_before(run: Run) -> None:
    first = 0
    for line in run.log():
        step, loss = int(str(line["step"])), line["loss"]
        assert isinstance(loss, dict)
        wanted = np.mean([run.points[s] for s in range(first, step)])
        assert loss["points"] == pytest.approx(wanted, abs=1e-3)
        assert ("video" in loss) == (step > 3)
        first = step


@pytest.mark.slow
def test_the_log_has_the_validation_of_every_pass(run: Run) -> None:
    for line in run.log():
        for name in ("300w", "300w_axis"):
            values = line[name]
            assert isinstance(values, dict)
            assert set(values) == {"pass1", "pass2", "pass3", "median", "over8", "again"}
            assert all(np.isfinite(v) for v in values.values())
        assert "ytf" not in line


@pytest.mark.slow
def test_a_loaded_network_has_the_averaged_weights(run: Run) -> None:
    network = load_network(run.out / NAME)
    assert run.trainer is not None
    average, last = run.trainer.average.state_dict(), run.trainer.network.state_dict()
    assert not network.training
    assert network.preset == replace(EDGE, identities=2)
    assert all(torch.equal(v, average[k]) for k, v in network.state_dict().items())
    assert any(not torch.equal(v, last[k]) for k, v in network.state_dict().items())


@pytest.mark.slow
def test_the_temporal_stage_teaches_the_lstm_and_leaves_batch_norm_alone(run: Run) -> None:
    assert run.trainer is not None
    network = run.trainer.network
    assert network.f_trnn.expand.weight.abs().max() > 0
    counts = [int(v) for k, v in network.state_dict().items() if k.endswith("num_batches_tracked")]
    # Three steps of stills: the stem runs once a step, the rest once a pass and once for the next views.
    assert set(counts) == {3, 12}


@pytest.mark.slow
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
    assert set(parts) == {"points", "centres", "maps", "confidence", "identity", "tracked"}
    assert 0 < losses[-1] < 0.7 * losses[0]


def test_every_parameter_is_optimised_once_and_the_identities_are_not_decayed() -> None:
    network = RedNetwork(EDGE)
    decayed, free = ({id(p) for p in g["params"]} for g in parameter_groups(network))  # type: ignore[attr-defined]
    assert decayed | free == {id(p) for p in network.parameters()}
    assert not decayed & free
    assert id(network.f_reg.from_centres.weight) in free
    assert id(network.f_trnn.gates.weight) in decayed


def test_the_rate_warms_up_holds_and_falls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = ["--stills", "4000", "--temporal", "400", "--rate", "2e-3", "--temporal-rate", "4e-4"]
    command_line(monkeypatch, write_training_data(tmp_path / "data"), tmp_path / "out", *steps)
    trainer, rates = Trainer(arguments()), []
    for trainer.step in range(4400):
        rates.append(trainer.rate())
    assert rates[0] == pytest.approx(2e-3 / 200, rel=0.01)
    assert all(rate == pytest.approx(2e-3) for rate in rates[199:2401])
    assert rates[3999] == pytest.approx(0.02 * 2e-3, rel=0.01)
    assert rates[4000] == pytest.approx(4e-4 / 40, rel=0.01)
    assert max(rates[4000:]) == pytest.approx(4e-4, rel=0.03)


@pytest.mark.slow
def test_what_a_run_held_before_the_rate_fell_is_kept(run: Run) -> None:
    assert torch.load(run.out / HELD, weights_only=True)["step"] == 1


@pytest.mark.slow
def test_a_longer_run_goes_on_from_what_a_record_keeps(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record, longer = tmp_path / "record", tmp_path / "longer"
    monkeypatch.setattr(sys, "argv", ["record", str(run.out), str(record)])
    write_record()
    assert sorted(p.name for p in record.iterdir()) == ["curves.png", "log.jsonl", "resume.pt", "weights.pt"]
    assert (record / "resume.pt").stat().st_size < 0.7 * (run.out / HELD).stat().st_size
    longer.mkdir()
    shutil.copyfile(record / "resume.pt", longer / NAME)
    command_line(monkeypatch, run.data, longer, "--temporal", "0")
    trainer = Trainer(arguments())
    trainer.run()
    first = json.loads((longer / "log.jsonl").read_text().splitlines()[0])
    assert (first["step"], trainer.step) == (2, 3)
    before, held = trainer.network.state_dict(), torch.load(run.out / HELD, weights_only=True)["network"]
    assert all(v.dtype == held[k].dtype for k, v in before.items())
    assert all(torch.isfinite(v).all() for v in before.values() if v.is_floating_point())


def test_steadiness_counts_change_and_not_what_stays() -> None:
    eyes, both, parts = torch.full((7, 2), EYE_PX), torch.ones(2), torch.tensor([[0.5, 0.5, 0, 0, 0], [0, 0, 1, 1, 1]])
    parts = parts / parts.sum(1, keepdim=True)
    off = torch.tensor([3.0, -4.0]).expand(7, 2, 5, 2)
    assert [float(v) for v in steadiness(off, eyes, both, parts)] == pytest.approx([SOFT_PX] * 3, abs=1e-6)
    drift = torch.arange(7.0)[:, None, None, None] * torch.tensor([1.0, 0.0])
    about, bend, common = steadiness(off + drift, eyes, both, parts)
    assert float(common) == pytest.approx(float(about))
    assert float(about) == pytest.approx(1.2, abs=0.03)  # of 5 tracked frames: 2, 1, 0, 1, 2 px about their mean
    assert float(bend) == pytest.approx(SOFT_PX, abs=1e-6)
    shaking = off + (torch.arange(7) % 2)[:, None, None, None] * torch.tensor([0.0, 1.0])
    assert float(steadiness(shaking, eyes, both, parts)[1]) == pytest.approx(2.0, abs=0.01)
    apart = off + (torch.arange(7) % 2)[:, None, None, None] * torch.tensor([1.0, -1.0, 1.0, -1.0, 0.0])[:, None]
    assert float(steadiness(apart, eyes, both, parts)[2]) == pytest.approx(SOFT_PX, abs=1e-6)  # no part moves
    wild = shaking.clone()
    wild[:, 1] *= 40.0
    assert float(steadiness(wild, eyes, torch.tensor([1.0, 0.0]), parts)[1]) == pytest.approx(2.0, abs=0.01)


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
