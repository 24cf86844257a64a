"""The check of a GPU host goes its whole way on a CPU, and says of each engine that cannot run why."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

from benchmarks.gpu import check
from benchmarks.gpu.report import BEGIN, END, Report, Row, faults, renewed, table
from benchmarks.gpu.rtx_session import NoGpu, RtxSession
from export.accuracy import Accuracy
from red_align.datasets.pts import write_pts
from service.config.settings import MODEL_FOLDER
from tests.support.faces import astronaut_face

ROOT = Path(__file__).parents[3]
SCRIPT = ROOT / "deploy" / "gpu_check.sh"
GOOD = Row("cuda", "fp32", {1: 1.5, 64: 4.0}, 0.001, Accuracy(4.0, 4.0, 3.8))
HALF = Row("cuda", "fp16", {1: 1.0, 64: 2.0}, 0.2, Accuracy(4.02, 4.05, 3.8))
NONE = Row("rtx", "fp32", failed="no driver")


def report(*rows: Row) -> Report:
    return Report("Some GPU, driver 580", "onnxruntime 1", 100.0, list(rows))


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    folder = tmp_path / "faces"
    folder.mkdir()
    face = astronaut_face()
    cv2.imwrite(str(folder / "a.png"), cv2.cvtColor(face.image, cv2.COLOR_RGB2BGR))
    write_pts(folder / "a.pts", face.points)
    return folder


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_script_goes_its_whole_way_on_the_cpu(faces: Path, tmp_path: Path) -> None:
    out = tmp_path / "gpu.json"
    command = [str(SCRIPT), "--cpu", "--batches", "1", "3", "--budget", "0", "--frames", "3", "--out", str(out)]
    env = os.environ | {"PYTHON": sys.executable, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    ended = subprocess.run([*command, "--faces", str(faces)], env=env, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    said = json.loads(out.read_text())
    assert [(row["engine"], row["precision"]) for row in said["rows"]] == [("cpu", "fp32"), ("cpu", "fp16")]
    for row in said["rows"]:
        assert row["failed"] == ""
        assert list(row["steps"]) == ["1", "3"]
        assert all(ms > 0 for ms in row["steps"].values())
        assert 0 < row["accuracy"]["acquired"] < 50
    assert said["rows"][0]["points_px"] < 0.05
    assert "| cpu, fp16 |" in ended.stdout


def test_engines_without_a_gpu_have_a_row_that_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--engines", "cuda", "rtx", "--precisions", "fp32", "--batches", "1", "--frames", "2"]
    document = tmp_path / "benchmarks.md"
    document.write_text(f"{BEGIN}\n{END}\n")
    assert check.main([*flags, "--out", str(tmp_path / "gpu.json"), "--write", str(document)]) == 1
    said = capsys.readouterr()
    assert "execution provider 'cuda' is missing in the installed ONNX Runtime" in said.out
    assert "nvidia-smi finds no GPU" in said.out
    assert "FAULT: no engine ran" in said.err
    assert document.read_text() == f"{BEGIN}\n{END}\n"  # what failed is not kept as a figure


@pytest.mark.parametrize(
    ("capability", "said"), [("3.5", r"compute capability 3\.5 is none of"), ("8.9", "cuda-bindings|CUDA: cudaError")]
)
def test_a_gpu_that_cannot_be_used_is_refused_before_a_plan_is_built(
    capability: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if Path("/dev/nvidiactl").exists():
        pytest.skip("this host has a GPU")
    (tmp_path / "nvidia-smi").write_text(f"#!/bin/sh\necho {capability}\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(NoGpu, match=said):
        RtxSession(MODEL_FOLDER / "red.onnx", 4)


def test_the_script_says_in_a_sentence_what_is_missing(tmp_path: Path) -> None:
    def run(*flags: str, **environment: str) -> subprocess.CompletedProcess[str]:
        env = os.environ | environment
        return subprocess.run([str(SCRIPT), *flags], env=env, capture_output=True, text=True, check=False)

    ended = run(PATH="/usr/bin:/bin")
    assert ended.returncode == 1
    assert "no GPU here; --cpu goes the same way without one" in ended.stderr
    ended = run("--cpu", PYTHON=str(tmp_path / "python"))
    assert ended.returncode == 1
    assert "--prepare makes it" in ended.stderr


def test_the_script_ends_in_time(tmp_path: Path) -> None:
    slow = tmp_path / "python"
    slow.write_text("#!/bin/sh\nexec sleep 30\n")
    slow.chmod(0o755)
    env = os.environ | {"PYTHON": str(slow), "LIMIT_S": "0.2"}
    ended = subprocess.run([str(SCRIPT), "--cpu"], env=env, capture_output=True, text=True, check=False)
    assert ended.returncode == 124
    assert "not done within 0.2 s" in ended.stderr


def test_faults_are_what_must_not_be() -> None:
    assert faults(report(GOOD, HALF, NONE)) == []  # an engine that is not there is none
    assert faults(report(NONE)) == ["no engine ran"]
    for off in (0.06, float("nan"), None):
        (said,) = faults(report(Row("rtx", "fp32", {1: 1.0}, off)))
        assert "from torch's" in said
    for worse in (Accuracy(4.2, 4.0, 3.8), Accuracy(4.0, float("nan"), 3.8)):
        (said,) = faults(report(GOOD, Row("cuda", "fp16", {1: 1.0}, 0.2, worse)))
        assert "NME grows" in said


def test_the_table_has_every_batch_and_takes_its_place_in_a_document() -> None:
    text = table(report(GOOD, HALF, NONE))
    lines = text.splitlines()
    assert lines[2] == "| engine | 1 | 64 | px from torch | NME %, first | next |"
    assert lines[4] == "| cuda, fp32 | 1.50 | 4.00 | 0.0010 | 4.000 | 4.000 |"
    assert lines[6] == "| rtx, fp32 | - | - | no driver | - | - |"
    assert renewed(f"a\n{BEGIN}\nold\n{END}\nb", report(GOOD)) == f"a\n{BEGIN}\n{table(report(GOOD))}\n{END}\nb"
    with pytest.raises(ValueError, match="missing"):
        renewed("no marks", report(GOOD))


def test_the_document_of_figures_has_the_place_for_the_table() -> None:
    text = (ROOT / "docs" / "benchmarks.md").read_text()
    assert renewed(text, report(GOOD)) != text
