"""Weights that are stored in half precision: half of the file, and the points of the rounded network."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from export.folding import folded
from export.onnx_files import WEIGHTS_FILE, write_onnx
from export.parity import check_parity, moving_faces
from export.runners import GraphRunner, TorchRunner
from export.stored import rounded, store_in_half
from red.models.edge.network import RedNetwork
from red.models.presets import EDGE

THIN = replace(EDGE, enc16=16, enc8=16, code=16, dec8=16, dec16=16, reg=(8, 16, 16), reg_hidden=16, lstm=8)


def graph(values: NDArray[np.float32]) -> onnx.ModelProto:
    """x times a matrix."""
    return helper.make_model(
        helper.make_graph(
            [helper.make_node("MatMul", ["x", "w"], ["y"])],
            "product",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, values.shape[0]])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, values.shape[1]])],
            [numpy_helper.from_array(values, "w")],
        ),
        opset_imports=[helper.make_opsetid("", 18)],
        ir_version=10,
    )


def product(model: onnx.ModelProto, x: NDArray[np.float32]) -> NDArray[np.float32]:
    """What ONNX Runtime makes of it."""
    return np.asarray(ort.InferenceSession(model.SerializeToString()).run(None, {"x": x})[0])


def test_what_loses_nothing_is_stored_in_half_and_gives_the_same_bits() -> None:
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(32, 32)).astype(np.float16).astype(np.float32)
    x = rng.normal(size=(1, 32)).astype(np.float32)
    plain, half = graph(weights), graph(weights)
    assert store_in_half(half) == 1
    assert [t.data_type for t in half.graph.initializer] == [TensorProto.FLOAT16]
    assert np.array_equal(product(plain, x), product(half, x))


@pytest.mark.parametrize("spoilt", [1.0 + 2.0**-20, 70000.0, np.nan])
def test_what_would_lose_something_stays_as_it_is(spoilt: float) -> None:
    weights = np.ones((32, 32), np.float32)
    weights[3, 4] = spoilt
    model = graph(weights)
    assert store_in_half(model) == 0
    assert np.array_equal(numpy_helper.to_array(model.graph.initializer[0]), weights, equal_nan=True)
    assert [node.op_type for node in model.graph.node] == ["MatMul"]


def test_rounding_leaves_the_network_and_its_grids_alone() -> None:
    network = folded(RedNetwork(THIN).eval())
    before = {name: value.clone() for name, value in network.state_dict().items()}
    copy = rounded(network)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(torch.equal(w, w.half().float()) for w in copy.parameters())
    grid = "f_reg.centres.moments"
    assert torch.equal(copy.get_buffer(grid), network.get_buffer(grid))


@pytest.mark.timeout(600)
def test_graphs_with_half_the_weights_are_the_rounded_network(tmp_path: Path) -> None:
    torch.manual_seed(2)
    network = RedNetwork(THIN).eval()
    write_onnx(network, tmp_path / "half", "run", half_weights=True)
    write_onnx(network, tmp_path / "whole", "run")
    half, whole = ((tmp_path / name / WEIGHTS_FILE).stat().st_size for name in ("half", "whole"))
    weights = sum(w.numel() for w in folded(network).parameters())
    assert whole - half > 0.9 * 2 * weights, "two bytes less for nearly every weight"
    table = check_parity(
        GraphRunner(tmp_path / "half"), TorchRunner(rounded(folded(network))), moving_faces(frames=6, sequences=2)
    )
    assert max(parity.points_px for parity in table.values()) < 0.01
