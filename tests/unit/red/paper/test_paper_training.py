"""The paper's training on a few steps: all five stages in order, what each one changes, and going on after a cut."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from red.models.paper.network import PaperNetwork
from red.models.paper.preset import PAPER, PaperPreset
from red.training.checkpoint import load_network
from red.training.paper.checkpoint import NAME
from red.training.paper.stages import STAGES, Stage, set_stage
from red.training.paper.train import arguments, main
from red.training.paper.trainer import Trainer, rate
from red_align.datasets.pts import BadAnnotation
from tests.support.paper import THIN, write_paper_data
from tests.unit.red.paper.test_paper_vgg import torchvision_vgg, write

ORDER = ["detection", "regression", "spatial", "identity", "temporal"]
Weights = dict[str, Tensor]


def command(data: Path, out: Path, *more: str) -> list[str]:
    """Two steps a stage, with a checkpoint after each; seven points, which is quicker."""
    few = ["--scheme", "ibug7", "--batch", "4", "--sequences", "2", "--frames", "3", "--every", "1"]
    few += ["--threads", "1", "--device", "cpu"]
    steps = [f"--steps-{stage}=2" for stage in ORDER]
    return ["--data", str(data), "--out", str(out), *few, *steps, *more]


@dataclass
class Runs:
    """One run without a break and one that was cut off in the third stage, from the same data.

    ``ends`` are the weights at the ends of the whole run's stages, ``steps`` what each call of the other began.
    """

    data: Path
    whole: Path
    cut: Path
    ends: dict[str, Weights] = field(default_factory=dict)
    steps: list[list[int]] = field(default_factory=list)


def weights(network: PaperNetwork) -> Weights:
    return {name: value.clone() for name, value in network.state_dict().items()}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    root = tmp_path_factory.mktemp("paper")
    runs = Runs(write_paper_data(root / "data", clips=(5, 4)), root / "whole", root / "cut")
    report, update = Trainer.report, Trainer.update

    def ending(self: Trainer, stage: Stage) -> None:
        report(self, stage)
        runs.ends[stage.name] = weights(self.network)

    def watched(self: Trainer, optimiser: torch.optim.Optimizer, loss: Tensor, rate: float) -> None:
        if len(runs.steps) == 1 and self.progress.step == 5:
            raise KeyboardInterrupt
        runs.steps[-1].append(self.progress.step)
        update(self, optimiser, loss, rate)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "report", ending)
        runs.ends["nothing"] = weights(Trainer(arguments(command(runs.data, runs.whole)), THIN).network)
        main(command(runs.data, runs.whole), THIN)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "update", watched)
        runs.steps.append([])
        with pytest.raises(KeyboardInterrupt):
            main(command(runs.data, runs.cut), THIN)
        runs.steps.append([])
        main(command(runs.data, runs.cut), THIN)
    return runs


def log(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


@pytest.mark.slow
def test_the_stages_follow_each_other_in_the_papers_order(runs: Runs) -> None:
    lines = log(runs.whole)
    assert [line["stage"] for line in lines] == [name for name in ORDER for _ in range(2)]
    assert [line["step"] for line in lines] == list(range(1, 11))
    assert [line["stage_step"] for line in lines] == [1, 2] * 5
    assert [stage.name for stage in STAGES] == ORDER


@pytest.mark.slow
def test_each_stage_learns_from_its_losses(runs: Runs) -> None:
    both = {"pixels", "offsets", "confidence"}
    wanted = dict(zip(ORDER, [{"pixels"}, both, both, both | {"identity"}, both], strict=True))
    sums: dict[tuple[str, str], float] = {}
    for line in log(runs.whole):
        stage, losses, errors = str(line["stage"]), line["loss"], line["nme"]
        assert isinstance(losses, dict)
        assert set(losses) == wanted[stage]
        for name, value in losses.items():
            sums[stage, name] = sums.get((stage, name), 0.0) + value
        assert isinstance(errors, dict)
        assert all(0 < errors[name] < 1000 for name in ("points", "centres"))
    # A term may be 0 in one step, when no row of a small batch has a person.
    assert all(0 < value < 100 for value in sums.values())


@pytest.mark.slow
def test_each_stage_changes_its_own_parts_and_no_other(runs: Runs) -> None:
    wanted = {stage.name: set(stage.trained) for stage in STAGES}
    for before, name in zip(["nothing", *ORDER], ORDER, strict=False):
        old, new = runs.ends[before], runs.ends[name]
        changed = {key.split(".")[0] for key in old if not torch.equal(old[key], new[key])}
        assert changed == wanted[name], name


@pytest.mark.slow
def test_the_temporal_stage_leaves_the_statistics_of_batch_norm(runs: Runs) -> None:
    old, new = runs.ends["identity"], runs.ends["temporal"]
    statistics = [key for key in old if "running_" in key]
    assert len(statistics) > 40
    assert all(torch.equal(old[key], new[key]) for key in statistics)


@pytest.mark.slow
def test_a_run_that_was_cut_off_ends_as_if_it_had_not_been(runs: Runs) -> None:
    assert runs.steps == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]
    assert [line["step"] for line in log(runs.cut)] == list(range(1, 11))
    one, other = (torch.load(folder / NAME, weights_only=True)["network"] for folder in (runs.whole, runs.cut))
    assert all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.slow
def test_a_finished_run_is_left_as_it_is_and_can_be_made_longer(runs: Runs, tmp_path: Path) -> None:
    before = {p.name: p.read_bytes() for p in runs.whole.iterdir()}
    assert set(before) == {NAME, "log.jsonl"}
    main(command(runs.data, runs.whole), THIN)
    assert {p.name: p.read_bytes() for p in runs.whole.iterdir()} == before
    for name, content in before.items():
        (tmp_path / name).write_bytes(content)
    main(command(runs.data, tmp_path, "--steps-temporal=3"), THIN)
    assert [line["step"] for line in log(tmp_path)] == list(range(1, 12))


@pytest.mark.slow
def test_the_checkpoint_is_a_network_that_runs(runs: Runs) -> None:
    network = load_network(runs.whole / NAME)
    assert isinstance(network, PaperNetwork)
    assert network.preset == replace(THIN, scheme="ibug7", identities=2)
    assert not network.training
    assert all(torch.equal(value, runs.ends["temporal"][key]) for key, value in network.state_dict().items())
    passes = network.acquire(torch.rand(1, 3, 128, 128), network.mean_prior(1), network.fresh_memory(1))
    assert torch.isfinite(passes[-1].points).all()


@pytest.mark.parametrize("other", [replace(THIN, lstm=8), replace(THIN, square_px=(5.0,))])
@pytest.mark.slow
def test_a_checkpoint_of_another_network_is_refused(runs: Runs, other: PaperPreset) -> None:
    with pytest.raises(ValueError, match=r"checkpoint\.pt is of another run"):
        main(command(runs.data, runs.whole), other)


def test_before_the_temporal_stage_the_lstm_is_left_out() -> None:
    network = PaperNetwork(THIN)
    assert [set_stage(network, stage) and network.preset.temporal for stage in STAGES] == [False] * 4 + [True]


@pytest.mark.slow
def test_a_run_begins_from_a_file_of_vgg_16(runs: Runs, tmp_path: Path) -> None:
    vgg = torchvision_vgg(THIN.widths, False)
    path = write(tmp_path / "vgg.pth", vgg)
    trainer = Trainer(arguments(command(runs.data, tmp_path, "--vgg", str(path))), THIN)
    weight = trainer.network.state_dict()["f_enc.stages.0.0.0.weight"]
    assert torch.equal(weight[:, :3], vgg.state_dict()["0.weight"])


def test_what_is_missing_is_told_before_anything_is_learned(tmp_path: Path) -> None:
    data = write_paper_data(tmp_path / "data", clips=())
    (data / "ytf").rename(data / "elsewhere")
    with pytest.raises(FileNotFoundError, match=r"ytf/train has no persons; --steps-identity 0"):
        Trainer(arguments(command(data, tmp_path)), THIN)
    without = Trainer(arguments(command(data, tmp_path, "--steps-identity=0", "--scheme=ibug68")), THIN)
    assert (without.network.preset.identities, len(without.network.mean), without.clips) == (0, 68, [])
    found = Trainer(arguments(command(data, tmp_path, "--people=elsewhere/train", "--no-batch-norm")), THIN)
    assert (found.network.preset.identities, found.network.preset.batch_norm) == (2, False)


def test_bad_data_are_skipped_by_their_name_or_refused(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = write_paper_data(tmp_path / "data", clips=())
    (data / "300w" / "train" / "1.pts").write_text("nothing")
    trainer = Trainer(arguments(command(data, tmp_path)), THIN)
    assert [len(s.faces) for s in trainer.recipe.sets] == [2, 3]
    assert str(data / "300w" / "train" / "1.pts") in caplog.text
    with pytest.raises(BadAnnotation, match=r"1\.pts"):
        Trainer(arguments(command(data, tmp_path, "--strict")), THIN)


def test_the_rate_warms_up_and_falls_in_every_stage() -> None:
    rates = [rate(1e-3, step, 2000) for step in range(2000)]
    assert rates[0] == pytest.approx(1e-5, rel=0.01)
    assert max(rates) == pytest.approx(1e-3, rel=0.02)
    assert rates.index(max(rates)) == 99
    assert rates[-1] == pytest.approx(1e-5, rel=0.01)
    assert rate(1e-3, 0, 1) == pytest.approx(1e-3)


def test_the_command_trains_the_papers_sizes_by_default(tmp_path: Path) -> None:
    args = arguments(["--data", "a", "--out", "b"])
    assert [getattr(args, f"steps_{name}") > 1000 for name in ORDER] == [True] * 5
    assert main.__defaults__ == (None, PAPER)
