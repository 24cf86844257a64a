"""int8: the convolutions in 8 bits by calibration on real crops, as QuantizeLinear and DequantizeLinear.

Symmetric everywhere and one scale a channel of weights, which is what TensorRT takes; coordinates, the LSTM and its
memory stay float32.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from export.onnx_files import metadata_of
from export.runners import GraphRunner
from red_align import contract

Feed = dict[str, NDArray[np.generic]]


def quantised(graphs: Path, crops: NDArray[np.uint8]) -> dict[str, onnx.ModelProto]:
    """Both graphs of a folder with their convolutions in int8.

    Args:
        graphs: Folder of the fp32 graphs.
        crops: uint8 [K, 128, 128, 3]; ranges are those met on them.

    Returns:
        Models by the graph's name, with the metadata of the given ones.
    """
    runner, out = GraphRunner(graphs), {}
    for name in (contract.STEP_GRAPH, contract.ACQUIRE_GRAPH):
        model = onnx.load(graphs / f"{name}.onnx")
        metadata = metadata_of(model)
        convolutions = [node.name for node in model.graph.node if node.op_type == "Conv"]
        with tempfile.TemporaryDirectory() as temp:
            inferred, path = Path(temp) / "inferred.onnx", Path(temp) / f"{name}.onnx"
            # Shapes alone: the graph is simplified already.
            quant_pre_process(model, inferred, skip_optimization=True, skip_symbolic_shape=True)
            quantize_static(
                inferred,
                path,
                _Crops(runner, name, crops),
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                activation_type=QuantType.QInt8,
                weight_type=QuantType.QInt8,
                nodes_to_quantize=convolutions,
                # TensorRT takes no biases in 32-bit integers.
                extra_options={"ActivationSymmetric": True, "WeightSymmetric": True, "QuantizeBias": False},
            )
            out[name] = onnx.load(path)
        onnx.helper.set_model_props(out[name], metadata)
    return out


class _Crops(CalibrationDataReader):  # type: ignore[misc]
    """What a graph is fed with when it serves: the mean shape at first, then the points and memory of before."""

    def __init__(self, runner: GraphRunner, graph: str, crops: NDArray[np.uint8]) -> None:
        self._runner, self._graph = runner, graph
        self._rest = iter(crops)

    def get_next(self) -> Feed | None:
        """The next crop as a batch of one; None at the end."""
        crop = next(self._rest, None)
        return None if crop is None else self._feed(crop[None])

    def _feed(self, crop: NDArray[np.uint8]) -> Feed:
        prior, fresh = self._runner.mean[None], np.zeros((1, self._runner.memory_size), np.float32)
        if self._graph == contract.ACQUIRE_GRAPH:
            return dict(zip(contract.ACQUIRE_INPUTS, (crop, prior, fresh), strict=True))
        first = self._runner.acquire(crop, prior, fresh)
        values = (crop, first.points, np.ones((1, 1), np.float32), first.memory, fresh)
        return dict(zip(contract.STEP_INPUTS, values, strict=True))
