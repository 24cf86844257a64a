"""Weights that are stored in half precision and computed with in float32: half of the file at the same speed."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import onnx
import torch
from onnx import TensorProto, numpy_helper

from red.models.build import AnyNetwork

_LARGE = 256
"""Numbers of a tensor from which on it is worth a node of its own."""


@torch.no_grad()
def rounded(network: AnyNetwork) -> AnyNetwork:
    """A copy whose weights are numbers of half precision, in float32.

    Args:
        network: Folded, so that what is rounded is what will be stored.

    Returns:
        The copy; what is no weight, such as a grid of positions, is as it was.
    """
    copy = deepcopy(network)
    for weight in copy.parameters():
        weight.copy_(weight.half().float())
    return copy


def store_in_half(model: onnx.ModelProto) -> int:
    """Store the large float32 tensors that lose nothing by it as float16, each with a cast; in place.

    A runtime casts them once, when it loads the graph.

    Args:
        model: Of a network that is ``rounded``.

    Returns:
        How many were.
    """
    casts = []
    for tensor in model.graph.initializer:
        if tensor.data_type != TensorProto.FLOAT:
            continue
        values = numpy_helper.to_array(tensor)
        with np.errstate(over="ignore"):
            half = values.astype(np.float16)
        if values.size < _LARGE or not np.array_equal(half.astype(np.float32), values):
            continue
        name, stored = tensor.name, f"{tensor.name}/half"
        tensor.CopyFrom(numpy_helper.from_array(half, stored))
        casts.append(onnx.helper.make_node("Cast", [stored], [name], f"{name}/cast", to=TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return len(casts)
