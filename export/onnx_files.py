"""Write both graphs as ONNX files that share one file of weights, and check what was written."""

from __future__ import annotations

import hashlib
import logging
import warnings
from pathlib import Path

import onnx
import torch
from onnx import TensorProto, external_data_helper
from torch import nn

from export.folding import folded
from export.graphs import AcquireGraph, StepGraph
from landmarks import contract
from red.network import RedNetwork

OPSET = 18
MAX_OPSET, MAX_IR = 20, 10
"""Servers in the field are older than our own runtime."""
WEIGHTS_FILE = "weights.bin"
_SHARED_FROM_BYTES = 1024


def write_onnx(network: RedNetwork, folder: Path, training_run: str) -> list[Path]:
    """Write ``red.onnx``, ``red_acquire.onnx`` and ``weights.bin`` to a folder; gives the graphs' paths."""
    network = folded(network)
    points, memory = network.scheme.num_points, network.preset.memory
    crop = torch.zeros(2, contract.CROP_SIZE, contract.CROP_SIZE, 3, dtype=torch.uint8)
    prior, start, kept = torch.zeros(2, 2 * points), torch.zeros(2, 1), torch.zeros(2, memory)
    parts: list[tuple[str, nn.Module, tuple[torch.Tensor, ...], tuple[str, ...], tuple[str, ...]]] = [
        (
            contract.STEP_GRAPH,
            StepGraph(network),
            (crop, prior, start, kept, kept.clone()),
            contract.STEP_INPUTS,
            contract.STEP_OUTPUTS,
        ),
        (
            contract.ACQUIRE_GRAPH,
            AcquireGraph(network),
            (crop, prior, kept),
            contract.ACQUIRE_INPUTS,
            contract.ACQUIRE_OUTPUTS,
        ),
    ]
    folder.mkdir(parents=True, exist_ok=True)
    weights = _SharedWeights()
    models = []
    for name, graph, arguments, inputs, outputs in parts:
        model = _trace(graph, arguments, inputs, outputs)
        passes = 1 if name == contract.STEP_GRAPH else len(network.preset.square_px)
        _describe(model, network, passes, training_run)
        weights.move_from(model)
        models.append((folder / f"{name}.onnx", model))
    (folder / WEIGHTS_FILE).write_bytes(weights.data)
    for path, model in models:
        path.write_bytes(model.SerializeToString())
        onnx.checker.check_model(str(path), full_check=True)
    return [path for path, _ in models]


def _trace(
    graph: nn.Module, arguments: tuple[torch.Tensor, ...], inputs: tuple[str, ...], outputs: tuple[str, ...]
) -> onnx.ModelProto:
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            graph.eval(),
            arguments,
            input_names=list(inputs),
            output_names=list(outputs),
            opset_version=OPSET,
            dynamo=True,
            dynamic_shapes=[{0: torch.export.Dim("N")}] * len(arguments),
            verbose=False,
        )
    assert program is not None
    model: onnx.ModelProto = program.model_proto
    opset = max(o.version for o in model.opset_import)
    if opset > MAX_OPSET or model.ir_version > MAX_IR:
        raise RuntimeError(f"opset {opset} and IR {model.ir_version} exceed {MAX_OPSET} and {MAX_IR}")
    _drop_traces(model)
    return model


def _drop_traces(model: onnx.ModelProto) -> None:
    """Remove what the exporter says of our source files; it would name the paths of this machine."""
    del model.metadata_props[:]
    model.doc_string = ""
    for node in model.graph.node:
        node.doc_string = ""
        del node.metadata_props[:]
    del model.graph.metadata_props[:]
    for value in [*model.graph.value_info, *model.graph.input, *model.graph.output]:
        value.doc_string = ""
        del value.metadata_props[:]
    for tensor in model.graph.initializer:
        tensor.doc_string = ""
        del tensor.metadata_props[:]


def _describe(model: onnx.ModelProto, network: RedNetwork, passes: int, training_run: str) -> None:
    mean = ",".join(f"{v:.4f}" for v in network.scheme.mean_shape.reshape(-1))
    values = {
        "contract_version": str(contract.CONTRACT_VERSION),
        "preset": network.preset.name,
        "passes": str(passes),
        "scheme": network.scheme.name,
        "points": str(network.scheme.num_points),
        "memory": str(network.preset.memory),
        "mean_shape": mean,
        "training_run": training_run,
        "license": "non-commercial research only, see MODEL_CARD.md",
    }
    onnx.helper.set_model_props(model, values)


class _SharedWeights:
    """Large tensors by content: what two graphs have in common is stored once."""

    def __init__(self) -> None:
        self._places: dict[bytes, int] = {}
        self.data = b""

    def move_from(self, model: onnx.ModelProto) -> None:
        """Take the model's large tensors and leave references to the file of weights."""
        for tensor in model.graph.initializer:
            raw = onnx.numpy_helper.to_array(tensor).tobytes()
            if len(raw) < _SHARED_FROM_BYTES:
                continue
            key = hashlib.sha256(raw).digest()
            if key not in self._places:
                self.data += b"\0" * (-len(self.data) % 64)
                self._places[key] = len(self.data)
                self.data += raw
            tensor.ClearField("float_data")
            tensor.raw_data = raw
            external_data_helper.set_external_data(
                tensor, location=WEIGHTS_FILE, offset=self._places[key], length=len(raw)
            )
            tensor.ClearField("raw_data")
            tensor.data_location = TensorProto.EXTERNAL
