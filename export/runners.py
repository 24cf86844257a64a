"""Who can run the tensor contract: torch, ONNX Runtime over files, a Triton server. Parity compares two of them.

A runner keeps the memory of its streams itself, each by its own means: that is part of what is compared.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import onnx
import onnxruntime as ort
import torch
from numpy.typing import NDArray

from red.models.build import AnyNetwork
from red.training.checkpoint import load_network
from red.training.validate import to_image
from red_align import contract
from red_align.schemes import SCHEMES, PointScheme

Array = NDArray[np.float32]
GRAPH_PATHS = ("{name}.onnx", "{name}/1/model.onnx", "{name}/source.onnx")
"""Where a graph lies: in a folder of graphs, in a model repository, in one whose plans are still to be built."""


class Answer(NamedTuple):
    """Points [N, 2L] in crop pixels, confidence [N, L] and memory [N, S], float32."""

    points: Array
    confidence: Array
    memory: Array


class Runner(Protocol):
    """Both graphs, and the points' scheme, its mean shape [2L] and the size of the memory that go with them."""

    scheme: PointScheme
    mean: Array
    memory_size: int

    def acquire(self, crops: NDArray[np.uint8], prior: Array, resume: Array) -> Answer:
        """All passes of first frames.

        Args:
            crops: uint8 [N, 128, 128, 3].
            prior: float32 [N, 2L], crop pixels.
            resume: float32 [N, S], the memory to begin with.
        """

    def step(
        self, streams: Sequence[int], crops: NDArray[np.uint8], prior: Array, start: NDArray[np.bool_], resume: Array
    ) -> Answer:
        """The next frame of some streams.

        Args:
            streams: Numbers of the streams, N of them.
            crops: uint8 [N, 128, 128, 3].
            prior: float32 [N, 2L], crop pixels.
            start: bool [N]; where it is true the stream begins anew.
            resume: float32 [N, S], the memory to begin with there.
        """


class TorchRunner:
    """The network itself."""

    def __init__(self, network: AnyNetwork) -> None:
        self.network = network.eval()
        self.scheme = network.scheme
        self.mean: Array = network.mean_prior(1).flatten().numpy()
        self.memory_size = network.preset.memory
        self._memory: dict[int, torch.Tensor] = {}

    @torch.no_grad()
    def acquire(self, crops: NDArray[np.uint8], prior: Array, resume: Array) -> Answer:
        """See Runner."""
        points = torch.from_numpy(prior).reshape(len(prior), -1, 2)
        result = self.network.acquire(to_image(torch.from_numpy(crops)), points, torch.from_numpy(resume))[-1]
        return Answer(*(t.numpy() for t in (result.points.flatten(1), result.confidence.sigmoid(), result.memory)))

    @torch.no_grad()
    def step(
        self, streams: Sequence[int], crops: NDArray[np.uint8], prior: Array, start: NDArray[np.bool_], resume: Array
    ) -> Answer:
        """See Runner."""
        begun = torch.from_numpy(resume)
        memory = torch.stack([begun[i] if start[i] else self._memory[s] for i, s in enumerate(streams)])
        points = torch.from_numpy(prior).reshape(len(prior), -1, 2)
        result = self.network.track(to_image(torch.from_numpy(crops)), points, memory)
        self._memory |= dict(zip(streams, result.memory, strict=True))
        return Answer(*(t.numpy() for t in (result.points.flatten(1), result.confidence.sigmoid(), result.memory)))


class Session(Protocol):
    """A loaded graph, with the call that sessions of ONNX Runtime have."""

    def run(self, output_names: list[str], input_feed: dict[str, Any]) -> Sequence[Any]:
        """Arrays of the named outputs.

        Args:
            output_names: Which.
            input_feed: All inputs by name.
        """


class GraphRunner:
    """The exported files; ``state`` is NaN where a stream begins, which must not matter.

    Args:
        folder: Of both graphs, or a model repository.
        open_graph: Loads a graph's file; by default under ONNX Runtime on the CPU.

    Raises:
        FileNotFoundError: A graph is missing.
    """

    def __init__(self, folder: Path, open_graph: Callable[[Path], Session] | None = None) -> None:
        paths = [graph_file(folder, name) for name in (contract.STEP_GRAPH, contract.ACQUIRE_GRAPH)]
        self._step, self._acquire = ((open_graph or _on_cpu)(path) for path in paths)
        properties = onnx.load(paths[0], load_external_data=False).metadata_props
        self.metadata: dict[str, str] = {entry.key: entry.value for entry in properties}
        self.scheme = SCHEMES[self.metadata["scheme"]]
        self.mean = np.array(self.metadata["mean_shape"].split(","), np.float32)
        self.memory_size = int(self.metadata["memory"])
        self._state: dict[int, Array] = {}

    def acquire(self, crops: NDArray[np.uint8], prior: Array, resume: Array) -> Answer:
        """See Runner."""
        inputs = dict(zip(contract.ACQUIRE_INPUTS, (crops, prior, resume), strict=True))
        return Answer(*self._acquire.run(list(contract.ACQUIRE_OUTPUTS), inputs))

    def step(
        self, streams: Sequence[int], crops: NDArray[np.uint8], prior: Array, start: NDArray[np.bool_], resume: Array
    ) -> Answer:
        """See Runner; raises RuntimeError if memory and next_state differ."""
        unknown = np.full(self.memory_size, np.nan, np.float32)
        state = np.stack([unknown if start[i] else self._state[s] for i, s in enumerate(streams)])
        values = (crops, prior, start[:, None].astype(np.float32), resume, state)
        outputs = self._step.run(list(contract.STEP_OUTPUTS), dict(zip(contract.STEP_INPUTS, values, strict=True)))
        points, confidence, memory, next_state = outputs
        if not np.array_equal(memory, next_state, equal_nan=True):
            raise RuntimeError("memory and next_state differ")
        self._state |= dict(zip(streams, next_state, strict=True))
        return Answer(points, confidence, memory)


def runner_of(path: Path) -> TorchRunner | GraphRunner:
    """Torch for a checkpoint, ONNX Runtime for a folder of graphs or a model repository.

    Args:
        path: A file or a folder.

    Raises:
        FileNotFoundError: The folder lacks a graph.
    """
    return GraphRunner(path) if path.is_dir() else TorchRunner(load_network(path))


def graph_file(folder: Path, name: str) -> Path:
    """The file of a graph.

    Args:
        folder: A folder of graphs or a model repository.
        name: Of the graph.

    Raises:
        FileNotFoundError: There is none.
    """
    for pattern in GRAPH_PATHS:
        if (path := folder / pattern.format(name=name)).is_file():
            return path
    raise FileNotFoundError(f"{folder} has no graph {name!r}")


def _on_cpu(path: Path) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
