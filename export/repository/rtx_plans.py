"""Plans of TensorRT for RTX, built without a GPU: a check that TensorRT's parser and builder take a graph.

Such a plan is for TensorRT for RTX alone, not for Triton, whose plans only the GPU's own machine can build (see
export.repository.plans). Linux on x86-64, from the packages ``tensorrt-rtx-cu12-libs`` and
``tensorrt-rtx-cu12-bindings``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx

from red_align import contract

CAPABILITIES = ("7.5", "8.0", "8.6", "8.9", "9.0", "10.0", "12.0")
"""Compute capabilities that may be asked for; which of them a version knows, it says itself."""


class NotBuilt(RuntimeError):
    """TensorRT refused a graph; the message has what its parser or builder said."""


@dataclass(frozen=True)
class Built:
    """A plan and the number of layers that the parser made of the graph."""

    plan: bytes
    layers: int


def build_plan(graph: Path, max_batch: int, capability: str = "8.9") -> Built:
    """The plan of one graph for batches of 1 to ``max_batch`` and one compute capability.

    Raises NotBuilt, and ImportError where the packages are missing.
    """
    import tensorrt_rtx_bindings as trt

    said = _listener(trt)
    builder = trt.Builder(said)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, said)
    # Parsed from memory with its weights inside: the parser looks for files where the process runs.
    if not parser.parse(onnx.load(graph).SerializeToString()):
        raise NotBuilt("; ".join(_message(parser.get_error(i)) for i in range(parser.num_errors)))
    profile = builder.create_optimization_profile()
    for i in range(network.num_inputs):
        tensor = network.get_input(i)
        dims = list(tensor.shape)[1:]
        profile.set_shape(tensor.name, *([n, *dims] for n in (1, min(8, max_batch), max_batch)))
    config = builder.create_builder_config()
    config.add_optimization_profile(profile)
    config.num_compute_capabilities = 1
    config.set_compute_capability(getattr(trt.ComputeCapability, f"SM{capability.replace('.', '')}"), 0)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise NotBuilt("; ".join(said.errors) or "the builder gave no reason")
    return Built(bytes(plan), network.num_layers)


def build_plans(graphs: Path, out: Path, max_batch: int, capability: str = "8.9") -> dict[Path, Built]:
    """Plans of both graphs of a folder as ``<name>.rtx.plan`` in another."""
    out.mkdir(parents=True, exist_ok=True)
    built = {}
    for name in (contract.STEP_GRAPH, contract.ACQUIRE_GRAPH):
        path = out / f"{name}.rtx.plan"
        built[path] = build_plan(graphs / f"{name}.onnx", max_batch, capability)
        path.write_bytes(built[path].plan)
    return built


def _message(error: Any) -> str:
    return f"{error.node_operator()} {error.node_name()}: {error.desc()}"


def _listener(trt: Any) -> Any:
    """TensorRT's messages: errors are kept for the exception, the rest is dropped."""

    class Listener(trt.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.errors: list[str] = []

        def log(self, severity: Any, message: str) -> None:
            if severity in (trt.ILogger.ERROR, trt.ILogger.INTERNAL_ERROR):
                self.errors.append(message)

    return Listener()
