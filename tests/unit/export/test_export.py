"""The exported files: the contract's names and shapes, plain operators, one set of weights, and torch's answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from onnx import TensorProto

from export.folding import folded
from export.onnx_files import MAX_IR, MAX_OPSET, WEIGHTS_FILE
from export.parity import Parity, check_parity, moving_faces
from export.runners import Answer, Array, GraphRunner, TorchRunner
from red.models.build import AnyNetwork
from red.training.validate import to_image
from red_align import contract
from tests.conftest import Exports
from tests.support.exports import Exported

GRAPHS = (contract.STEP_GRAPH, contract.ACQUIRE_GRAPH)
# What the exporter uses today and its near relatives: none branches, loops or has an output of unknown size.
OPERATORS = """Abs Add AveragePool Cast Clip Concat Conv Div Exp Expand Gather Gemm Greater Identity Log MatMul MaxPool
    Mul Pow ReduceMean ReduceSum Relu Reshape Resize Shape Sigmoid Slice Softmax Split Squeeze Sub Tanh Transpose
    Unsqueeze Where"""


@pytest.fixture(scope="module", params=["edge68", "edge7"])
def exported(request: pytest.FixtureRequest, exports: Exports) -> Exported:
    return exports(request.param)


@pytest.fixture(scope="module")
def crops() -> NDArray[np.uint8]:
    """Two frames of three faces."""
    return moving_faces(2, 3)


def memory(exported: Exported, seed: int) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(0, 0.5, (3, exported.network.preset.memory)).astype(np.float32)


def garbage(exported: Exported) -> NDArray[np.float32]:
    return np.full((3, exported.network.preset.memory), np.nan, np.float32)


START, CONTINUE = np.ones((3, 1), np.float32), np.zeros((3, 1), np.float32)


def test_the_graphs_have_the_contracts_tensors(exported: Exported) -> None:
    points = exported.network.scheme.num_points
    memory, f32 = 256 + 2 * points, TensorProto.FLOAT
    wanted = {
        "crop": (["N", 128, 128, 3], TensorProto.UINT8),
        "prior": (["N", 2 * points], f32),
        "start": (["N", 1], f32),
        "resume": (["N", memory], f32),
        "state": (["N", memory], f32),
        "next_state": (["N", memory], f32),
        "memory": (["N", memory], f32),
        "landmarks": (["N", 2 * points], f32),
        "confidence": (["N", points], f32),
    }
    names = {
        contract.STEP_GRAPH: (contract.STEP_INPUTS, contract.STEP_OUTPUTS),
        contract.ACQUIRE_GRAPH: (contract.ACQUIRE_INPUTS, contract.ACQUIRE_OUTPUTS),
    }
    for graph, (inputs, outputs) in names.items():
        model = exported.models[graph]
        assert [v.name for v in model.graph.input] == list(inputs)
        assert [v.name for v in model.graph.output] == list(outputs)
        for value in [*model.graph.input, *model.graph.output]:
            tensor = value.type.tensor_type
            assert ([d.dim_param or d.dim_value for d in tensor.shape.dim], tensor.elem_type) == wanted[value.name]


def test_the_graphs_run_on_old_servers(exported: Exported) -> None:
    for model in exported.models.values():
        assert [(o.domain, o.version <= 20) for o in model.opset_import] == [("", True)]
        assert model.ir_version <= 10
        assert not model.functions
        assert {n.op_type for n in model.graph.node} <= set(OPERATORS.split())
        assert {n.domain for n in model.graph.node} == {""}
        assert not any(a.type == onnx.AttributeProto.GRAPH for n in model.graph.node for a in n.attribute)
    assert (MAX_OPSET, MAX_IR) == (20, 10)


def test_the_graphs_say_what_they_are(exported: Exported) -> None:
    for graph, model in exported.models.items():
        values = {p.key: p.value for p in model.metadata_props}
        mean = np.array([float(v) for v in values.pop("mean_shape").split(",")])
        np.testing.assert_allclose(mean, exported.network.scheme.mean_shape.reshape(-1), atol=1e-4)
        assert "non-commercial" in values.pop("license")
        assert values == {
            "contract_version": "1",
            "preset": "edge",
            "passes": "1" if graph == "red" else str(len(exported.network.preset.square_px)),
            "scheme": exported.network.scheme.name,
            "points": str(exported.network.scheme.num_points),
            "memory": str(256 + 2 * exported.network.scheme.num_points),
            "training_run": "run-7",
            "precision": "fp32",
        }


def test_the_files_name_no_path_of_this_machine(exported: Exported) -> None:
    for path in exported.folder.iterdir():
        data = path.read_bytes()
        for place in (Path.cwd(), exported.folder, Path(torch.__file__).parent, Path.home()):
            assert str(place).encode() not in data
        assert path.name == WEIGHTS_FILE or b".py" not in data


def places(model: onnx.ModelProto) -> Iterator[tuple[int, int]]:
    """Where a model's external tensors lie: (offset, length)."""
    for tensor in model.graph.initializer:
        if tensor.data_location == TensorProto.EXTERNAL:
            entry = {e.key: e.value for e in tensor.external_data}
            assert entry["location"] == WEIGHTS_FILE
            yield int(entry["offset"]), int(entry["length"])


def test_both_graphs_share_one_file_of_weights(exported: Exported) -> None:
    assert sorted(p.name for p in exported.folder.iterdir()) == ["red.onnx", "red_acquire.onnx", "weights.bin"]
    size = (exported.folder / WEIGHTS_FILE).stat().st_size
    parameters = 4 * sum(p.numel() for p in exported.network.parameters())
    step, acquire = (set(places(exported.models[g])) for g in GRAPHS)
    assert 0.9 * parameters < size < 1.3 * parameters
    assert sum(length for _, length in step & acquire) > 0.9 * parameters
    assert max(offset + length for offset, length in step | acquire) == size
    assert all((exported.folder / f"{g}.onnx").stat().st_size < 200_000 for g in GRAPHS)


def compared(exported: Exported, network: AnyNetwork, frames: int, streams: int) -> dict[str, Parity]:
    return check_parity(GraphRunner(exported.folder), TorchRunner(network), moving_faces(frames, streams))


def test_graphs_and_torch_agree_over_interleaved_streams(exported: Exported) -> None:
    frames = 52 if exported.network.scheme.num_points == 68 else 8
    for parity in compared(exported, exported.network, frames, 3).values():
        assert parity.frames == 3 * frames
        assert parity.points_px < 0.05
        assert parity.confidence < 1e-3
        assert parity.memory < 1e-3


def test_parity_sees_a_network_that_differs_in_its_memory_alone(exported: Exported) -> None:
    other = folded(exported.network)
    with torch.no_grad():
        other.f_trnn.gates.bias.add_(0.2)
    table = compared(exported, other, 4, 2)
    assert min(p.memory for p in table.values()) > 1e-2
    assert table["red"].points_px > 0.05


class Forgetful(GraphRunner):
    """Takes the memory of the stream that sits in the first row for everybody's."""

    def step(
        self, streams: Sequence[int], crops: NDArray[np.uint8], prior: Array, start: NDArray[np.bool_], resume: Array
    ) -> Answer:
        answer = super().step(streams, crops, prior, start, resume)
        for stream in streams:
            self._state[stream] = self._state[streams[0]]
        return answer


def test_parity_sees_a_runner_that_mixes_up_its_streams(exported: Exported) -> None:
    table = check_parity(Forgetful(exported.folder), TorchRunner(exported.network), moving_faces(6, 3))
    assert table["red_acquire"].points_px < 0.05
    assert table["red"].points_px > 0.05


def test_nodes_are_named_for_the_parts_they_come_from(exported: Exported) -> None:
    for model in exported.models.values():
        parts = {node.name.split("/")[0].split(".")[0] for node in model.graph.node if node.op_type == "Conv"}
        assert parts == {"stem", "f_enc", "f_denc", "f_reg"}  # f_sRNN is a product of matrices


@torch.no_grad()
def test_folding_removes_batch_norm_but_not_its_effect(exported: Exported, crops: NDArray[np.uint8]) -> None:
    network, copy = exported.network, folded(exported.network)
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in copy.modules())
    assert any(isinstance(m, torch.nn.BatchNorm2d) for m in network.modules())
    image = to_image(torch.from_numpy(crops[0]))
    ours, theirs = (n.track(image, n.mean_prior(3), n.fresh_memory(3)) for n in (copy, network))
    torch.testing.assert_close(ours.points, theirs.points, atol=0.02, rtol=0)


def test_at_a_start_memory_comes_from_resume_whatever_the_state_holds(
    exported: Exported, crops: NDArray[np.uint8]
) -> None:
    fresh = exported.run("red", crops[0], exported.prior(3), START, memory(exported, 1), garbage(exported))
    wanted = exported.run("red", crops[0], exported.prior(3), CONTINUE, garbage(exported), memory(exported, 1))
    for ours, theirs in zip(fresh, wanted, strict=True):
        assert np.isfinite(ours).all()
        np.testing.assert_array_equal(ours, theirs)
    other = exported.run("red", crops[0], exported.prior(3), START, memory(exported, 2), garbage(exported))
    assert np.abs(other[0] - fresh[0]).max() > 0.05
    np.testing.assert_array_equal(fresh[2], fresh[3])


def test_a_rows_answer_does_not_depend_on_its_neighbours(exported: Exported, crops: NDArray[np.uint8]) -> None:
    kept = memory(exported, 1)
    mixed = np.array([[1], [0], [1]], np.float32)
    whole = exported.run("red", crops[0], exported.prior(3), mixed, kept, memory(exported, 2))
    state = np.where(mixed > 0, kept, memory(exported, 2))
    acquired = exported.run("red_acquire", crops[0], exported.prior(3), kept)
    broken = kept.copy()
    broken[1:] = np.nan
    for row in range(3):
        one = slice(row, row + 1)
        alone = exported.run(
            "red", crops[0][one], exported.prior(3)[one], CONTINUE[one], garbage(exported)[one], state[one]
        )
        single = exported.run("red_acquire", crops[0][one], exported.prior(3)[one], kept[one])
        for part, full in [*zip(alone, whole, strict=True), *zip(single, acquired, strict=True)]:
            np.testing.assert_allclose(part[0], full[row], atol=5e-3)
    first = exported.run("red_acquire", crops[0], exported.prior(3), broken)[0][0]
    np.testing.assert_allclose(first, acquired[0][0], atol=5e-3)


@torch.no_grad()
def test_the_step_graph_goes_on_from_the_memory_of_the_acquiring_one(
    exported: Exported, crops: NDArray[np.uint8]
) -> None:
    points, _, kept = exported.run("red_acquire", crops[0], exported.prior(3), 0 * memory(exported, 0))
    ours = exported.run("red", crops[1], points, START, kept, garbage(exported))[0]
    network, images = exported.network, [to_image(torch.from_numpy(c)) for c in crops]
    first = network.acquire(images[0], network.mean_prior(3), network.fresh_memory(3))[-1]
    wanted = network.track(images[1], first.points, first.memory).points.flatten(1).numpy()
    np.testing.assert_allclose(ours, wanted, atol=5e-3)
    forgetful = exported.run("red", crops[1], points, START, 0 * kept, garbage(exported))[0]
    assert np.abs(forgetful - wanted).max() > 0.03
