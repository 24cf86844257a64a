"""TensorRT's parser and builder take every graph that is exported, without a GPU; and what they refuse is reported."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from export.main import main
from export.repository.rtx_plans import NotBuilt, build_plan
from service.config.settings import MODEL_FOLDER
from tests.conftest import Exports

pytest.importorskip("tensorrt_rtx_bindings", reason="Linux on x86-64 alone")
pytestmark = pytest.mark.timeout(400)


@pytest.mark.slow
def test_the_shipped_graphs_by_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rtx", str(MODEL_FOLDER), str(tmp_path / "plans"), "--max-batch", "16"]) == 0
    plans = sorted((tmp_path / "plans").iterdir())
    assert [p.name for p in plans] == ["red.rtx.plan", "red_acquire.rtx.plan"]
    weights = (MODEL_FOLDER / "weights.bin").stat().st_size
    assert all(p.stat().st_size > weights for p in plans)
    assert "compute capability 8.9" in capsys.readouterr().out


def test_seven_points(exports: Exports) -> None:
    exported = exports("edge7")
    for graph in exported.models:
        assert build_plan(exported.folder / f"{graph}.onnx", 8).layers > 500


def test_the_papers_network(exports: Exports) -> None:
    exported = exports("paper7")
    for graph in exported.models:
        assert len(build_plan(exported.folder / f"{graph}.onnx", 4, "12.0").plan) > 100_000


def test_a_graph_that_tensorrt_does_not_know_is_refused_with_its_words(tmp_path: Path) -> None:
    model = onnx.load(MODEL_FOLDER / "red.onnx")
    next(n for n in model.graph.node if n.op_type == "Resize").op_type = "Unique"
    onnx.save(model, tmp_path / "bad.onnx")
    with pytest.raises(NotBuilt, match="Unique"):
        build_plan(tmp_path / "bad.onnx", 4)
