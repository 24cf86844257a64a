"""Exported networks for tests, with a session for each graph."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from numpy.typing import NDArray

from export import commands
from export.main import main
from export.onnx_files import write_models, write_onnx
from red.models.edge.network import RedNetwork
from red.models.paper.network import PaperNetwork
from red.training.checkpoint import NAME, load_network, save_checkpoint
from red.training.paper.checkpoint import Progress, save
from red_align import contract
from tests.support.networks import lively_network
from tests.support.paper import THIN, lively_paper

Arrays = list[NDArray[np.float32]]
RUN = "run-7"
"""The training run that every export here names."""
GRAPHS = "graphs"

# An export takes time by the number of nodes, so by passes; the width of layers costs next to nothing.
NETWORKS: dict[str, Callable[[], RedNetwork | PaperNetwork]] = {
    "edge68": lambda: lively_network("ibug68"),
    "edge7": lambda: lively_network("ibug7", square_px=(3.0,)),
    "paper68": lambda: lively_paper(replace(THIN, square_px=(7.0, 3.0))),
    "paper7": lambda: lively_paper(replace(THIN, scheme="ibug7", square_px=(3.0,), identities=2), offsets=0.002),
}
"""By kind and number of points: the shipped sizes, and one pass; the paper's layers with two passes, and with one."""
BY_COMMAND = ("edge7", "paper7")
"""Exported by the command, so with its parity check; the paper's network need not pass it, see test_paper_export."""


@dataclass
class Exported:
    """A checkpoint, its network, the folder of its files, its models without weights, and one session a graph."""

    checkpoint: Path
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

    def prior(self, rows: int) -> NDArray[np.float32]:
        """The mean shape for so many rows."""
        return np.ascontiguousarray(self.network.mean_prior(rows).flatten(1).numpy())


def export(name: str, root: Path) -> None:
    """A checkpoint of one of NETWORKS and its exported graphs, written into root; takes 10 to 25 s of one core."""
    made, checkpoint, folder = NETWORKS[name](), root / NAME, root / GRAPHS
    if isinstance(made, PaperNetwork):
        save(root, made, torch.optim.Adam(made.parameters()), Progress())
    else:
        save_checkpoint(checkpoint, made, made, torch.optim.AdamW(made.parameters()), 1, {})
    if name in BY_COMMAND:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(commands, "FRAMES", 3)
            patch.setattr(commands, "SEQUENCES", 2)
            assert main(["graphs", str(checkpoint), str(folder), "--run", RUN]) == 0
    else:
        write_onnx(load_network(checkpoint), folder, RUN)


def load(root: Path) -> Exported:
    """What export() wrote, with a session of one thread for each graph."""
    folder = root / GRAPHS
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    paths = sorted(folder.glob("*.onnx"))
    sessions = {p.stem: ort.InferenceSession(p, options, providers=["CPUExecutionProvider"]) for p in paths}
    models = {p.stem: onnx.load(p, load_external_data=False) for p in paths}
    return Exported(root / NAME, load_network(root / NAME), folder, models, sessions)


def write_with_zeros(exported: Exported, weight: str, folder: Path) -> Path:
    """The same graphs with one weight set to zero, without another export; gives the folder."""
    models = {p.stem: onnx.load(p) for p in sorted(exported.folder.glob("*.onnx"))}
    for model in models.values():
        (tensor,) = (t for t in model.graph.initializer if t.name.endswith(weight))
        tensor.raw_data = bytes(len(tensor.raw_data))
    write_models(models, folder)
    return folder
