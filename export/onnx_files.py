"""Both graphs as ONNX, simplified, in files that share one file of weights; what was written is checked."""

from __future__ import annotations

import ast
import hashlib
import logging
import warnings
from pathlib import Path

import onnx
import onnxslim
import torch
from onnx import TensorProto, external_data_helper
from onnxscript import optimizer, rewriter
from onnxscript.rewriter.rules.common import collapse_slice2_rule, collapse_slice_rule
from torch import nn

from export.folding import folded
from export.graphs import AcquireGraph, StepGraph
from export.stored import rounded, store_in_half
from red.models.build import AnyNetwork
from red_align import contract

OPSET = 18
MAX_OPSET, MAX_IR = 20, 10
"""Servers in the field are older than our own runtime."""
WEIGHTS_FILE = "weights.bin"
_SHARED_FROM_BYTES = 1024


def write_onnx(network: AnyNetwork, folder: Path, training_run: str, *, half_weights: bool = False) -> list[Path]:
    """Write ``red.onnx``, ``red_acquire.onnx`` and ``weights.bin``.

    Args:
        network: Of either kind.
        folder: Where to; made where it is missing.
        training_run: Name of the run, for the graphs' metadata.
        half_weights: Whether weights are stored in half precision (export.stored).

    Returns:
        Paths of both graphs.
    """
    if not half_weights:
        return write_models(traced(folded(network), training_run), folder)
    models = traced(rounded(folded(network)), training_run)
    for model in models.values():
        store_in_half(model)
    return write_models(models, folder)


def traced(network: AnyNetwork, training_run: str) -> dict[str, onnx.ModelProto]:
    """Both graphs, simplified, with their metadata.

    Args:
        network: As it is to be run: folded, and halved for fp16.
        training_run: Name of the run, for the metadata.

    Returns:
        Models by the graph's name.
    """
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
    models = {}
    for name, graph, arguments, inputs, outputs in parts:
        models[name] = simplified(_trace(graph, arguments, inputs, outputs))
        passes = 1 if name == contract.STEP_GRAPH else len(network.preset.square_px)
        _describe(models[name], network, passes, training_run)
    return models


def simplified(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same graph with fewer nodes: constants folded, slices of slices merged, what nobody reads removed."""
    slim: onnx.ModelProto = onnxslim.slim(model)
    return slim


def write_models(models: dict[str, onnx.ModelProto], folder: Path) -> list[Path]:
    """Write graphs, with one file of their large tensors.

    Args:
        models: By name; their large tensors are taken out of them.
        folder: Where to; made where it is missing.

    Returns:
        Paths of the graphs.

    Raises:
        RuntimeError: A graph has an opset or IR that servers in the field do not know.
        onnx.checker.ValidationError: A graph is not valid.
    """
    for name, model in models.items():
        opset = max(o.version for o in model.opset_import)
        if opset > MAX_OPSET or model.ir_version > MAX_IR:
            raise RuntimeError(f"{name}: opset {opset} and IR {model.ir_version} exceed {MAX_OPSET} and {MAX_IR}")
    folder.mkdir(parents=True, exist_ok=True)
    weights = _SharedWeights()
    for model in models.values():
        weights.move_from(model)
    (folder / WEIGHTS_FILE).write_bytes(weights.data)
    paths = []
    for name, model in models.items():
        paths.append(folder / f"{name}.onnx")
        paths[-1].write_bytes(model.SerializeToString())
        onnx.checker.check_model(str(paths[-1]), full_check=True)
    return paths


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
            optimize=False,
        )
    assert program is not None
    # Of torch's optimiser these two change our graphs; its other rules take a third of the export to find nothing.
    optimizer.fold_constants(program.model)
    rewriter.rewrite(program.model, [collapse_slice_rule, collapse_slice2_rule])
    model: onnx.ModelProto = program.model_proto
    _name_by_parts(model)
    _drop_traces(model)
    return model


def _name_by_parts(model: onnx.ModelProto) -> None:
    """Name every node for the part of the network that it comes from, as in ``f_enc.stage8.0.0/node_Conv_7``."""
    for node in model.graph.node:
        scopes = {entry.key: entry.value for entry in node.metadata_props}.get("pkg.torch.onnx.name_scopes", "[]")
        modules = [str(scope) for scope in ast.literal_eval(scopes)][:-1]
        part = modules[-1].removeprefix("network.") if modules else ""
        node.name = f"{part}/{node.name}"


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


def metadata_of(model: onnx.ModelProto) -> dict[str, str]:
    """What an exported graph says of itself."""
    return {entry.key: entry.value for entry in model.metadata_props}


def _describe(model: onnx.ModelProto, network: AnyNetwork, passes: int, training_run: str) -> None:
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
        "precision": "fp32",
        "license": "non-commercial research only, see MODEL_CARD.md",
    }
    onnx.helper.set_model_props(model, values)


class _SharedWeights:
    """Large tensors by content: what two graphs have in common is stored once."""

    def __init__(self) -> None:
        self._offsets: dict[bytes, int] = {}
        self.data = b""

    def move_from(self, model: onnx.ModelProto) -> None:
        """Take the model's large tensors and leave references to the file of weights."""
        for tensor in model.graph.initializer:
            raw = onnx.numpy_helper.to_array(tensor).tobytes()
            if len(raw) < _SHARED_FROM_BYTES:
                continue
            key = hashlib.sha256(raw).digest()
            if key not in self._offsets:
                self.data += b"\0" * (-len(self.data) % 64)
                self._offsets[key] = len(self.data)
                self.data += raw
            tensor.ClearField("float_data")
            tensor.raw_data = raw
            external_data_helper.set_external_data(
                tensor, location=WEIGHTS_FILE, offset=self._offsets[key], length=len(raw)
            )
            tensor.ClearField("raw_data")
            tensor.data_location = TensorProto.EXTERNAL
