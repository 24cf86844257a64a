"""The exporting command: what passes parity is written, what does not leaves nothing behind."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from export import commands
from export.accuracy import Accuracy
from export.main import main
from export.parity import Parity
from export.precision.variants import EvaluationResult
from red.models.edge.network import RedNetwork
from red.models.presets import EDGE
from red.training.checkpoint import NAME, save_checkpoint

FILES = {"red.onnx": b"step", "red_acquire.onnx": b"acquire", "weights.bin": b"weights"}
GOOD = Parity(60, 0.01, 1e-4, 1e-5)
ACCURATE = Accuracy(4.0, 4.0, 3.7)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    network = RedNetwork(EDGE)
    folder = tmp_path / "edge-9"
    folder.mkdir()
    save_checkpoint(folder / NAME, network, network, torch.optim.AdamW(network.parameters()), 1, {"out": folder})
    return folder / NAME


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the training runs that were written; stand-ins take the exporter's place, which takes long."""
    names: list[str] = []

    def write(network: RedNetwork, folder: Path, training_run: str, **_: object) -> list[Path]:
        assert not network.training
        names.append(training_run)
        folder.mkdir(exist_ok=True)
        for name, data in FILES.items():
            (folder / name).write_bytes(data)
        return [folder / "red.onnx", folder / "red_acquire.onnx"]

    monkeypatch.setattr(commands, "write_onnx", write)
    return names


def found(monkeypatch: pytest.MonkeyPatch, acquire: Parity, step: Parity) -> None:
    monkeypatch.setattr(commands, "GraphRunner", lambda _: None)
    monkeypatch.setattr(commands, "check_parity", lambda *_: {"red_acquire": acquire, "red": step})


def test_what_agrees_with_torch_is_written(
    checkpoint: Path, runs: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found(monkeypatch, GOOD, GOOD)
    out = checkpoint.parent.parent / "models" / "deep"
    assert main(["graphs", str(checkpoint), str(out)]) == 0
    assert {p.name: p.read_bytes() for p in out.iterdir()} == FILES
    assert runs == ["edge-9"]
    assert "0.010000" in capsys.readouterr().out


def test_the_run_can_be_named(checkpoint: Path, runs: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    found(monkeypatch, GOOD, GOOD)
    assert main(["graphs", str(checkpoint), str(checkpoint.parent / "out"), "--run", "other"]) == 0
    assert runs == ["other"]


@pytest.mark.parametrize("off", [0.05, 0.06, 40.0, float("nan"), float("inf")])
@pytest.mark.parametrize("graph", ["red_acquire", "red"])
def test_what_differs_from_torch_is_refused_and_nothing_is_written(
    checkpoint: Path,
    runs: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    graph: str,
    off: float,
) -> None:
    bad = Parity(60, off, 0.0, 0.0)
    found(monkeypatch, *((bad, GOOD) if graph == "red_acquire" else (GOOD, bad)))
    out = checkpoint.parent.parent / "models"
    assert main(["graphs", str(checkpoint), str(out)]) == 1
    assert not out.exists()
    assert "refused" in capsys.readouterr().err
    assert runs == ["edge-9"]


@pytest.mark.parametrize("tracked", [4.05, 4.2])
def test_a_variant_that_loses_more_than_a_tenth_of_a_point_is_not_written(
    checkpoint: Path,
    runs: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tracked: float,
) -> None:
    def write(network: RedNetwork, plain: Path, folder: Path, *_: object) -> EvaluationResult:
        shutil.copytree(plain, folder)
        return EvaluationResult(ACCURATE, replace(ACCURATE, tracked=tracked))

    found(monkeypatch, GOOD, GOOD)
    monkeypatch.setattr(commands, "write_variant", write)
    monkeypatch.setattr(commands, "validation_faces", lambda _: None)
    out = checkpoint.parent.parent / "models"
    flags = ["--precision", "fp16", "--validate", "faces"]
    kept = tracked < 4.1
    assert main(["graphs", str(checkpoint), str(out), *flags]) == (0 if kept else 1)
    assert out.exists() == kept
    assert ("NME grows by 0.200" in capsys.readouterr().err) != kept


@pytest.mark.parametrize("missing", ["torch", "onnx", "skimage"])
@pytest.mark.parametrize("arguments", [["repository", "graphs", "models"], ["--help"]])
def test_without_what_exports_it_ends_with_one_sentence(missing: str, arguments: list[str]) -> None:
    # What a module that is None in sys.modules raises is what a missing one raises.
    code = f"import sys; sys.modules[{missing!r}] = None; from export.main import main; sys.exit(main({arguments}))"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (1, "")
    wanted = f"red-export needs {missing}, which is not installed here: pip install './deploy/server[export]'\n"
    assert ended.stderr == wanted


def test_a_module_of_ours_that_is_missing_is_no_matter_of_what_is_installed() -> None:
    code = "import sys; sys.modules['export.parity'] = None; from export.main import main; main([])"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "ModuleNotFoundError" in ended.stderr
