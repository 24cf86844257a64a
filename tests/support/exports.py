"""Exported networks for tests, with a session for each graph."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray

from export.onnx_files import write_onnx
from red.models.edge.network import RedNetwork
from red_align import contract
from tests.support.networks import lively_network

Arrays = list[NDArray[np.float32]]


@dataclass
class Exported:
    """A network, the folder of its files, its models without weights, and one session a graph."""

    network: RedNetwork
    folder: Path
    models: dict[str, onnx.ModelProto]
    sessions: dict[str, ort.InferenceSession]

    def run(self, graph: str, *values: NDArray[np.generic]) -> Arrays:
        """All outputs, in the contract's order."""
        step = graph == contract.STEP_GRAPH
        names = contract.STEP_INPUTS if step else contract.ACQUIRE_INPUTS
        outputs = contract.STEP_OUTPUTS if step else contract.ACQUIRE_OUTPUTS
        answer: Arrays = self.sessions[graph].run(list(outputs), dict(zip(names, values, strict=True)))
        return answer

    @property
    def prior(self) -> NDArray[np.float32]:
        """The mean shape for three rows."""
        return np.ascontiguousarray(self.network.mean_prior(3).flatten(1).numpy())


def export(scheme: str, folder: Path) -> Exported:
    """Write both graphs of a lively network to a folder as training run ``run-7``; takes some 20 s."""
    network = lively_network(scheme)
    paths = write_onnx(network, folder, "run-7")
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    sessions = {p.stem: ort.InferenceSession(p, options, providers=["CPUExecutionProvider"]) for p in paths}
    return Exported(network, folder, {p.stem: onnx.load(p, load_external_data=False) for p in paths}, sessions)
