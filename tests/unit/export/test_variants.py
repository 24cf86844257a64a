"""fp16 and int8: what is half and what stays whole, the accuracy that is evaluated, and the refusal."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import get_args

import cv2
import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto

from export import commands
from export.accuracy import Accuracy, accuracy, calibration_crops, validation_faces
from export.main import main
from export.precision.variants import EvaluationResult, Precision, Refused, write_variant
from export.runners import Answer, Array, GraphRunner, TorchRunner
from red.training.checkpoint import load_network
from red_align import contract
from red_align.datasets.protocol import Draws
from red_align.datasets.pts import write_pts
from red_align.schemes import IBUG68
from service.config.settings import MODEL_FOLDER
from tests.conftest import Exports
from tests.support.faces import astronaut_face

# An export takes 20 s of one core, and a variant is two of them.
pytestmark = pytest.mark.timeout(600)
SHIPPED = Path(__file__).parents[3] / "training" / "edge-4" / "weights.pt"
GRAPHS = (contract.STEP_GRAPH, contract.ACQUIRE_GRAPH)


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of labelled faces."""
    folder = tmp_path_factory.mktemp("faces")
    for number in range(4):
        face = astronaut_face(left=11 * number, top=4 * number)
        cv2.imwrite(str(folder / f"{number}.png"), cv2.cvtColor(face.image, cv2.COLOR_RGB2BGR))
        write_pts(folder / f"{number}.pts", face.points)
    return folder


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory, faces: Path) -> dict[str, Path]:
    """The shipped weights in both variants."""
    network, data, crops = load_network(SHIPPED), validation_faces(faces, draws=1), calibration_crops(faces)
    out = {}
    for precision in get_args(Precision)[1:]:
        out[precision] = tmp_path_factory.mktemp(precision)
        write_variant(network, MODEL_FOLDER, out[precision], precision, data, crops).require()
    return out


def initialisers(folder: Path, graph: str) -> dict[str, int]:
    """Types of the large tensors."""
    model = onnx.load(folder / f"{graph}.onnx", load_external_data=False)
    return {t.name: t.data_type for t in model.graph.initializer if np.prod(t.dims) > 64}


@pytest.mark.parametrize("precision", ["fp16", "int8"])
@pytest.mark.slow
def test_a_variant_keeps_the_contract_and_says_what_it_is(shipped: dict[str, Path], precision: str) -> None:
    for graph in GRAPHS:
        model = onnx.load(shipped[precision] / f"{graph}.onnx", load_external_data=False)
        reported = {p.key: p.value for p in model.metadata_props}
        assert reported["precision"] == precision
        assert reported["training_run"] == "edge-4"
        kinds = {v.name: v.type.tensor_type.elem_type for v in [*model.graph.input, *model.graph.output]}
        assert kinds.pop("crop") == TensorProto.UINT8
        assert set(kinds.values()) == {TensorProto.FLOAT}
        assert {o.domain for o in model.opset_import} == {""}
        assert model.ir_version <= 10


@pytest.mark.slow
def test_convolutions_are_half_and_coordinates_and_memory_are_whole(shipped: dict[str, Path]) -> None:
    kinds = initialisers(shipped["fp16"], "red")
    half = {name for name, kind in kinds.items() if kind == TensorProto.FLOAT16}
    assert any("f_enc" in name for name in half)
    assert any("f_denc" in name for name in half)
    whole = {name for name, kind in kinds.items() if kind == TensorProto.FLOAT}
    for part in ("f_reg.hidden", "f_reg.offsets", "f_reg.from_centres", "f_reg.fusion", "f_trnn"):
        assert any(part in name for name in whole), part
        assert not any(part in name for name in half), part
    model = onnx.load(shipped["fp16"] / "red.onnx", load_external_data=False)
    assert sum(node.op_type == "Cast" for node in model.graph.node) <= 10


@pytest.mark.slow
def test_int8_is_what_tensorrt_takes(shipped: dict[str, Path]) -> None:
    for graph in GRAPHS:
        model = onnx.load(shipped["int8"] / f"{graph}.onnx")
        operators = {node.op_type for node in model.graph.node}
        assert {"QuantizeLinear", "DequantizeLinear"} <= operators
        assert not operators & {"QLinearConv", "ConvInteger"}
        zeros = [onnx.numpy_helper.to_array(t) for t in model.graph.initializer if t.name.endswith("zero_point")]
        assert zeros
        assert all(z.dtype == np.int8 and not z.any() for z in zeros)
        kinds = {t.name: t.data_type for t in model.graph.initializer}
        dequantised = [kinds.get(n.input[0]) for n in model.graph.node if n.op_type == "DequantizeLinear"]
        assert TensorProto.INT32 not in dequantised


@pytest.mark.slow
def test_shipped_weights_lose_next_to_nothing(shipped: dict[str, Path], faces: Path) -> None:
    data = validation_faces(faces, draws=2)
    whole = accuracy(TorchRunner(load_network(SHIPPED)), data)
    for folder in shipped.values():
        assert accuracy(GraphRunner(folder), data).loss(whole) < 0.3


class Shifted:
    """Gives the truth, too far to the right: by ``first`` pixels at first, by ``then`` pixels in the next frame."""

    scheme, memory_size, mean = IBUG68, 3, IBUG68.mean_shape.reshape(-1).astype(np.float32)

    def __init__(self, data: Draws, first: float, then: float) -> None:
        self.data, self.first, self.then = data, first, then

    def acquire(self, crops: NDArray[np.uint8], prior: Array, resume: Array) -> Answer:
        assert (prior == self.mean).all()
        assert not resume.any()
        at = [next(i for i, known in enumerate(self.data.crops) if (known == crop).all()) for crop in crops]
        points = (self.data.points[at] + [self.first, 0.0]).reshape(len(at), -1)
        return Answer(points.astype(np.float32), np.ones((len(at), 68), np.float32), resume + 1)

    def step(
        self, streams: Sequence[int], crops: NDArray[np.uint8], prior: Array, start: NDArray[np.bool_], resume: Array
    ) -> Answer:
        assert start.all()
        assert (resume == 1).all()
        moved = prior.reshape(len(crops), -1, 2) + np.array([self.then - self.first, 0.0], np.float32)
        return Answer(moved.reshape(len(crops), -1), np.ones((len(crops), 68), np.float32), resume)


def test_accuracy_is_the_mean_distance_over_that_of_the_eyes(faces: Path) -> None:
    data = validation_faces(faces, draws=2)
    found = accuracy(Shifted(data, 3.0, 2.0), data)
    shares = 100.0 / np.linalg.norm(data.points[:, 36] - data.points[:, 45], axis=-1)
    assert found.acquired == pytest.approx(3 * shares.mean(), rel=1e-4)
    assert found.tracked == pytest.approx(2 * shares.mean(), rel=1e-4)
    assert found.median == pytest.approx(2 * np.median(shares), rel=1e-4)
    assert found.loss(replace(found, acquired=found.acquired - 1)) == pytest.approx(1)


def test_crops_for_calibration_are_not_those_that_judge(faces: Path) -> None:
    validated, given = validation_faces(faces, draws=1).crops, calibration_crops(faces, most=3)
    assert given.shape == (3, 128, 128, 3)
    assert not any((crop == other).all() for crop in given for other in validated)


GOOD = Accuracy(4.0, 4.0, 3.7)


@pytest.mark.parametrize(
    "bad", [replace(GOOD, acquired=4.11), replace(GOOD, tracked=4.11), replace(GOOD, acquired=float("nan"))]
)
def test_a_loss_of_more_than_a_tenth_of_a_point_is_refused(bad: Accuracy) -> None:
    EvaluationResult(GOOD, replace(GOOD, acquired=4.09, tracked=4.09)).require()
    with pytest.raises(Refused, match="NME grows"):
        EvaluationResult(GOOD, bad).require()


@pytest.mark.slow
def test_what_was_calibrated_on_the_wrong_pictures_is_refused(
    shipped: dict[str, Path], faces: Path, tmp_path: Path
) -> None:
    data, network = validation_faces(faces, draws=1), load_network(SHIPPED)
    plain = GraphRunner(MODEL_FOLDER)
    n = len(data.crops)
    fresh = np.zeros((n, plain.memory_size), np.float32)
    own = plain.acquire(data.crops, np.tile(plain.mean, (n, 1)), fresh).points.reshape(n, -1, 2)
    data = replace(data, points=own.astype(np.float64))  # what differs from fp32 is an error, then
    result = write_variant(network, MODEL_FOLDER, tmp_path, "int8", data, np.zeros((2, 128, 128, 3), np.uint8))
    with pytest.raises(Refused, match="NME grows"):
        result.require()
    assert result.variant.acquired > 2 * accuracy(GraphRunner(shipped["int8"]), data).acquired


def test_seven_points_in_half_precision_by_the_command(
    exports: Exports, faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seven, out = exports("edge7"), tmp_path / "out"
    # In fp32 it is exported already.
    monkeypatch.setattr(commands, "write_onnx", lambda _, folder, *__, **___: shutil.copytree(seven.folder, folder))
    monkeypatch.setattr(commands, "FRAMES", 3)
    assert main(["graphs", str(seven.checkpoint), str(out), "--precision", "fp16", "--validate", str(faces)]) == 0
    assert finite(GraphRunner(out), calibration_crops(faces))
    reported = capsys.readouterr().out
    assert reported.index("graphs in fp16") < reported.index("median %")


@pytest.mark.parametrize("missing", [["--precision", "fp16"], ["--precision", "int8", "--validate", "."]])
def test_a_variant_needs_faces(missing: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["graphs", str(SHIPPED), str(tmp_path / "out"), *missing]) == 1
    assert "need" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def finite(runner: GraphRunner, crops: NDArray[np.uint8]) -> bool:
    n = len(crops)
    fresh = np.zeros((n, runner.memory_size), np.float32)
    first = runner.acquire(crops, np.tile(runner.mean, (n, 1)), fresh)
    then = runner.step(range(n), crops, first.points, np.ones(n, np.bool_), first.memory)
    return all(bool(np.isfinite(part).all()) for part in (*first, *then))


def test_the_papers_network_in_eight_bits(exports: Exports, faces: Path, tmp_path: Path) -> None:
    paper, crops = exports("paper7"), calibration_crops(faces)
    result = write_variant(paper.network, paper.folder, tmp_path, "int8", validation_faces(faces, draws=1), crops)
    assert result.variant.loss(result.fp32) < 1.0  # of untrained weights
    assert finite(GraphRunner(tmp_path), crops)
